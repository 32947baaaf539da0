"""The source files of the running Python's standard library as a corpus: text that every user already has on disk."""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from autointerp.activations._documents import Document

#: `pydoc_data` is the language reference as one generated dictionary of strings: prose, not code, and 0.7 MB in one file.
_NOT_STDLIB = frozenset({"site-packages", "dist-packages", "__pycache__", "pydoc_data"})


def stdlib_root() -> Path:
    """The folder of this Python's standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


def stdlib_files(root: Path) -> list[Path]:
    """The source files below `root` that belong to the standard library, in order of name."""
    found = []
    for folder, below, names in os.walk(root):
        # Pruned in place: what others installed may be many times as much.
        below[:] = [name for name in below if name not in _NOT_STDLIB]
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    return sorted(path for path in found if path.is_file())


def stdlib_documents(root: Path | None = None) -> Iterator[Document]:
    """Every source file below `root` (default: this Python's standard library), in order of name, each text once.

    The identifier is the path relative to `root`, so that a file keeps its split from one Python version to the next.
    Files that are not UTF-8 and files whose text already occurred under another name are left out.
    """
    base = root or stdlib_root()
    seen: set[bytes] = set()
    for path in stdlib_files(base):
        relative = path.relative_to(base)
        try:
            text = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        text = text.replace("\r\n", "\n")
        digest = hashlib.sha256(text.encode("utf-8")).digest()
        if text and digest not in seen:
            seen.add(digest)
            yield Document(relative.as_posix(), text)
