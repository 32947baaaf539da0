"""Agents that are not registered: a function of a module, a command, or a host of the Model Context Protocol."""

from __future__ import annotations

import asyncio
import inspect
import json
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from autointerp.errors import InputError
from autointerp.eval._protocol import QUESTION, Question
from autointerp.eval.agents._mcp_host import HostAgent


@dataclass(frozen=True, slots=True)
class PythonAgent:
    """`python:MODULE:FUNCTION`: called with the kit and the question, returns the answer as a dictionary; may be async.

    A compiled LangGraph graph does as well: it is invoked with `kit` and `question` and has to leave `answer` in its state.
    """

    name: str
    network: bool = True
    answers: tuple[str, ...] | None = None
    summary: str = "a function of a Python module"

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent. Raises InputError where there is no such function."""
        found = self._found()
        if hasattr(found, "ainvoke"):
            state = asyncio.run(found.ainvoke({"kit": str(kit), "question": question.model_dump(mode="json")}))
            return dict(state["answer"])
        answer = found(kit, question)
        if inspect.isawaitable(answer):
            answer = asyncio.run(_awaited(answer))
        return dict(answer)

    def _found(self) -> Callable[..., Any] | Any:
        _, _, place = self.name.partition(":")
        module, sign, function = place.rpartition(":")
        if not (module and sign and function):
            raise InputError(f"{self.name!r} names no function: write python:MODULE:FUNCTION")
        try:
            return getattr(import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise InputError(f"{self.name!r} cannot be had: {error}") from error


async def _awaited(answer: Any) -> Any:
    return await answer


@dataclass(frozen=True, slots=True)
class CommandAgent:
    """`command:PROGRAM ARGUMENTS`: run in the kit with the question's file as last argument; prints the answer as JSON."""

    name: str
    network: bool = True
    answers: tuple[str, ...] | None = None
    summary: str = "a command"

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent. Raises InputError where the command fails or prints no JSON object."""
        del question
        words = shlex.split(self.name.partition(":")[2])
        if not words:
            raise InputError("command: names no command: write command:PROGRAM ARGUMENTS")
        try:
            done = subprocess.run([*words, str(kit / QUESTION)], cwd=kit, capture_output=True, text=True, check=False)
        except OSError as error:
            raise InputError(f"{words[0]} cannot be run: {error.strerror or error}") from error
        if done.returncode:
            raise InputError(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
        try:
            return dict(json.loads(done.stdout))
        except (ValueError, TypeError) as error:
            raise InputError(f"{words[0]} printed no JSON object: {done.stdout[:80]!r}") from error


ADAPTERS: dict[str, Callable[[str], PythonAgent | CommandAgent | HostAgent]] = {
    "python": PythonAgent,
    "command": CommandAgent,
    "mcp": HostAgent,
}
