"""`autointerp score` on a record and on labels made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autointerp.cli import main
from autointerp.records import RunRecord, Score, Unscored
from autointerp.study import Laboratory, ReportCards, study_feature


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["score", *arguments])
    shown = capsys.readouterr()
    return int(exit_.value.code or 0), shown.out, shown.err


@pytest.fixture(scope="module")
def record(laboratory: Laboratory) -> RunRecord:
    return study_feature(laboratory, 5)


@pytest.fixture
def where(model_folder: Path, dictionary_folder: Path, corpus_file: Path) -> list[str]:
    return [f"--model={model_folder}", f"--dictionary={dictionary_folder}", f"--corpus={corpus_file}", "--tokens=30000"]


def test_a_record(tmp_path: Path, record: RunRecord, where: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "record.json", tmp_path / "cards.json"
    path.write_text(record.model_dump_json())
    code, shown, errors = run(
        capsys, str(path), *where, "--metrics=simulation,firing,detection", "--stress", f"--json={out}"
    )
    assert (code, errors) == (0, "")
    assert "Feature 5" in shown
    assert "Established:" in shown
    said = " ".join(shown.split())
    assert "simulation: correlation of the program's activations with the true ones" in said
    assert "beside it explained variance" in said
    assert "whole interval lies above what it is to be compared with" in said
    (card,) = ReportCards.model_validate_json(out.read_text()).cards
    assert [type(s) for s in card.scores] == [Score, Score, Unscored]
    assert {"shuffled explanation", "untrained twin", "layer-shuffled twin", "row space"} <= set(card.stress)
    assert "Under stress: untrained twin; the model with its weights in random order" in said
    assert "Under stress: row space; share of the direction" in said
    assert "needs a judge" in shown.replace("\n", " ")


def sometimes(laboratory: Laboratory) -> list[int]:
    """Features that many test texts activate and many do not."""
    view = laboratory.index.test
    shares = [(view.windows(i).maxima() > 0).mean() for i in range(laboratory.dictionary.size)]
    return [i for i, share in enumerate(shares) if 0.3 < share < 0.7]


def test_an_export(
    tmp_path: Path,
    where: list[str],
    capsys: pytest.CaptureFixture[str],
    model_folder: Path,
    laboratory: Laboratory,
) -> None:
    path, out = tmp_path / "export.json", tmp_path / "cards.json"
    rows = [
        {"layer": "1-res", "index": str(i), "description": f"feature {i}"} for i in (*sometimes(laboratory)[:2], 63)
    ]
    path.write_text(json.dumps(rows))
    code, shown, _ = run(capsys, str(path), *where, f"--reader={model_folder}", "--metrics=surprisal", f"--json={out}")
    assert code == 0
    assert "Means over 3 features" in shown
    cards = ReportCards.model_validate_json(out.read_text())
    # The last feature of the dictionary never fires: that is said, and left out of the mean.
    assert [c.scores[0].kind for c in cards.cards] == ["score", "score", "unscored"], cards.cards[0].scores
    assert sum(cards.means[0].unscored.values()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 7, "explanation": {}}', "no record that this version reads"),
        ('{"format": 0, "explanation": {}}', "make it again with autointerp explain"),
        ('{"some": "thing"}', "looks like 0 formats"),
    ],
)
def test_what_is_no_record_fails_in_one_line(
    tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    code, shown, errors = run(capsys, str(path))
    assert (code, shown) == (1, "")
    assert message in errors
    assert errors.count("\n") == 1


def test_an_unknown_metric_lists_the_valid_ones(
    tmp_path: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("feature,label\n5,in a foreign tongue: скобки\n")
    code, _, errors = run(capsys, str(path), *where, "--metrics=simulatoin")
    assert code == 1
    assert "there is no metric 'simulatoin': there are clarity, detection" in errors


def test_words_without_a_reader_say_what_to_do(
    tmp_path: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("feature,label\n5,names after def\n")
    code, shown, _ = run(capsys, str(path), *where)
    assert code == 0
    said = " ".join(shown.split())
    assert "Established: nothing, as no score has a value" in said
    assert "name a language model with --llm" in said
    assert "--embedder and --reader" in said
