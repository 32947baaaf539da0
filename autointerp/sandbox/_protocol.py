"""What every sandbox does, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from autointerp.errors import LimitError
from autointerp.sandbox._limits import Limits

Functions = Mapping[str, Callable[..., Any]]
Inputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run came to.

    Attributes
    ----------
    value: that of the last line where it is an expression, else None: plain values alone.
    printed: everything that the code printed, to either stream.
    seconds: CPU time of the worker.
    host_calls, host_seconds: how often the code called functions of the host, and how long they took together.
    """

    value: Any
    printed: str
    seconds: float
    host_calls: int
    host_seconds: float


class Session(Protocol):
    """Runs of one investigation, one after the other: names that a run defined are there in the next.

    A context manager. A run that passes a limit loses the names: the next one starts with none.
    """

    def execute(self, code: str, *, inputs: Inputs | None = None, functions: Functions | None = None) -> Ran:
        """Run `code`, with `inputs` bound as globals and `functions` at hand for this run; errors as of `execute`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Backend(Protocol):
    """A way of running code that nobody trusts: a context manager, made from limits alone.

    Attributes
    ----------
    limits: what every run may use.
    python: one paragraph that tells a language model which Python it may write.
    """

    limits: Limits
    python: str

    def execute(self, code: str, *, inputs: Inputs | None = None, functions: Functions | None = None) -> Ran:
        """Run `code` by itself: it finds nothing of an earlier run and leaves nothing behind.

        Parameters
        ----------
        code: source in the backend's Python.
        inputs: plain values bound as globals; the code gets copies.
        functions: functions of the host that the code may call. They run in this process and in this thread, get plain
            values of any kind and size within the bounds of one crossing, and have to check them.

        Raises
        ------
        LimitError: a limit was passed, or the worker ended.
        ProgramError: a syntax error, an exception, or a value that is not plain; the message is one line.
        """
        ...

    def session(self) -> Session:
        """A session of its own, with nothing in common with any other."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def without_variables(error: LimitError) -> LimitError:
    """`error`, saying what it means for the session in which it came."""
    told = LimitError(f"{error}; the variables of this session are lost")
    told.printed = error.printed
    return told
