"""A host of the Model Context Protocol as an agent: a command that works with the tools of `autointerp mcp` on the kit."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autointerp.errors import InputError
from autointerp.eval._protocol import Question

#: What stands in the command for the file of servers and for what the host is told.
CONFIG, PROMPT = "{config}", "{prompt}"


@dataclass(frozen=True, slots=True)
class HostAgent:
    """`mcp:COMMAND`, with `{config}` for a file with `mcpServers` and `{prompt}` for what is asked; prints the answer as JSON.

    The server studies the network, the dictionary and the texts of the kit. Without `{prompt}` what is asked is the command's
    input. For Claude Code: `mcp:claude -p {prompt} --mcp-config {config}`.
    """

    name: str
    network: bool = True
    answers: tuple[str, ...] | None = ("FeatureAnswer",)
    summary: str = "a host of the Model Context Protocol"

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent. Raises InputError for a question about no feature, and where the host fails or prints no JSON object."""
        words = shlex.split(self.name.partition(":")[2])
        if not any(CONFIG in word for word in words[1:]):
            raise InputError(
                f"{self.name!r} tells no host where its servers are: write mcp:COMMAND with {CONFIG} in it"
            )
        told = _told(question)
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "mcp.json"
            config.write_text(json.dumps({"mcpServers": {"autointerp": server_of(kit, question)}}), encoding="utf-8")
            command = [word.replace(CONFIG, str(config)).replace(PROMPT, told) for word in words]
            given = None if any(PROMPT in word for word in words) else told
            try:
                done = subprocess.run(
                    command, input=given or "", cwd=folder, capture_output=True, text=True, check=False
                )
            except OSError as error:
                raise InputError(f"{words[0]} cannot be run: {error.strerror or error}") from error
        if done.returncode:
            raise InputError(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
        return _last_object(done.stdout, words[0])


def server_of(kit: Path, question: Question) -> dict[str, Any]:
    """How a host starts the server for a kit. Raises InputError where the question is about no feature."""
    if question.dictionary is None or question.corpus is None:
        raise InputError(
            f"{question.task} asks about no feature of a dictionary: the server has tools for features alone"
        )
    form, _, place = question.dictionary.partition(":")
    flags = {
        "--model": kit / question.model,
        "--dictionary": f"{form}:{kit / place}",
        "--corpus": kit / question.corpus,
    }
    words = [str(word) for pair in flags.items() for word in pair]
    return {"command": sys.executable, "args": ["-m", "autointerp", "mcp", *words]}


def _told(question: Question) -> str:
    about = "" if question.feature is None else f" It is about feature {question.feature}; use the tools of autointerp."
    schema = json.dumps(question.answer)
    return (
        f"{question.asks}{about}\nEnd with your answer, one JSON object of this schema and nothing behind it:\n{schema}"
    )


def _last_object(text: str, who: str) -> dict[str, Any]:
    """The last JSON object in what was printed, which may have words and fences around it."""
    found = list(_objects(text))
    if not found:
        raise InputError(f"{who} printed no JSON object: {text.strip()[-80:]!r}")
    return found[-1]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, place = json.JSONDecoder(), text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except ValueError:
            end = place + 1
        else:
            yield value
        place = text.find("{", end)
