"""Ray as an engine: the same bits as on one machine, also where a node is lost half-way."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autointerp.activations import Corpus, build_index
from autointerp.dictionaries import open_dictionary
from autointerp.errors import InputError
from autointerp.models import Subject

SCRIPT = Path(__file__).with_name("ray_cluster.py")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")
def test_a_cluster_that_loses_a_node_ends_in_the_bits_of_a_local_build(
    model_folder: Path, dictionary_folder: Path, corpus_file: Path, corpus: Corpus, tmp_path: Path
) -> None:
    from tests.activations.ray_cluster import SETTINGS

    done = subprocess.run(
        [sys.executable, SCRIPT, model_folder, dictionary_folder, corpus_file, tmp_path],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
        cwd=Path(__file__).resolve().parents[2],
        # Ray's workers yield to whatever else runs, and beside other tests would hardly run at all.
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"},
    )
    assert done.returncode == 0, done.stderr
    subject = Subject.load(str(model_folder), device="cpu")
    dictionary = open_dictionary(str(dictionary_folder), subject)
    index = build_index(subject, dictionary, corpus, tmp_path / "local", key="k", settings=SETTINGS)
    told = json.loads((tmp_path / "told.json").read_text())
    assert told == {"nodes": 2, "left": 1, "passes": 0, "seal": index.meta.seal}
    for file in index.meta.files:
        assert (index.folder / file).read_bytes() == (tmp_path / "i" / file).read_bytes(), file


def test_without_ray_the_remedy_is_named(
    model_folder: Path,
    dictionary_folder: Path,
    subject: Subject,
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    dictionary = open_dictionary(str(dictionary_folder), subject)
    with pytest.raises(
        InputError, match=r"ray is not installed: pip install 'autointerp-agents\[ray\]', or build with"
    ):
        build_index(subject, dictionary, corpus, tmp_path / "i", key="k", engine="ray")
    assert list(tmp_path.iterdir()) == []
