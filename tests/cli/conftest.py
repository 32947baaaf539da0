"""Calling the command line in this process, which is quicker than a new one, on the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from autointerp.cli import main
from autointerp.records import RunRecord
from autointerp.report import read_json
from tests.cli.running import FEATURE, Call, Result, options_of, timeless


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Result(end.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def explain(call: Call, inputs: dict[str, object], tmp_path: Path) -> Call:
    """`explain` on the tiny model, its page under the test's folder; any option can be given another value."""

    def run(*flags: str, **options: object) -> Result:
        return call("explain", *flags, *options_of({**inputs, "out": tmp_path / "out", **options}))

    return run


@pytest.fixture(scope="session")
def inputs(model_folder: Path, dictionary_folder: Path, corpus_file: Path) -> dict[str, object]:
    return {
        "feature": FEATURE,
        "model": model_folder,
        "dictionary": f"file:{dictionary_folder}",
        "corpus": corpus_file,
        "tokens": 10_000,
    }


@pytest.fixture(scope="session")
def whole(inputs: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """The record of a run that nothing disturbed, the seconds left out."""
    folder = tmp_path_factory.mktemp("whole")
    options = {**inputs, "out": folder / "out", "json": folder / "record.json"}
    with pytest.raises(SystemExit) as end:
        main([str(part) for part in ["explain", "--quiet", *options_of(options)]])
    assert end.value.code == 0
    return timeless(read_json(folder / "record.json"))
