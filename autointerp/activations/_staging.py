"""Folders in which things are prepared, beside the place where they will stand: locked in use, kept when broken off."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SUFFIX = ".part"
#: What nobody went on with for so long is removed when something else is built beside it, in seconds.
_ABANDONED = 14 * 24 * 3600
_log = logging.getLogger(__name__)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """The folder in which `folder` is prepared, locked; whoever holds it already is waited for.

    The lock goes with the process, whatever becomes of that, and holds across containers, where process numbers tell nothing.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = folder.with_name(folder.name + _SUFFIX)
    lock = _locked(staging)
    try:
        _sweep(staging)
        yield staging
    finally:
        os.close(lock)


def _locked(staging: Path) -> int:
    while True:
        staging.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = os.open(staging, os.O_RDONLY)
        except FileNotFoundError:
            continue  # the one who was waited for removed it between the two steps
        _wait(lock, staging)
        with suppress(FileNotFoundError):
            if os.fstat(lock).st_ino == staging.stat().st_ino:
                os.utime(staging)
                return lock
        os.close(lock)


def _wait(lock: int, staging: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.warning("another process is building the index at %s: waiting for it", staging.with_suffix(""))
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        # Some network file systems have no locks. Every step is written whole or not at all, so two builds are safe there.
        _log.debug("%s cannot be locked: %s", staging, error)


def _sweep(staging: Path) -> None:
    """Remove what builds of other things left here long ago."""
    for other in staging.parent.glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            if other == staging or time.time() - other.stat().st_mtime < _ABANDONED:
                continue
            lock = os.open(other, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(other, ignore_errors=True)
            finally:
                os.close(lock)


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """A new folder that takes its place as `folder` at the end; nothing stays of it where that is not reached.

    Where something stands there already, it is replaced: two that write the same thing write the same content.
    """
    half = folder.with_name(f"{folder.name}.half-{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        yield half
        put_in_place(half, folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def put_in_place(new: Path, folder: Path) -> None:
    """Rename a folder, or a broken file or folder out of its way first."""
    try:
        os.rename(new, folder)
    except OSError:
        if not os.path.lexists(folder):
            raise
        aside = new.with_name(new.name + ".aside")
        os.rename(folder, aside)
        os.rename(new, folder)
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink()
