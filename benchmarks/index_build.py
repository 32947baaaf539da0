"""What an index costs beside the least that it could cost: the same passages through the model and the encoder, nothing kept.

    python benchmarks/index_build.py [--quick] [--json FILE] [--tokens 1000000] [--seed 0]

The floor runs the bundled model to the dictionary's site and no further, multiplies by the encoder and takes the top 32, batch
by batch of the same passages. The product is `build_index`, from opening the corpus until the examples of every feature are
ready to read. Both run on one core in one process, a batch of the one after a batch of the other, so that a busy machine slows
down both; figures are CPU time. A floor that encodes in chunks, as the product does, is shown beside. Dictionaries are
random, of the sizes named. Peak memory is that of fresh processes that build indices of few and of many tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from autointerp.activations import Index, IndexSettings, build_index, open_corpus, passages
from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.models import Subject
from autointerp.testing import tiny_model
from benchmarks._rows import Row, parser, publish

TOKENS, QUICK = 1_000_000, 16_000
SIZES = {4096: "<= 1.10", 16_384: "<= 1.20"}
FEW, MANY = 250_000, 4_000_000
QUICK_FEW, QUICK_MANY = 250_000, 500_000
K, LAYER, BATCH, CHUNK = 32, 2, 32, 512
READS = 200


def random_dictionary(folder: Path, subject: Subject, latents: int, *, k: int, layer: int, seed: int) -> Dictionary:
    """A TopK autoencoder of random directions, through the loader that any other goes through."""
    generator = torch.Generator().manual_seed(seed)
    decoder = torch.nn.functional.normalize(torch.randn(latents, subject.width, generator=generator), dim=1)
    folder.mkdir(parents=True)
    config = {
        "architecture": "topk",
        "k": k,
        "d_in": subject.width,
        "d_sae": latents,
        "dtype": "float32",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"hook_name": f"blocks.{layer}.hook_resid_post"},
    }
    (folder / "cfg.json").write_text(json.dumps(config))
    weights = {
        "W_enc": decoder.T.contiguous(),
        "W_dec": decoder,
        "b_enc": torch.zeros(latents),
        "b_dec": torch.zeros(subject.width),
    }
    save_file(weights, folder / "sae_weights.safetensors")
    return open_dictionary(str(folder), subject)


class Floor:
    """The least that an index can cost, one batch at a time."""

    def __init__(self, subject: Subject, dictionary: Dictionary, settings: IndexSettings, scratch: Path) -> None:
        self._subject, self._site = subject, dictionary.input_site
        found = passages(
            open_corpus("stdlib"),
            subject.encode,
            length=min(settings.context, subject.context) - 1,
            budget=settings.tokens,
            scratch=scratch,
        )
        self._ids = [[subject.bos, *p.ids] for p in found]
        self._weights = dictionary.directions().T.contiguous()
        self._next = 0
        self.naive = self.chunked = 0.0
        self.both = 0.0

    def step(self, *_: int) -> None:
        """The next batch; for every eighth also as it would be with the encoder in chunks."""
        some = self._ids[self._next : self._next + BATCH]
        self._next += BATCH
        if not some:
            return
        began = time.process_time()
        x = self._forward(some)
        forward = time.process_time() - began
        _encode(x, self._weights, len(x))
        whole = time.process_time() - began
        self.naive += whole
        if self._next // BATCH % 8 == 1:
            began = time.process_time()
            _encode(x, self._weights, CHUNK)
            self.chunked += forward + time.process_time() - began
            self.both += whole

    def _forward(self, some: list[list[int]]) -> Tensor:
        ids = self._subject.pad(some)
        resid = self._subject.run(ids, capture=[self._site]).sites[self._site]
        lengths = torch.tensor([len(text) for text in some])
        place = torch.arange(ids.shape[1])
        return resid[(place > 0) & (place < lengths[:, None])]


def _encode(x: Tensor, weights: Tensor, rows: int) -> None:
    for start in range(0, len(x), rows):
        (x[start : start + rows] @ weights).topk(K, dim=-1)


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of the product and of both floors, and the index."""

    product: float
    floor: float
    chunked: float
    index: Index


def measure(subject: Subject, latents: int, tokens: int, seed: int, folder: Path) -> Measured:
    """Build an index while the floor keeps step."""
    dictionary = random_dictionary(folder / "dictionary", subject, latents, k=K, layer=LAYER, seed=seed)
    settings = IndexSettings(tokens=tokens)
    floor = Floor(subject, dictionary, settings, folder / "scratch")
    spent = 0.0

    def told(done: int, size: int) -> None:
        nonlocal spent
        began = time.process_time()
        floor.step()
        if sys.stderr.isatty():
            print(f"\r{latents} latents: {done} of {size} tokens   ", end="", file=sys.stderr, flush=True)
        spent += time.process_time() - began

    began = time.process_time()
    corpus = open_corpus("stdlib")
    index = build_index(subject, dictionary, corpus, folder / "index", key="k", settings=settings, progress=told)
    product = time.process_time() - began - spent
    return Measured(product, floor.naive, floor.naive * floor.chunked / floor.both, index)


def megabytes(folder: Path) -> float:
    """The size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def read_times(folder: Path, seed: int) -> list[tuple[float, float]]:
    """Milliseconds, by the clock and of the processor, for everything about each of some random features.

    The files are put out of memory before.
    """
    index = Index.open(folder)
    chosen = np.random.default_rng(seed).choice(index.meta.features, READS, replace=False).tolist()
    for path in folder.rglob("*.npy"):
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    times = []
    for feature in chosen:
        clock, used = time.perf_counter(), time.process_time()
        index.feature(feature)
        times.append((1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - used)))
    return times


def peak(tokens: int) -> float:
    """Megabytes that a fresh process needs at most to build an index of so many tokens."""
    command = [sys.executable, __file__, "--peak-of", str(tokens)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def build_and_tell(tokens: int, seed: int) -> None:
    """What `peak` runs: the tiny model, in which tokens are cheap and millions of them take minutes."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        subject = Subject.load(str(tiny_model(folder / "model")), device="cpu")
        dictionary = random_dictionary(folder / "dictionary", subject, 1024, k=16, layer=0, seed=seed)
        settings = IndexSettings(tokens=tokens)
        build_index(subject, dictionary, open_corpus("stdlib"), folder / "index", key="k", settings=settings)
    # Not ru_maxrss, which a process takes over from the one that started it.
    high = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert high is not None
    print(int(high[1]) / 1024)


def rows_of(options: argparse.Namespace) -> list[Row]:
    """Every figure."""
    subject = Subject.load("pystdlib", device="cpu")
    tokens = options.tokens or (QUICK if options.quick else TOKENS)
    whole = tokens >= TOKENS
    rows = [Row("tokens", tokens, "count")]
    for latents, target in SIZES.items():
        with tempfile.TemporaryDirectory() as scratch:
            measured = measure(subject, latents, tokens, options.seed, Path(scratch))
            name = f"build, {latents} latents"
            seconds = measured.floor
            # What does not grow with the text, such as the neighbours of every feature, weighs more in a small run.
            rows += [
                Row(f"{name}: CPU time", measured.product, "s", baseline=seconds),
                Row(f"{name}: over the floor", measured.product / seconds, "ratio", target=target if whole else None),
                Row(f"{name}: over a floor in chunks", measured.product / measured.chunked, "ratio"),
                Row(
                    f"{name}: on disk",
                    megabytes(measured.index.folder),
                    "MB",
                    target="<= 84" if whole and latents == min(SIZES) else None,
                ),
            ]
            clock, used = np.array(read_times(measured.index.folder, options.seed)).T
            rows.append(Row(f"{name}: one feature, median", float(np.median(clock)), "ms", target="< 5"))
            rows.append(
                Row(f"{name}: one feature, CPU of 95 in 100", float(np.percentile(used, 95)), "ms", target="< 5")
            )
    few, many = (QUICK_FEW, QUICK_MANY) if options.quick else (FEW, MANY)
    least, most = peak(few), peak(many)
    rows.append(Row(f"peak memory at {many} tokens", most, "MB", baseline=least))
    rows.append(Row(f"peak memory at {many} over {few} tokens", most / least, "ratio", target="<= 1.05"))
    return rows


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--tokens", type=int, default=None, help=f"how many, default {TOKENS}")
    flags.add_argument("--peak-of", type=int, default=None, help=argparse.SUPPRESS)
    options = flags.parse_args()
    torch.set_num_threads(1)
    if options.peak_of is not None:
        build_and_tell(options.peak_of, options.seed)
        return
    publish("Building an index of the bundled model", rows_of(options), options.json)


if __name__ == "__main__":
    main()
