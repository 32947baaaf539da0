"""Records and pages on disk: written whole or not at all, read with an explanation when they cannot be."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

from pydantic import ValidationError

from autointerp.errors import InputError, OutputError
from autointerp.records import FORMAT, RunRecord
from autointerp.report._page import page
from autointerp.report._tokens import one_line


def write_page(record: RunRecord, path: Path) -> None:
    """Write the page of `record`, replacing an older one in one step; missing folders are made. Raises OutputError."""
    _write(path, page(record))


def write_json(record: RunRecord, path: Path) -> None:
    """Write `record` as JSON, replacing an older one in one step; missing folders are made. Raises OutputError."""
    _write(path, record.model_dump_json(indent=2) + "\n")


def ensure_writable(path: Path) -> None:
    """See that a file can be made at `path`, before the work whose result goes there. Raises OutputError."""
    probe = path.parent / f".autointerp-{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise OutputError(one_line(f"cannot write {path}, it is a folder: choose a file name"))
        probe.touch()
        probe.unlink()
    except OSError as error:
        message = f"cannot write {path} ({error.strerror}): choose a file in a folder that you may write to"
        raise OutputError(one_line(message)) from error


def read_json(path: Path) -> RunRecord:
    """The record that `write_json` wrote to `path`. Raises InputError for anything else."""
    try:
        text = path.read_bytes().decode("utf-8")
        content = json.loads(text)
    except OSError as error:
        raise _unreadable(
            path, f"cannot be read ({error.strerror}): give the path of a record that a run wrote"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"is no JSON ({error}): it was cut short or altered, run the feature again") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found is None:
        raise _unreadable(
            path, "is JSON without a `format`, so no run record: give the path of a record that a run wrote"
        )
    if found != FORMAT or isinstance(found, bool):
        newer = isinstance(found, int) and found > FORMAT
        remedy = "upgrade autointerp to read it" if newer else "run the feature again with this version"
        raise _unreadable(path, f"has format {found!r} and this version reads format {FORMAT}: {remedy}")
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the record"
        raise _unreadable(path, f"is no whole run record ({where}: {first['msg']}): run the feature again") from error


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError(one_line(f"{path} {reason}"))


def _write(path: Path, text: str) -> None:
    # A name of fixed length: one made from the target's could be too long for the file system.
    temporary = path.parent / f".autointerp-{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        message = f"cannot write {path} ({error.strerror}): choose a file in a folder that you may write to"
        raise OutputError(one_line(message)) from error
