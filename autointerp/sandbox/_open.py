"""Choosing a sandbox by name, running one piece of code, and telling a language model what it may write."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from autointerp._plugins import load_one
from autointerp.sandbox._limits import Limits
from autointerp.sandbox._protocol import Backend, Functions, Inputs, Ran

_GROUP = "autointerp.sandboxes"
DEFAULT = "monty"


def open_sandbox(name: str = DEFAULT, limits: Limits | None = None) -> Backend:
    """A sandbox of the kind that is registered as `name`, to be entered in a `with` statement.

    PluginError for an unknown name; entering raises SandboxError where the sandbox cannot work on this machine.
    """
    return cast(Backend, load_one(_GROUP, name)(limits))


def run(
    code: str,
    functions: Functions | None = None,
    limits: Limits | None = None,
    *,
    inputs: Inputs | None = None,
    backend: str = DEFAULT,
) -> Ran:
    """Run one piece of code in a sandbox of its own; see `Backend.execute`. To run more, keep one open."""
    with open_sandbox(backend, limits) as sandbox:
        return sandbox.execute(code, inputs=inputs, functions=functions)


def describe(functions: Mapping[str, Callable[..., Any]]) -> str:
    """A line for each function: how it is called, and the first line of its docstring, for a language model to read."""
    lines = []
    for name, function in sorted(functions.items()):
        told = (inspect.getdoc(function) or "").partition("\n")[0]
        lines.append(f"{name}{_signature(function)}: {told}".removesuffix(": "))
    return "\n".join(lines)


class _Unquoted(str):
    """An annotation that is kept as text, shown as it was written."""

    __repr__ = str.__str__


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=_unquoted(p.annotation)) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=_unquoted(signature.return_annotation))


def _unquoted(annotation: object) -> object:
    return _Unquoted(annotation) if isinstance(annotation, str) else annotation
