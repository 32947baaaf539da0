"""The default backend: pydantic-monty, an interpreter of a subset of Python without any ambient authority."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from pydantic_monty import CollectString, Monty, MontyError, MontyRuntimeError, MontySyntaxError

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
            Their time counts: none is called any more once the limit of seconds has passed.

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
        # The interpreter's own clock stands still while a host function runs.
        calls = _HostCalls(time.monotonic() + self.limits.seconds)
        try:
            with self._pool.checkout(limits=limits) as session:  # type: ignore[arg-type]
                return session.feed_run(
                    code,
                    inputs=dict(inputs or {}),
                    external_lookup={name: calls.guarded(f) for name, f in (functions or {}).items()},
                    print_callback=CollectString(),
                )
        except (MontyError, TimeoutError) as error:
            if calls.interrupt is None:
                raise ProgramError(_one_line(error)) from error
        finally:
            if calls.interrupt is not None:
                raise calls.interrupt


class _HostCalls:
    """Host functions as the code may call them: until a deadline, and without a say in what interrupts this process."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.interrupt: BaseException | None = None

    def guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that the interpreter can be given."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if time.monotonic() > self.deadline:
                raise TimeoutError("time limit exceeded in calls of host functions")
            try:
                return function(*args, **kwargs)
            except Exception:
                raise
            except BaseException as interrupt:
                # The interpreter would make an error of the code's of it, and the code could catch that.
                self.interrupt, self.deadline = interrupt, 0.0
                raise

        return call


def _one_line(error: BaseException) -> str:
    """Kind and message of an exception, with the line of the code that it came from."""
    if not isinstance(error, MontyRuntimeError | MontySyntaxError):
        return (" ".join(str(error).split()) or type(error).__name__)[:300]
    trace = error.traceback()
    where = f" (line {trace[-1].line})" if trace else ""
    return " ".join(error.display("type-msg").split())[:280] + where
