"""Hosts of the Model Context Protocol as agents: what they are told, and what they print."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autointerp.errors import InputError
from autointerp.eval import Question, agent_named

#: Reads what it is told and its servers, and answers with what it found, in words and a fence.
HOST = """
import json, sys
server = json.load(open(sys.argv[1]))["mcpServers"]["autointerp"]
told = sys.argv[2] if len(sys.argv) > 2 else sys.stdin.read()
seen = {"server": server, "told": told}
print("Let me see {what} there is.")
print("```json", json.dumps(seen), "```", sep="\\n")
"""
QUESTION = Question(
    problem="p", task="t", asks="What is it?", model="model", dictionary="npz:sae.npz", feature=7, corpus="texts.jsonl"
)


@pytest.fixture
def host(tmp_path: Path) -> str:
    script = tmp_path / "host.py"
    script.write_text(HOST)
    return f"{sys.executable} {script}"


def test_a_host_gets_the_tools_of_the_kit_and_the_question(host: str, tmp_path: Path) -> None:
    by_word = agent_named(f"mcp:{host} {{config}} {{prompt}}").answer(tmp_path, QUESTION)
    by_input = agent_named(f"mcp:{host} {{config}}").answer(tmp_path, QUESTION)
    assert by_word == by_input
    assert by_word["told"].startswith("What is it? It is about feature 7;")
    assert by_word["server"]["command"] == sys.executable
    places = {"model": tmp_path / "model", "dictionary": f"npz:{tmp_path}/sae.npz", "corpus": tmp_path / "texts.jsonl"}
    flags = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    assert by_word["server"]["args"] == ["-m", "autointerp", "mcp", *flags]


def test_the_flags_are_those_of_the_server(host: str, tmp_path: Path) -> None:
    from typer.main import get_command

    from autointerp.cli._app import app

    server = agent_named(f"mcp:{host} {{config}}").answer(tmp_path, QUESTION)["server"]
    command = get_command(app).commands["mcp"]  # type: ignore[attr-defined]
    given = command.make_context("mcp", server["args"][3:]).params
    assert (given["model"], given["corpus"]) == (str(tmp_path / "model"), str(tmp_path / "texts.jsonl"))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("mcp:claude", "write mcp:COMMAND with {config} in it"),
        ("mcp:no-such-host {config}", "no-such-host cannot be run: No such file"),
        (f"mcp:{sys.executable} -c 'print(3)' {{config}}", "printed no JSON object: '3'"),
        (f"mcp:{sys.executable} -c 'raise SystemExit(\"no key\")' {{config}}", "ended with 1: no key"),
    ],
)
def test_what_is_wrong_with_a_host_is_said(tmp_path: Path, command: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        agent_named(command).answer(tmp_path, QUESTION)
    assert why in str(caught.value)


def test_a_question_about_no_feature_is_not_for_a_host(host: str, tmp_path: Path) -> None:
    question = QUESTION.model_copy(update={"dictionary": None})
    with pytest.raises(InputError, match="t asks about no feature of a dictionary"):
        agent_named(f"mcp:{host} {{config}}").answer(tmp_path, question)
