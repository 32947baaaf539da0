"""Made-up activations, recorded without a model: what sketches and their merging are checked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._arrays import Memory, write_packed
from autointerp.activations._merge import merge_arrays
from autointerp.activations._passage_table import put_shard
from autointerp.activations._plan import ShardText
from autointerp.activations._recorder import Floor, ShardRecorder
from autointerp.activations._sealed import Manifest, Stored, seal, unseal

LENGTH, FEATURES, CAPS = 6, 5, (9, 4, 4)


@dataclass(frozen=True)
class Made:
    """A passage: its rank, split, document, tokens, and activations [places without BOS, features], 0 where silent."""

    rank: int
    split: int
    document: str
    ids: tuple[int, ...]
    activations: NDArray[np.float32]


def made(seed: int, count: int, *, strong: bool = False) -> list[Made]:
    """Passages with activations of very different size and density; equal peaks are common."""
    random = np.random.default_rng(seed)
    ranks = random.choice(np.iinfo(np.int64).max, count, replace=False)
    density = np.array([0.9, 0.5, 0.2, 0.05, 0.0])
    passages = []
    for number, rank in enumerate(ranks.tolist()):
        size = int(random.integers(1, LENGTH))
        values = random.choice([0.25, 1.0, 1.5, 3.0, 1e-4, 777.7, 2000.5], (size, FEATURES))
        values = values * random.choice([1.0, random.random() + 0.5])
        acts = np.where(random.random((size, FEATURES)) < density, values, 0) * (1e6 if strong else 1)
        ids = (number, *random.integers(0, 50, size - 1).tolist())
        split = int(random.integers(0, 3))
        passages.append(Made(rank, split, f"d{number % 7}-{split}", ids, acts.astype(np.float32)))
    return passages


def text_of(passages: Sequence[Made]) -> ShardText:
    """As a shard, by rank."""
    some = sorted(passages, key=lambda p: p.rank)
    return ShardText(
        ids=np.array([i for p in some for i in p.ids], dtype=np.int32),
        ends=np.cumsum([len(p.ids) for p in some], dtype=np.int64),
        splits=np.array([p.split for p in some], dtype=np.uint8),
        ranks=np.array([p.rank for p in some], dtype=np.uint64),
        lines=np.array([p.rank % 97 for p in some], dtype=np.int32),
        documents=[p.document.encode() for p in some],
    )


def record(passages: Sequence[Made], folder: Path, floor: Floor | None = None, at_once: int = 3) -> Stored:
    """Record them as one shard, a few passages at a time."""
    text = text_of(passages)
    some = sorted(passages, key=lambda p: p.rank)
    recorder = ShardRecorder(FEATURES, text, LENGTH, CAPS, floor or Floor.nothing(FEATURES, CAPS))
    for start in range(0, len(some), at_once):
        found = [
            (feature, number << 16 | place + 1, passage.activations[place, feature])
            for number, passage in enumerate(some[start : start + at_once], start)
            for place, feature in zip(*np.nonzero(passage.activations), strict=True)
        ]
        features, where, values = zip(*found, strict=True) if found else ((), (), ())
        recorder.add(
            np.array(features, dtype=np.int64), np.array(where, dtype=np.uint32), np.array(values, dtype=np.float32)
        )
    sink = Memory()
    put_shard(sink, text, length=LENGTH, bos=99, padding=98)
    folder.mkdir(parents=True)
    write_packed(folder / "arrays.safetensors", recorder.finish().arrays | sink.arrays())
    return sealed(folder)


def merge(parts: Sequence[Stored], folder: Path) -> Stored:
    """Put parts together."""
    folder.mkdir(parents=True)
    merge_arrays(parts, folder, caps=CAPS)
    return sealed(folder)


def sealed(folder: Path) -> Stored:
    seal(folder, Manifest(key="k"))
    return unseal(folder, Manifest)[1]


def content(stored: Stored) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(stored.folder).as_posix(): path.read_bytes() for path in stored.folder.rglob("*.npy")}
