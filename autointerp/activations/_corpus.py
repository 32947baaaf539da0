"""Where texts come from, and how they are cut into passages that fit the context."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autointerp.activations._documents import Document, bucket
from autointerp.activations._stdlib import stdlib_documents, stdlib_files, stdlib_root
from autointerp.errors import CorpusError

STDLIB = "stdlib"
#: A passage gets about this many characters for each token it may hold: a little more than most tokenisers pack into one.
_CHARACTERS_PER_TOKEN = 4
_TEXT_SUFFIXES = frozenset({".txt", ".md", ".rst", ".py"})


@dataclass(frozen=True, slots=True)
class Corpus:
    """A source of documents. `fingerprint` changes where a document may have changed; it reads no content."""

    name: str
    fingerprint: str
    documents: Callable[[], Iterator[Document]]


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive lines of a document, as token ids without BOS."""

    document: str
    line: int
    ids: tuple[int, ...]


def open_corpus(name: str) -> Corpus:
    """Open `stdlib` (this Python's standard library), a JSONL file with one {"text": …} a line, or a folder of text files.

    Raises CorpusError where there is no such thing.
    """
    if name == STDLIB:
        root = stdlib_root()
        return Corpus(name, _stat_mark(stdlib_files(root)), stdlib_documents)
    path = Path(name).expanduser()
    if path.is_file() and path.suffix in (".jsonl", ".ndjson"):
        return Corpus(name, _stat_mark([path]), lambda: _jsonl(path))
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if p.suffix in _TEXT_SUFFIXES and p.is_file()]
        return Corpus(name, _stat_mark(files), lambda: _files(path, files))
    raise CorpusError(
        f"no corpus at {name}: give {STDLIB!r}, a .jsonl file with a text in each line, or a folder of texts"
    )


def _stat_mark(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _jsonl(path: Path) -> Iterator[Document]:
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise CorpusError(f'{path}:{number} is no JSON object with a "text"') from error
            if not isinstance(text, str):
                raise CorpusError(f'{path}:{number} has a "text" that is no string: {text!r:.40}')
            # Named by content, so that its split does not depend on where in the file it stands.
            yield Document(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16], text)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            yield from stream
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}") from error


def _files(root: Path, files: Sequence[Path]) -> Iterator[Document]:
    for path in files:
        text = b"".join(_lines(path)).decode("utf-8", errors="replace").replace("\r\n", "\n")
        if text:
            yield Document(path.relative_to(root).as_posix(), text)


def passages(
    corpus: Corpus, encode: Callable[[str], list[int]], *, length: int, budget: int
) -> tuple[list[Passage], str]:
    """A uniform sample of passages of at most `length` tokens, `budget` tokens in all, and the hash of their text.

    Passages come in the order of a hash of their names, so that the first n of them are a uniform sample too. What occurs
    twice is taken once, or the same words could stand in two splits.
    """
    candidates: list[tuple[float, str, int, str]] = []
    for document in corpus.documents():
        for line, text in _cut(document.text, length * _CHARACTERS_PER_TOKEN):
            candidates.append((bucket(f"{document.id}:{line}"), document.id, line, text))
    candidates.sort()
    digest, seen, taken, left = hashlib.sha256(), set[str | tuple[int, ...]](), list[Passage](), budget
    for _, document_id, line, text in candidates:
        if left <= 0:
            break
        key = text.strip()
        if not key or key in seen:
            continue
        seen.add(key)
        # Long texts that differ behind the cut alone are the same passage.
        ids = tuple(encode(text)[:length])
        if ids in seen:
            continue
        seen.add(ids)
        taken.append(Passage(document_id, line, ids))
        digest.update(f"{document_id}:{line}\0{text}\0".encode("utf-8", "surrogatepass"))
        left -= len(ids)
    return taken, digest.hexdigest()[:16]


def _cut(text: str, characters: int) -> Iterator[tuple[int, str]]:
    """Runs of whole lines of at least `characters`, with the number of the first line; the last run may be shorter."""
    start, size, piece = 1, 0, []
    for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
        piece.append(line)
        size += len(line)
        if size >= characters:
            yield start, "".join(piece)
            start, size, piece = number + 1, 0, []
    if piece:
        yield start, "".join(piece)
