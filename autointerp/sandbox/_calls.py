"""The functions of the host as code may call them: so many times, for so long, with plain values alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from autointerp.errors import LimitError, ProgramError
from autointerp.sandbox._limits import Limits
from autointerp.sandbox._values import check


class HostCalls:
    """What one run makes of its functions. They run in the thread that runs the code."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]] | None, limits: Limits) -> None:
        self.functions = dict(functions or {})
        self.made = 0
        self.seconds = 0.0
        self._limits = limits

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function for the code.

        Raises
        ------
        LimitError: there were as many calls, or they took as long, as is allowed.
        NameError, TypeError, ValueError: no such function, or arguments that are not plain or too large.
        Exception: whatever the function raises; all but the first is the code's to catch.
        """
        if self.made >= self._limits.host_calls:
            raise LimitError(f"more than {self._limits.host_calls} calls of host functions")
        if self.seconds > self._limits.in_host:
            raise LimitError(f"more than {self._limits.in_host:g} seconds in calls of host functions")
        self.made += 1
        begin = time.monotonic()
        try:
            function = self.functions.get(name)
            if function is None:
                raise NameError(f"name {name[:40]!r} is not defined")
            check(args)
            check(kwargs)
            return function(*args, **kwargs)
        except LimitError as error:
            # The limit of another sandbox, which the function uses itself.
            raise ProgramError(str(error)) from error
        finally:
            self.seconds += time.monotonic() - begin
