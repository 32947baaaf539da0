"""The default backend: pydantic-monty, an interpreter of a subset of Python without any ambient authority."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from pydantic_monty import CollectString, Monty, MontyError

from autointerp.errors import ProgramError
from autointerp.sandbox._limits import Limits

#: The pool's own time limit is only a net below the feed's: it fires when the worker no longer answers at all.
_GRACE_SECONDS = 5.0


class Sandbox:
    """A worker that runs code within limits; used as a context manager, one worker for as long as it is open.

    Every call of `run` starts from a clean session, so that one program can leave nothing behind for the next.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._stack = ExitStack()
        self._pool: Monty | None = None

    def __enter__(self) -> Sandbox:
        self._pool = self._stack.enter_context(Monty(request_timeout=self.limits.seconds + _GRACE_SECONDS))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool = None
        self._stack.close()

    def run(
        self,
        code: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Any:
        """Run `code` and return the value of its last expression.

        Parameters
        ----------
        code: source in the sandbox's subset of Python.
        inputs: plain values (numbers, strings, lists, dicts) bound as globals.
        functions: host functions that the code may call; they run in this process, so they must be pure and bounded.

        Raises
        ------
        ProgramError: on a syntax error, an exception, or a limit that was passed; the message is one line.
        """
        if self._pool is None:
            raise RuntimeError("the sandbox is not open: use it in a `with` statement")
        limits = {
            "max_feed_duration_secs": self.limits.seconds,
            "max_memory": self.limits.memory,
            "max_suspensions": self.limits.host_calls,
        }
        try:
            with self._pool.checkout(limits=limits) as session:  # type: ignore[arg-type]
                return session.feed_run(
                    code,
                    inputs=dict(inputs or {}),
                    external_lookup=dict(functions or {}),
                    print_callback=CollectString(),
                )
        except (MontyError, TimeoutError) as error:
            raise ProgramError(_one_line(error)) from error


def _one_line(error: BaseException) -> str:
    """The last line of the report, which names the exception; the lines above it are the trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
