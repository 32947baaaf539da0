"""`autointerp eval`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autointerp.cli import main


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, captured.out, captured.err


def test_organisms_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "eval", "organisms")
    assert code == 0
    assert "compiled/induction" in out
    assert {"adversarial/backup", "backdoor/pair", "planted/twins"} <= {line.split()[0] for line in out.splitlines()}
    assert "knobs of compiled: level=0" in out
    code, out, _ = call(capsys, "eval", "organisms", "--json")
    listed = json.loads(out)
    assert len([name for name in listed["organisms"] if name.startswith("compiled/")]) > 40
    assert listed["knobs"]["compiled"]["length"] is None


def test_an_organism_is_made_and_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ("--seed", 7, "--out", tmp_path, "--knob", "length=4", "--check")
    code, out, _ = call(capsys, "eval", "make", "compiled/maximum", *options)
    assert code == 0
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    assert (Path(lines["subject"]) / "model.safetensors").is_file()
    assert (Path(lines["answer"]) / "truth.json").is_file()
    assert lines["accuracy"] == lines["IIA of the true model"] == "1.000"
    assert float(lines["IIA of a scrambled model"]) < 0.9


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["compiled/none"], 1, "no program 'none'"),
        (["compiled/sort", "--knob", "size=3"], 1, "no knob 'size'"),
        (["compiled/sort", "--knob", "length"], 2, "is not NAME=VALUE"),
        (["compiled/sort", "--knob", "length=60"], 1, "are allowed"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found, out, err = call(capsys, "eval", "make", *arguments, "--out", tmp_path / "out")
    assert (found, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
