"""`autointerp llm check`, and the options that commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Call
from tests.llm.conftest import VARIABLES
from tests.llm.formats import Said, prompt_of
from tests.llm.wire import Wire, Wrong


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path / "cache"))


def capable(body: dict[str, Any]) -> Said:
    """A model that can add."""
    told = str(body["messages"])
    if "tools" in body and "26360" not in told:
        return Said(calls=(("add", {"first": 1789, "second": 24571}),))
    if "tools" in body:
        return Said("The sum is 26,360.")
    return Said('{"total": 26360, "how": "in my head"}' if "cannot be used" in told else "26360")


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_model_is_checked_and_the_second_time_is_free(call: Call, kind: str, tmp_path: Path) -> None:
    with Wire(capable) as wire:
        for requests in (4, 4):
            result = call("llm", "check", "--llm", wire.address(kind), "--json", tmp_path / "found.json")
            assert result.code == 0, result.err
            assert wire.tally.requests == requests
    assert "typed answer: fits, asked again 1 time" in result.out
    assert "tool: called, and its result was used" in result.out
    assert "spent: 0 requests" in result.out
    assert "4 from the cache" in result.out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["models"][0]["roles"] == ["scientist", "judge", "simulator"]
    assert found["models"][0]["structured"]["repairs"] == 1


def test_roles_may_differ_and_are_checked_once_each(call: Call) -> None:
    with Wire(capable) as wire:
        result = call("llm", "check", "--llm", wire.address("openai", "a"), "--judge", wire.address("anthropic", "b"))
    assert result.code == 0
    assert f"{wire.address('openai', 'a')} (scientist, simulator)" in result.out
    assert f"{wire.address('anthropic', 'b')} (judge)" in result.out
    assert wire.tally.requests == 8


def test_a_replay_asks_nobody_and_fails_at_the_first_miss(call: Call) -> None:
    with Wire(capable) as wire:
        address = wire.address("openai")
        assert call("llm", "check", "--llm", address).code == 0
    assert call("llm", "check", "--llm", address, "--replay").code == 0
    result = call("llm", "check", "--llm", address + "x", "--replay")
    assert result.code == 1
    assert "no answer" in result.line
    assert "run it without --replay" in result.line


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "no model is named"),
        (["--llm", "gpt"], "PROVIDER:MODEL"),
        (["--llm", "acme:gpt"], "there is no provider 'acme'"),
        (["--llm", "openai:gpt-6-luna"], "set OPENAI_API_KEY"),
        (["--llm", "openai:m@http://127.0.0.1:9/v1", "--budget", "much"], "is no budget"),
        (["--llm", "openai:m@http://127.0.0.1:9/v1", "--budget", "1usd"], "no price is known"),
        (["--llm", "openai:m@http://127.0.0.1:9/v1", "--budget", "5tokens"], "would pass the limit of 5"),
        (["--llm", "openai:m@http://127.0.0.1:9/v1", "--prices", "absent.toml"], "is no table of prices"),
        (["--llm", "openai:m", "--replay"], "no cache of answers"),
    ],
)
def test_bad_input_is_one_line(call: Call, options: list[str], problem: str) -> None:
    result = call("llm", "check", *options)
    assert result.code == 1
    line = result.err.strip().splitlines()[-1]
    assert line.startswith("autointerp: ")
    assert problem in line
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("brain", "problem"),
    [
        (lambda body: Said('{"total": 3, "how": "guessed"}'), "are 3: choose another model"),
        (
            lambda body: Said("26360 it is" if "tools" in body else '{"total": 26360, "how": "so"}'),
            "did not: choose a model that",
        ),
        (lambda body: Said(refusal="no"), "declined: no"),
    ],
)
def test_a_model_that_will_not_do(call: Call, brain: Any, problem: str) -> None:
    with Wire(brain) as wire:
        result = call("llm", "check", "--llm", wire.address("openai"))
    assert result.code == 1
    assert problem in result.err


def test_a_server_that_is_wrong_is_one_line(call: Call) -> None:
    with Wire(wrong=lambda number, prompt: Wrong(404, message="no such model")) as wire:
        result = call("llm", "check", "--llm", wire.address("openai"))
    assert result.code == 1
    assert "404: no such model): check the name of the model" in result.err
    assert prompt_of(wire.bodies[0]).startswith("How much is 1789 plus 24571?")
