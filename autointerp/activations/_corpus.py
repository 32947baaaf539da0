"""Where texts come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autointerp.activations._documents import Document
from autointerp.activations._sources import READERS, TEXT_SUFFIXES, folder, plain
from autointerp.activations._stdlib import stdlib_documents, stdlib_files, stdlib_root
from autointerp.errors import CorpusError

STDLIB, HUB = "stdlib", "hf:"


@dataclass(frozen=True, slots=True)
class Corpus:
    """A source of documents. `fingerprint` changes where a document may have changed; it reads no content."""

    name: str
    fingerprint: str
    documents: Callable[[], Iterator[Document]]


def open_corpus(name: str) -> Corpus:
    """Open a corpus by its name, or by the path of a file or a folder.

    Parameters
    ----------
    name: `stdlib` (this Python's standard library); a `.jsonl` file with one {"text": …} a line; a `.parquet` file with a
        column of texts; a text file, whose documents end at `<|endoftext|>` or at blank lines; a folder of such files and of
        source files; or `hf:OWNER/NAME[/CONFIG[/SPLIT[/FILE]]]`, a dataset of the Hugging Face Hub.

    Raises
    ------
    CorpusError: where there is no such thing, or the Hub cannot be reached.
    """
    if name == STDLIB:
        root = stdlib_root()
        return Corpus(name, _stat_mark(stdlib_files(root)), stdlib_documents)
    if name.startswith(HUB):
        from autointerp.activations._hub import hub_dataset

        found = hub_dataset(name.removeprefix(HUB))
        return Corpus(name, found.fingerprint, found.documents)
    path = Path(name).expanduser()
    if path.is_file() and path.suffix in READERS:
        reader = READERS[path.suffix]
        return Corpus(name, _stat_mark([path]), lambda: reader(path))
    if path.is_file() and path.suffix in TEXT_SUFFIXES:
        return Corpus(name, _stat_mark([path]), lambda: plain(path))
    if path.is_dir():
        suffixes = TEXT_SUFFIXES | READERS.keys()
        files = [p for p in sorted(path.rglob("*")) if p.suffix in suffixes and p.is_file()]
        return Corpus(name, _stat_mark(files), lambda: folder(path, files))
    raise CorpusError(
        f"no corpus at {name}: give {STDLIB!r}, a .jsonl file with a text in each line, a .parquet or .txt file, a folder of"
        f" texts, or {HUB}OWNER/NAME"
    )


def _stat_mark(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]
