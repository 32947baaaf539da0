"""`autointerp circuit --nodes` from the command line, on a small model, a small dictionary and a file of pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autointerp.cli import main
from autointerp.records import LatentCircuitRecord, Score


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["circuit", *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pairs") / "made-up.jsonl"
    rows = [{"clean": [0, 5 + i, 6, 9], "corrupted": [0, 40 + i, 6, 9], "right": [3], "wrong": [4]} for i in range(4)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


def test_a_circuit_of_features_and_neurons(
    pairs: Path, model_folder: Path, dictionary_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "record.json"
    options = ("--task", pairs, "--model", model_folder, "--json", file, "--top", 6, "--nodes", "features")
    assert call(*options, "--dictionary", dictionary_folder, "--dictionary", "neurons:mlp.2") == 0
    record = LatentCircuitRecord.model_validate_json(file.read_text("utf-8"))
    assert [str(site.writes) for site in record.sites] == ["resid_post.1", "mlp_hidden.2"]
    assert len(record.nodes) == 7
    assert sum(node.feature is None for node in record.nodes) == 1
    sizes = [abs(node.exact) for node in record.nodes]
    assert sizes == sorted(sizes, reverse=True)
    assert all(node.ci[0] <= node.exact <= node.ci[1] for node in record.nodes)
    assert {link.source for link in record.links} <= {node.name for node in record.nodes}
    assert any(link.target is not None for link in record.links)
    scores = {score.name: score for score in record.scores}
    assert isinstance(scores["faithfulness"], Score)
    assert set(scores["faithfulness, errors kept"].control) == {"errors alone", "random latents"}  # type: ignore[union-attr]
    shown = capsys.readouterr().out
    for words in ("patched", "strongest edges between nodes", "errors alone", record.nodes[0].name):
        assert words in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--nodes", "heads"), "nodes are components, features or neurons, not 'heads'"),
        (("--dictionary", "neurons:mlp.1"), "ask for --nodes features"),
        (("--nodes", "neurons", "--dictionary", "neurons:mlp.1"), "neurons need no dictionary"),
        (("--nodes", "neurons", "--edges", "3"), "--edges is for circuits of components"),
        (
            ("--nodes", "features", "--dictionary", "neurons:mlp.1", "--top", "4000"),
            "a circuit of 4000 nodes: 64 differ",
        ),
        (("--nodes", "features"), "pystdlib-sae reads"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_asked(
    pairs: Path, model_folder: Path, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--task", pairs, "--model", model_folder, *options) == 1
    assert words in capsys.readouterr().err


def test_pairs_that_the_model_does_not_tell_apart(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "same.jsonl"
    rows = [{"clean": [0, a, b], "corrupted": [0, b, a], "right": [3], "wrong": [4]} for a, b in ((5, 6), (6, 5))]
    # Read both ways round, so that the mean is the same.
    file.write_text("\n".join(map(json.dumps, [*rows, *rows])), encoding="utf-8")
    assert call("--task", file, "--model", model_folder, "--nodes", "neurons") == 1
    assert "and the same on the corrupted ones" in capsys.readouterr().err
