"""Labels in the formats of other projects, whole and damaged."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from autointerp.errors import InputError
from autointerp.study import Label, read_labels

ROWS = [
    {"modelId": "m", "layer": "3-res", "index": "7", "description": " names  after def "},
    {"modelId": "m", "layer": "3-res", "index": "4", "description": "brackets"},
    {"modelId": "m", "layer": "3-res", "index": "4", "description": "another of the same"},
    {"modelId": "m", "layer": "3-res", "index": "9", "description": None},
]
FOUND = [Label(4, "brackets"), Label(7, "names after def")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("export.json", json.dumps(ROWS)),
        ("export.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("export.json", json.dumps({"modelId": "m", "explanations": ROWS})),
        ("export.jsonl.gz", "\n".join(map(json.dumps, ROWS))),
    ],
)
def test_neuronpedia(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert read_labels(path) == FOUND


def test_delphi(tmp_path: Path) -> None:
    for index, said in ((12, "loops"), (3, "names"), (5, "")):
        (tmp_path / f"layers.3.mlp_latent{index}.txt").write_text(json.dumps(said))
    (tmp_path / "notes.md").write_text("-")
    assert read_labels(tmp_path) == [Label(3, "names"), Label(12, "loops")]


def test_a_run_of_delphi(tmp_path: Path) -> None:
    (tmp_path / "explanations").mkdir()
    (tmp_path / "run_config.json").write_text("{}")
    for index, said in ((12, "loops"), (3, "Explanation could not be parsed.")):
        (tmp_path / "explanations" / f"layers.3.mlp_latent{index}.txt").write_text(json.dumps(said))
    assert read_labels(tmp_path) == [Label(12, "loops")]


@pytest.mark.parametrize("below", ["", "explanations"])
def test_a_folder_of_neuronpedias_batches(tmp_path: Path, below: str) -> None:
    folder = tmp_path / below
    folder.mkdir(exist_ok=True)
    extra = {"typeName": "oai_token-act-pair", "explanationModelName": "gpt-4o-mini", "embedding": [0.25, 0.5]}
    for number, rows in ((0, ROWS[:1]), (10, ROWS[1:2]), (2, ROWS[2:])):
        text = "".join(json.dumps(row | extra) + "\n" for row in rows)
        (folder / f"batch-{number}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    # By number, not by name: batch 2 comes before batch 10, and of two explanations of a feature the first counts.
    assert read_labels(tmp_path) == [Label(4, "another of the same"), Label(7, "names after def")]


def test_an_answer_of_neuronpedias_feature_api(tmp_path: Path) -> None:
    path = tmp_path / "feature.json"
    said = [{"description": "brackets", "typeName": "oai_token-act-pair"}]
    path.write_text(json.dumps({"modelId": "m", "layer": "3-res", "index": "4", "explanations": said}))
    assert read_labels(path) == [Label(4, "brackets")]


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('Feature, Label,who\n2,"a, b",x\n5,größer,y\n6,,z\n', encoding="utf-8")
    assert read_labels(path) == [Label(2, "a, b"), Label(5, "größer")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "number,text\n1,x\n", "feature and label are wanted"),
        ("a.csv", "feature,label\n-1,x\n", "whole number from 0"),
        ("a.csv", "feature,label\n1,\n", "holds no label"),
        ("a.txt", "hello", "looks like 0 formats"),
        ("a.jsonl", '{"index": 1, "description": "x"}\n{"index"', "2 is no JSON"),
        ("a.json", '[{"description": "x"}]', "no object with index"),
        ("m_latent1.txt", "no json", "no JSON string"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_labels(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_layers_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps([*ROWS, {"layer": "4-res", "index": 1, "description": "x"}]))
    with pytest.raises(InputError, match="mixes the layers 3-res, 4-res"):
        read_labels(path)
