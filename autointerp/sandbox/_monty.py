"""The default backend: pydantic-monty, an interpreter of a subset of Python without any ambient authority."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from pydantic_monty import Monty, MontyCrashedError, MontyError, MontyRuntimeError, MontySession, MontySyntaxError

from autointerp.errors import LimitError, ProgramError
from autointerp.sandbox._calls import HostCalls
from autointerp.sandbox._dialects import MONTY_PYTHON
from autointerp.sandbox._limits import Limits
from autointerp.sandbox._protocol import Functions, Inputs, Ran, without_variables
from autointerp.sandbox._values import check
from autointerp.sandbox._watch import Watch, Watched
from autointerp.sandbox._worker import Worker

#: The pool's own time limit is only a net below the feed's: it fires when the worker no longer answers at all.
_GRACE_SECONDS = 5.0
#: Every open session keeps a worker; a pool at its bound would let the next one wait for ever.
_MOST_WORKERS = 1024
#: The library counts, over a whole session, each call of a function and each look-up of a name that the code has not
#: defined. We count calls in a run; look-ups cost this process time as well, and so many are allowed beside the calls.
_LOOKUPS = 1000
_RUNS_OF_A_SESSION = 100


class Sandbox:
    """Workers that run code within limits; used as a context manager, and kept for as long as it is open.

    Every call of `run` starts from a clean session, so that one program can leave nothing behind for the next.
    """

    python = MONTY_PYTHON

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._stack = ExitStack()
        self._pool: Monty | None = None
        self._watch: Watch | None = None

    def __enter__(self) -> Sandbox:
        waits = self.limits.patience + _GRACE_SECONDS
        self._pool = self._stack.enter_context(Monty(request_timeout=waits, max_processes=_MOST_WORKERS))
        self._watch = Watch()
        self._stack.callback(self._watch.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool = self._watch = None
        self._stack.close()

    def session(self) -> KeptSession:
        """A session that keeps its names from run to run."""
        return self._session(_RUNS_OF_A_SESSION)

    def _session(self, runs: int) -> KeptSession:
        if self._pool is None or self._watch is None:
            raise RuntimeError("the sandbox is not open: use it in a `with` statement")
        return KeptSession(self.limits, self._pool, self._watch, runs)

    def execute(self, code: str, *, inputs: Inputs | None = None, functions: Functions | None = None) -> Ran:
        """Run `code` by itself; see `Backend.execute`."""
        with self._session(1) as session:
            return session.execute(code, inputs=inputs, functions=functions)

    def run(self, code: str, *, inputs: Inputs | None = None, functions: Functions | None = None) -> Any:
        """The value of the last expression of `code`, run by itself; errors as of `Backend.execute`.

        It is handed on as it came, of any type, depth and size: for callers that check it themselves, and run much.
        """
        with self._session(1) as session:
            return session.execute(code, inputs=inputs, functions=functions, checked=False).value


class KeptSession:
    """A worker that keeps the names of its runs; made by `Sandbox.session`, used as a context manager."""

    def __init__(self, limits: Limits, pool: Monty, watch: Watch, runs: int) -> None:
        self.limits = limits
        self._suspensions = (2 * limits.host_calls + _LOOKUPS) * runs
        self._pool = pool
        self._watch = watch
        self._stack = ExitStack()
        self._session: MontySession | None = None
        self._worker: Worker | None = None
        self._ran = False

    def __enter__(self) -> KeptSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def execute(
        self, code: str, *, inputs: Inputs | None = None, functions: Functions | None = None, checked: bool = True
    ) -> Ran:
        """Run `code` with the names of the earlier runs; see `Backend.execute`."""
        if checked:
            check(dict(inputs or {}))
        kept = False
        try:
            session, worker = self._open()
            run = _Run(worker, self.limits, HostCalls(functions, self.limits))
            with self._watch.over(worker, self.limits.seconds) as watched:
                ran = run.of(session, code, inputs or {}, watched)
            kept = self._ran = True
            return run.checked(ran) if checked else ran
        except LimitError as error:
            raise (without_variables(error) if self._ran else error) from error.__cause__
        except ProgramError:
            kept = True
            raise
        except OSError as error:
            raise without_variables(LimitError("the worker ended between two runs")) from error
        finally:
            if not kept:
                self._discard(kill=True)

    def _open(self) -> tuple[MontySession, Worker]:
        if self._session is None or self._worker is None:
            limits = {
                "max_memory": self.limits.memory,
                "max_suspensions": self._suspensions,
                "max_feed_duration_secs": self.limits.patience,
            }
            checkout = self._pool.checkout(limits=limits, os_policy={"sleep": "zero"})  # type: ignore[arg-type]
            self._session = self._stack.enter_context(checkout)
            self._worker = Worker(self._session.worker_pid or -1)
            self._stack.callback(self._worker.close)
        return self._session, self._worker

    def _discard(self, *, kill: bool = False) -> None:
        """Give the worker back; one that was stopped in the middle is ended first."""
        worker, self._session, self._worker, self._ran = self._worker, None, None, False
        if kill and worker is not None:
            worker.kill()
        with suppress(MontyError):
            self._stack.close()


class _Run:
    """One run in a worker: what it printed and called so far, and why it was stopped if it was."""

    def __init__(self, worker: Worker, limits: Limits, calls: HostCalls) -> None:
        self._worker = worker
        self._limits = limits
        self._calls = calls
        self._printed: list[str] = []
        self._length = 0
        self._stopped: BaseException | None = None

    def of(self, session: MontySession, code: str, inputs: Inputs, watched: Watched) -> Ran:
        """Run `code`; what stopped the run comes before what the worker says about its end."""
        begin, before = time.monotonic(), self._worker.seconds()
        try:
            value = session.feed_run(
                code,
                inputs=dict(inputs),
                external_lookup={name: self._bound(name) for name in self._calls.functions},
                print_callback=self._print,
            )
        except (MontyError, TimeoutError) as error:
            if self._stopped is None:
                late = time.monotonic() - begin - self._calls.seconds >= self._limits.patience
                raise self._with_printed(_failure(error, watched, self._limits, late=late)) from error
        if self._stopped is not None:
            raise self._with_printed(self._stopped)
        used = self._worker.seconds() - before
        return Ran(value, "".join(self._printed), used, self._calls.made, self._calls.seconds)

    def checked(self, ran: Ran) -> Ran:
        """`ran`, with a value that is plain and within bounds."""
        try:
            check(ran.value)
        except (TypeError, ValueError) as error:
            raise self._with_printed(ProgramError(f"the last line is {error}")) from error
        return ran

    def _bound(self, name: str) -> Callable[..., Any]:
        """A function that the interpreter can be given."""

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return self._calls.call(name, args, kwargs)
            except LimitError as error:
                self._stop(error)
                raise
            except Exception:
                raise
            except BaseException as interrupt:
                # The interpreter would make an error of the code's of it, and the code could catch that.
                self._stop(interrupt)
                raise

        return call

    def _print(self, stream: str, text: str) -> None:
        del stream
        room = self._limits.output - self._length
        self._length += len(text)
        self._printed.append(text[: max(room, 0)])
        if room < len(text):
            self._stop(LimitError(f"printed more than {self._limits.output} characters"))

    def _stop(self, why: BaseException) -> None:
        """End the worker, so that the code has no say in it any more."""
        if self._stopped is None:
            self._stopped = why
        self._worker.kill()

    def _with_printed(self, error: BaseException) -> BaseException:
        if isinstance(error, ProgramError):
            error.printed = "".join(self._printed)
        return error


def _failure(error: MontyError | TimeoutError, watched: Watched, limits: Limits, *, late: bool) -> ProgramError:
    """The error to raise: a limit where the session is of no use any more."""
    if watched.ended == "time":
        return LimitError(f"used up its {limits.seconds:g} seconds of time")
    if watched.ended == "signal":
        return LimitError("interrupted by a signal to this process")
    if isinstance(error, MontyCrashedError):
        return LimitError(f"{limits.patience:g} seconds have passed" if error.timed_out else "it ended its worker")
    inner = error.exception() if isinstance(error, MontyError) else error
    if isinstance(inner, MemoryError):
        return LimitError(f"needed more than its {limits.memory / 2**20:g} MiB of memory")
    if isinstance(inner, RuntimeError) and str(inner).startswith("suspension limit"):
        return LimitError("looked up names that are not defined, without end")
    if isinstance(inner, TimeoutError) and late:
        return LimitError(f"{limits.patience:g} seconds have passed")
    return ProgramError(_one_line(error))


def _one_line(error: BaseException) -> str:
    """Kind and message of an exception, with the line of the code that it came from."""
    if not isinstance(error, MontyRuntimeError | MontySyntaxError):
        return (" ".join(str(error).split()) or type(error).__name__)[:300]
    trace = error.traceback()
    where = f" (line {trace[-1].line})" if trace else ""
    return " ".join(error.display("type-msg").split())[:280] + where
