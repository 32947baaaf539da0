"""From the parts of an index to the index: joined, with what only the whole can say, sealed and put in place."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from autointerp.activations._arrays import Folder
from autointerp.activations._index import Index, IndexMeta
from autointerp.activations._merge import merge_arrays
from autointerp.activations._near import put_near
from autointerp.activations._plan import SPLITS
from autointerp.activations._sealed import VERSION, Stored, seal
from autointerp.activations._staging import put_in_place, staged
from autointerp.errors import InputError, OutputError

_TEXTS = ("tokens", "lengths", "lines", "documents", "document_marks")
_OF_THE_WEIGHTS = ("weights", "vocabulary")


def join(
    parts: Sequence[Stored],
    staging: Path,
    folder: Path,
    *,
    caps: Sequence[int],
    weights: Callable[[Path], None],
    meta: Callable[[str], IndexMeta],
) -> Index:
    """Make `folder` of the union of `parts`, prepared under `staging`.

    Parameters
    ----------
    weights: writes what comes from the model and the dictionary below the folder it is given.
    meta: the manifest, from the hash of the text.
    """
    whole = staging / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir(parents=True)
    merge_arrays(parts, whole, caps=caps)
    weights(whole)
    with Folder(whole) as sink:
        put_near(Stored.unsealed(whole), sink)
    seal(whole, meta(_text_hash(whole)))
    put_in_place(whole, folder)
    return Index.open(folder)


def _text_hash(whole: Path) -> str:
    digest = hashlib.sha256()
    for split in SPLITS:
        for name in _TEXTS:
            with (whole / split / f"{name}.npy").open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def merge_indices(folders: Sequence[Path], folder: Path) -> Index:
    """Make one index of several of the same model, dictionary and settings, over texts that they do not share.

    The result is that of one pass over all their passages, in whatever order and grouping they are merged.

    Raises
    ------
    InputError: where they differ in what they were made with, or have a passage in common.
    CacheError: where one of them is not whole.
    OutputError: where `folder` exists, or cannot be written.
    """
    indices = [Index.open(path) for path in folders]
    for index in indices:
        index.stored.verify()
    first = indices[0].meta
    for index in indices[1:]:
        _check_alike(indices[0], index)
    if folder.exists():
        raise OutputError(f"{folder} exists already: give another folder")
    settings = first.settings | {"tokens": sum(index.meta.settings["tokens"] for index in indices)}
    names = {name for index in indices for name in index.meta.corpus_name.split(" + ")}

    def meta(corpus: str) -> IndexMeta:
        origin = [VERSION, first.model, first.dictionary, corpus, settings]
        return IndexMeta(
            key=hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:16],
            model=first.model,
            dictionary=first.dictionary,
            corpus=corpus,
            corpus_name=" + ".join(sorted(names)),
            tokens=sum(index.meta.tokens for index in indices),
            features=first.features,
            length=first.length,
            not_finite=sum(index.meta.not_finite for index in indices),
            settings=settings,
        )

    def weights(whole: Path) -> None:
        for name in _OF_THE_WEIGHTS:
            source = next((i.folder / name for i in indices if (i.folder / name).is_dir()), None)
            if source is not None:
                shutil.copytree(source, whole / name)

    caps = (settings["train_cap"], settings["heldout_cap"], settings["heldout_cap"])
    try:
        with staged(folder) as staging:
            try:
                return join([index.stored for index in indices], staging, folder, caps=caps, weights=weights, meta=meta)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"the index cannot be written to {folder}: {error.strerror or error}") from error


def _check_alike(one: Index, other: Index) -> None:
    """Raises InputError for the first thing in which two indices differ."""
    for name in ("model", "dictionary", "features", "length"):
        mine, theirs = getattr(one.meta, name), getattr(other.meta, name)
        if mine != theirs:
            raise InputError(f"{one.folder} has {name} {mine}, {other.folder} {theirs}: merge indices of the same")
    for name, value in one.meta.settings.items():
        if name != "tokens" and other.meta.settings.get(name) != value:
            raise InputError(
                f"{one.folder} has {name} {value}, {other.folder} {other.meta.settings.get(name)}: build both alike"
            )
