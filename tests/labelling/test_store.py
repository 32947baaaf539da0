"""The label store as a file: what it refuses, and that a kill leaves it whole."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autointerp.errors import CacheError, InputError, OutputError
from autointerp.labelling import LabelStore


def test_no_store_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no labels in"):
        LabelStore(tmp_path)


def test_labels_of_another_model_are_not_gone_on_with(tmp_path: Path) -> None:
    LabelStore(tmp_path, about={"model": "a", "seed": "0"}).close()
    with pytest.raises(InputError, match=r"another seed \(0, not 1\): give another --out"):
        LabelStore(tmp_path, about={"model": "a", "seed": "1"})
    with LabelStore(tmp_path) as store:
        assert store.about == {"model": "a", "seed": "0"}


def test_two_processes_do_not_share_one(tmp_path: Path) -> None:
    with LabelStore(tmp_path, about={}), pytest.raises(InputError, match="another process is labelling"):
        LabelStore(tmp_path, about={})
    LabelStore(tmp_path, about={}).close()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "labels.sqlite").write_text("no database " * 100)
    with pytest.raises(CacheError, match="is no label store"):
        LabelStore(tmp_path, about={})


def test_another_version(tmp_path: Path) -> None:
    LabelStore(tmp_path, about={}).close()
    database = sqlite3.connect(tmp_path / "labels.sqlite")
    database.execute("UPDATE about SET value = '99' WHERE name = 'format'")
    database.commit()
    database.close()
    with pytest.raises(CacheError, match="has format 99, this version reads 1"):
        LabelStore(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write labels"):
        LabelStore(tmp_path / "file", about={})


_LABELLER = """
import asyncio, sys
from pathlib import Path
from autointerp.labelling import LabelStore
from tests.labelling.made import Says, cascade

with LabelStore(Path(sys.argv[1]), about={"model": "m"}) as store:
    free = Says("free", lambda f: 0.5)
    print("begun", flush=True)
    asyncio.run(cascade(free, Says("dear", lambda f: 0.6)).run(store, range(400)))
    print(len(free.asked))
"""


def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _LABELLER, str(tmp_path)]
    repository = Path(__file__).resolve().parents[2]
    counts = []
    for wait in (0.05, 0.15, 0.3):
        with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait)
            os.kill(process.pid, signal.SIGKILL)
        with LabelStore(tmp_path, about={"model": "m"}) as store:
            counts.append((len(store), len(store.attempted())))
    assert counts == sorted(counts)
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout.split()[-1]) == 400 - counts[-1][1]
    with LabelStore(tmp_path, about={"model": "m"}) as store:
        rows = list(store.labels())
        assert [row.feature for row in rows] == list(range(400))
        assert {(row.stage, row.stages, row.revision) for row in rows} == {("dear", "free dear", 1)}
        assert all(store.attempted()[f] == ["free", "dear"] for f in range(400))
