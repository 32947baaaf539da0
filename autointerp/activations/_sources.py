"""Files of texts, read a document at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from autointerp.activations._documents import Document
from autointerp.errors import CorpusError

#: What a folder is searched for: prose, and source code of the common languages.
_LANGUAGES = (
    "txt md rst tex py pyi c h cc cpp hpp cs css go html java js jsx jl kt lua php pl r rb rs scala sh sql swift toml ts tsx"
    " yaml yml"
)
TEXT_SUFFIXES = frozenset(f".{name}" for name in _LANGUAGES.split())
#: Columns of a Parquet file that are taken for the text, in this order.
_COLUMNS = ("text", "content", "document")
#: What separates the texts of a file in the corpora of language models.
_END = "<|endoftext|>"
#: A text file without such a mark is cut at blank lines, into documents of at least so many characters.
_DOCUMENT = 2000


def named_by_content(text: str) -> Document:
    """A document named by its text, so that its split does not depend on where in a file it stands."""
    return Document(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16], text)


def jsonl(path: Path) -> Iterator[Document]:
    """One {"text": …} a line."""
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise CorpusError(f'{path}:{number} is no JSON object with a "text"') from error
            if not isinstance(text, str):
                raise CorpusError(f'{path}:{number} has a "text" that is no string: {text!r:.40}')
            yield named_by_content(text)


def plain(path: Path) -> Iterator[Document]:
    """One text file: documents end at `<|endoftext|>`, or, in a file without one, at blank lines."""
    marked = any(_END.encode() in line for line in _lines(path))
    lines, size = list[str](), 0
    for raw in _lines(path):
        line = raw.decode("utf-8", errors="replace").replace("\r\n", "\n")
        if marked and _END in line:
            first, *more, rest = line.split(_END)
            yield from _whole("".join([*lines, first]), *more)
            lines = [rest]
        elif not marked and not line.strip() and size >= _DOCUMENT:
            yield from _whole("".join(lines))
            lines, size = [], 0
        else:
            lines.append(line)
            size += len(line)
    yield from _whole("".join(lines))


def _whole(*texts: str) -> Iterator[Document]:
    return (named_by_content(text.lstrip("\n")) for text in texts if text.strip())


def parquet(path: Path) -> Iterator[Document]:
    """The column `text`, `content` or `document` of a Parquet file, a few thousand rows at a time."""
    try:
        from pyarrow import ArrowException
        from pyarrow import parquet as reader
    except ImportError as error:
        raise CorpusError(f"{path} needs pyarrow to be read: pip install 'autointerp-agents[parquet]'") from error
    try:
        with reader.ParquetFile(path) as stream:
            names: list[str] = stream.schema_arrow.names
            column = next((name for name in _COLUMNS if name in names), None)
            if column is None:
                raise CorpusError(f"{path} has no column {' or '.join(_COLUMNS)}, only {', '.join(names)}: rename one")
            for batch in stream.iter_batches(batch_size=2048, columns=[column]):
                for text in batch.column(0).to_pylist():
                    if not isinstance(text, str | None):
                        raise CorpusError(f"{path}: column {column} holds no strings: {text!r:.40}")
                    if text:
                        yield named_by_content(text)
    except (ArrowException, OSError) as error:
        raise CorpusError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def source(path: Path) -> Iterator[Document]:
    """A whole file as one document."""
    text = b"".join(_lines(path)).decode("utf-8", errors="replace").replace("\r\n", "\n")
    if text:
        yield Document(path.name, text)


def folder(root: Path, files: Sequence[Path]) -> Iterator[Document]:
    """Each text file as a document named by its path below `root`, and the documents of the other files."""
    for path in files:
        reader = READERS.get(path.suffix)
        if reader is not None:
            yield from reader(path)
        else:
            yield from (Document(path.relative_to(root).as_posix(), d.text) for d in source(path))


#: Files that hold many documents, by their suffix.
READERS: dict[str, Callable[[Path], Iterator[Document]]] = {
    ".jsonl": jsonl,
    ".ndjson": jsonl,
    ".parquet": parquet,
}


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            yield from stream
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}") from error


def first_line(error: Any) -> str:
    """What an exception says, on one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
