"""`autointerp explain` with a strategy, a budget, a run to resume, and what can be wrong with these."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from autointerp.records import RunRecord
from autointerp.report import page, read_json
from autointerp.study import RunFolder
from tests.agents.test_kills import think
from tests.cli.running import DEAD, Call
from tests.llm.wire import Wire


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOINTERP_LLM_KEY", "right")


def folder_of(out: Path) -> Path:
    (found,) = out.glob("feature-*")
    return found


def test_an_investigation_is_kept_and_resumed_at_no_cost(
    explain: Call, call: Call, tmp_path: Path, keyed: None
) -> None:
    with Wire(think, key="right") as wire:
        result = explain("--quiet", llm=wire.address("openai"), rounds=1, budget="500ktokens,100calls")
        assert result.code == 0
        folder = folder_of(tmp_path / "out")
        asked = wire.tally.requests
        assert asked > 3
        assert f"run: {folder}" in result.err
        assert result.out == f"page: {folder / 'page.html'}\n"
        record = read_json(folder / "record.json")
        assert (folder / "page.html").read_text("utf-8") == page(record)
        assert record.ledger is not None
        assert (record.ledger.strategy, record.ledger.scientist) == ("investigate", "llm")
        assert record.ledger.limits == "500ktokens,100calls"
        assert 0 < record.ledger.spent.tokens < 500_000
        assert any(name.startswith("scientist_propose@2#") for name in record.ledger.templates)
        again = call("explain", "--quiet", "--resume", folder, "--json", tmp_path / "again.json")
        assert again.code == 0
        assert wire.tally.requests == asked
    assert read_json(tmp_path / "again.json") == record


def test_the_key_is_nowhere_in_the_run(explain: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOINTERP_LLM_KEY", "sk-very-secret")
    with Wire(think, key="sk-very-secret") as wire:
        assert explain("--quiet", llm=wire.address("openai"), rounds=1, strategy="oneshot").code == 0
    kept = [path for path in folder_of(tmp_path / "out").rglob("*") if path.is_file()]
    assert kept
    assert not any(b"sk-very-secret" in path.read_bytes() for path in kept)


def test_a_wrong_key_is_one_line_and_the_run_is_kept(explain: Call, call: Call, tmp_path: Path, keyed: None) -> None:
    with Wire(think, key="another") as wire:
        line = explain("--quiet", llm=wire.address("openai")).err.splitlines()[-1]
        folder = folder_of(tmp_path / "out")
        assert line.startswith("autointerp: openai:m@")
        assert "check the key" in line
        assert line.endswith(f"autointerp explain --resume {folder}")
        wire.key = "right"
        assert call("explain", "--quiet", "--resume", folder).code == 0
    assert RunRecord.model_validate_json((folder / "record.json").read_text()).explanation.predictor is not None


def test_no_key_is_said_before_anything_is_opened(explain: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    result = explain("--quiet", llm="openai:gpt-6-luna", model="/nowhere")
    assert result.code == 1
    assert "set OPENAI_API_KEY" in result.err


@pytest.mark.parametrize("strategy", ["react", "oneshot"])
def test_a_strategy_that_needs_a_model(explain: Call, strategy: str) -> None:
    result = explain("--quiet", strategy=strategy)
    assert result.code == 1
    assert f"the strategy {strategy} needs a language model: give --llm" in result.err


def test_an_unknown_strategy_lists_those_there_are(explain: Call) -> None:
    result = explain("--quiet", strategy="guess")
    assert result.code == 1
    assert "there are investigate, offline, oneshot, react" in result.err


@pytest.mark.parametrize("budget", ["cheap", "20", "5eur", "1usd;2calls"])
def test_what_is_no_budget(explain: Call, budget: str, tmp_path: Path) -> None:
    result = explain("--quiet", strategy="investigate", budget=budget)
    assert result.code == 1
    assert "is no budget: write 2usd, 500ktokens, 200calls, 300passes, 10min" in result.line
    assert not (tmp_path / "out").exists()


@pytest.fixture
def begun(inputs: dict[str, object], tmp_path: Path) -> RunFolder:
    settings = {name: str(value) for name, value in inputs.items() if name in ("model", "dictionary", "corpus")}
    return RunFolder.begin(tmp_path, feature=DEAD, tokens=10_000, **settings)


def test_two_runs_do_not_work_on_one_folder(call: Call, begun: RunFolder) -> None:
    with begun.held():
        result = call("explain", "--quiet", "--resume", begun.path)
    assert result.code == 1
    assert "is being worked on by process" in result.line
    with (begun.path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_of_another_version(call: Call, begun: RunFolder) -> None:
    settings = begun.path / "run.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "autointerp": "0.0.1"}))
    result = call("explain", "--quiet", "--resume", begun.path)
    assert result.code == 1
    assert "was begun by autointerp 0.0.1 (format 1)" in result.line
    assert "resume it with that version, or begin it anew" in result.line


@pytest.mark.parametrize(
    ("content", "told"), [("{", "is no JSON"), ("[]", "was begun by autointerp None"), (None, "is no folder of a run")]
)
def test_a_folder_that_is_none(call: Call, begun: RunFolder, content: str | None, told: str) -> None:
    settings = begun.path / "run.json"
    settings.unlink() if content is None else settings.write_text(content)
    result = call("explain", "--quiet", "--resume", begun.path)
    assert result.code == 1
    assert told in result.line


def test_another_model_under_the_same_name(call: Call, begun: RunFolder) -> None:
    assert call("explain", "--quiet", "--resume", begun.path).code == 0
    begun.record.unlink()
    settings = begun.path / "run.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "seed": 1}))
    result = call("explain", "--quiet", "--resume", begun.path)
    assert result.code == 1
    assert "the run was begun with" in result.err


def test_a_run_that_is_resumed_keeps_its_settings(call: Call, begun: RunFolder) -> None:
    result = call("explain", "--resume", begun.path, "--feature", 3, "--budget", "1usd")
    assert result.code == 1
    assert "leave out --feature, --budget" in result.line


def test_a_notebook_that_is_none(call: Call, begun: RunFolder) -> None:
    begun.notebook.write_text("hello")
    result = call("explain", "--quiet", "--resume", begun.path)
    assert result.code == 1
    assert "is no notebook" in result.err
