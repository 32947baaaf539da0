"""Tools as functions that code in a sandbox may call: plain values in, plain values out, errors that the code understands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autointerp.errors import Adapt, RetryWithOther
from autointerp.tools._tool import AnyTool

if TYPE_CHECKING:
    from autointerp.tools._toolbox import Toolbox


class StoppedByError(BaseException):
    """An error that is neither the code's to handle nor its fault; `error` is it. Ends the run of the code."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def functions_of(toolbox: Toolbox) -> dict[str, Callable[..., Any]]:
    """A function for every tool that code may call."""
    return {name: _function(toolbox, tool) for name, tool in toolbox.tools.items() if tool.callable_from_code}


def _function(toolbox: Toolbox, tool: AnyTool) -> Callable[..., Any]:
    # Those that are required first, as in any signature.
    fields = dict(sorted(tool.arguments.model_fields.items(), key=lambda item: not item[1].is_required()))

    def call(*args: Any, **kwargs: Any) -> Any:
        names = list(fields)
        if len(args) > len(names):
            raise TypeError(f"{tool.name} takes at most {len(names)} arguments, not {len(args)}")
        named = dict(zip(names, args, strict=False))
        if twice := named.keys() & kwargs.keys():
            raise TypeError(f"{tool.name} is given {min(twice)!r} twice")
        try:
            return toolbox.values(tool.name, {**named, **kwargs})
        except RetryWithOther as error:
            raise ValueError(f"{tool.name}: {error}") from error
        except Adapt as error:
            raise RuntimeError(f"{tool.name}: {error}") from error
        except Exception as error:
            raise StoppedByError(error) from error

    call.__name__ = call.__qualname__ = tool.name
    call.__doc__ = tool.description
    call.__signature__ = inspect.Signature([_parameter(name, field) for name, field in fields.items()])  # type: ignore[attr-defined]
    return call


def _parameter(name: str, field: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.is_required() else field.default
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
