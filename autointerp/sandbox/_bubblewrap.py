"""The second backend: all of CPython with numpy, in a jail of bubblewrap's (Linux)."""

from __future__ import annotations

import platform
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import TracebackType
from typing import Any

from autointerp.errors import LimitError, ProgramError, SandboxError
from autointerp.sandbox._calls import HostCalls
from autointerp.sandbox._dialects import BUBBLEWRAP_PYTHON
from autointerp.sandbox._jail import Jail
from autointerp.sandbox._limits import Limits
from autointerp.sandbox._probe import PROBE, PROBE_MEMORY, probe_failure, probe_inputs
from autointerp.sandbox._protocol import Functions, Inputs, Ran, without_variables
from autointerp.sandbox._seccomp import ARCHITECTURES
from autointerp.sandbox._values import check
from autointerp.sandbox._wire import pack, unpack

#: The shortest wait: a jail that is about to spend its time is not asked more often than this.
_TICK = 0.002
_ELSE = "use the monty sandbox"


class BubblewrapSandbox:
    """Jails that run code within limits; used as a context manager. Every `execute` has a jail of its own.

    Entering it raises SandboxError where bubblewrap is missing or its jail does not hold: it never runs code in less.
    """

    python = BUBBLEWRAP_PYTHON

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._bwrap: str | None = None
        self._starter: ThreadPoolExecutor | None = None

    def __enter__(self) -> BubblewrapSandbox:
        bwrap = _found()
        _probed(bwrap)
        self._bwrap, self._starter = bwrap, ThreadPoolExecutor(1, "autointerp-jail")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        starter, self._starter, self._bwrap = self._starter, None, None
        if starter is not None:
            starter.shutdown()

    def session(self) -> JailedSession:
        """A session that keeps its names from run to run."""
        if self._bwrap is None or self._starter is None:
            raise RuntimeError("the sandbox is not open: use it in a `with` statement")
        return JailedSession(self.limits, self._bwrap, self._starter)

    def execute(self, code: str, *, inputs: Inputs | None = None, functions: Functions | None = None) -> Ran:
        """Run `code` by itself; see `Backend.execute`."""
        with self.session() as session:
            return session.execute(code, inputs=inputs, functions=functions)


class JailedSession:
    """A jail that keeps the names of its runs; made by `BubblewrapSandbox.session`, used as a context manager."""

    def __init__(self, limits: Limits, bwrap: str, starter: ThreadPoolExecutor) -> None:
        self.limits = limits
        self._bwrap = bwrap
        self._starter = starter
        self._jail: Jail | None = None
        self._ran = False

    def __enter__(self) -> JailedSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def execute(self, code: str, *, inputs: Inputs | None = None, functions: Functions | None = None) -> Ran:
        """Run `code` with the names of the earlier runs; see `Backend.execute`."""
        given = dict(inputs or {})
        check(given)
        kept = False
        try:
            if self._jail is None:
                self._jail = Jail(self._bwrap, self.limits.memory, self._starter)
            ran = _Run(self._jail, self.limits, HostCalls(functions, self.limits)).of(code, given)
            kept = self._ran = True
            return ran
        except LimitError as error:
            raise (without_variables(error) if self._ran else error) from error.__cause__
        except ProgramError:
            kept = True
            raise
        finally:
            if not kept:
                self._discard()

    def _discard(self) -> None:
        jail, self._jail, self._ran = self._jail, None, False
        if jail is not None:
            jail.close()


class _Run:
    """One run in a jail: a conversation in which every word from the other side may be a lie."""

    def __init__(self, jail: Jail, limits: Limits, calls: HostCalls) -> None:
        self._jail = jail
        self._limits = limits
        self._calls = calls
        self._begin = time.monotonic()
        self._before = jail.seconds()
        self._printed = ""

    def of(self, code: str, inputs: dict[str, Any]) -> Ran:
        """Run `code` to its end."""
        try:
            request = {"code": code, "inputs": pack(inputs), "functions": sorted(self._calls.functions)}
            self._jail.send(request, self._patience)
            value = self._converse()
        except ProgramError as error:
            error.printed = self._printed
            raise
        used = self._jail.seconds() - self._before
        return Ran(value, self._printed, used, self._calls.made, self._calls.seconds)

    def _converse(self) -> Any:
        """Answer what the code asks for until it is done; its value."""
        while True:
            match self._jail.receive(self._patience):
                case {"print": str(text)}:
                    self._print(text)
                case {"call": str(name), "args": args, "kwargs": kwargs}:
                    self._answer(name, args, kwargs)
                case {"done": value}:
                    return self._received(value)
                case {"error": [str(kind), str(message), None | int() as number]}:
                    where = "" if number is None else f" (line {str(number)[:9]})"
                    raise ProgramError(" ".join(f"{kind}: {message}".split())[:280].removesuffix(": ") + where)
                case {"limit": "memory"}:
                    raise LimitError(f"needed more than its {self._limits.memory / 2**20:g} MiB of memory")
                case _:
                    raise LimitError("the worker sent what is no message")

    def _print(self, text: str) -> None:
        room = self._limits.output - len(self._printed)
        self._printed += text[:room]
        if room < len(text):
            raise LimitError(f"printed more than {self._limits.output} characters")

    def _answer(self, name: str, args: Any, kwargs: Any) -> None:
        """Call a function for the code and send what it returned or raised."""
        answer: dict[str, Any]
        try:
            positional, named = unpack(args), unpack(kwargs)
            if not (isinstance(positional, list) and isinstance(named, dict) and all(type(k) is str for k in named)):
                raise TypeError("a call takes a list of arguments and arguments by name")
            answer = {"return": pack(self._calls.call(name, tuple(positional), named))}
        except LimitError:
            raise
        except Exception as error:  # noqa: BLE001 (the code's to catch, as if the function were its own)
            answer = {"raise": [type(error).__name__, str(error)[:2000]]}
        try:
            self._jail.send(answer, self._patience)
        except ValueError as error:
            self._jail.send({"raise": ["ValueError", str(error)]}, self._patience)

    def _received(self, packed: Any) -> Any:
        try:
            value = unpack(packed)
            check(value)
        except (ValueError, TypeError, RecursionError) as error:
            raise ProgramError(f"the last line is {str(error)[:200]}") from error
        return value

    def _patience(self) -> float:
        """Seconds that may pass until this is asked again; LimitError where the code has had all it gets."""
        left = self._limits.seconds - (self._jail.seconds() - self._before)
        if left <= 0:
            raise LimitError(f"used up its {self._limits.seconds:g} seconds of time")
        patience = self._begin + self._limits.patience + self._calls.seconds - time.monotonic()
        if patience <= 0:
            raise LimitError(f"{self._limits.patience:g} seconds have passed")
        return max(min(left, patience), _TICK)


def _found() -> str:
    """The path of bubblewrap, where it can be used at all."""
    if not sys.platform.startswith("linux"):
        raise SandboxError(f"bubblewrap needs Linux, this is {sys.platform}: {_ELSE}")
    if platform.machine() not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise SandboxError(f"the bubblewrap sandbox knows {known}, this machine is {platform.machine()}: {_ELSE}")
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxError(f"bubblewrap (bwrap) is not installed: install the package bubblewrap, or {_ELSE}")
    return bwrap


@cache
def _probed(bwrap: str) -> None:
    """Run the probe in a jail, once in a process; SandboxError where the jail does not hold."""
    limits = Limits(seconds=20.0, memory=PROBE_MEMORY // 2, host_calls=0)
    with ThreadPoolExecutor(1, "autointerp-probe") as starter, JailedSession(limits, bwrap, starter) as session:
        try:
            failure = probe_failure(session.execute(PROBE, inputs=probe_inputs()))
        except ProgramError as error:
            failure = f"its probe failed: {error}"
    if failure is not None:
        raise SandboxError(f"the jail of bubblewrap does not hold here, {failure}: {_ELSE}")
