"""All tools on one bench: called, bounded, counted, written down, and answered again from what was written down."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from autointerp import llm
from autointerp.errors import Adapt, ModelError, ReplayError, RetryWithOther, ToolError
from autointerp.tools._asking import asked
from autointerp.tools._bench import Workbench
from autointerp.tools._code import functions_of
from autointerp.tools._meter import metered
from autointerp.tools._pages import pages_of, shown
from autointerp.tools._record import Called, Failure, Record, ToolLog, key_of
from autointerp.tools._registry import all_tools
from autointerp.tools._sharing import computing, hold, release, threads
from autointerp.tools._tool import AnyTool, Arguments, Result

_INSIDE: contextvars.ContextVar[int | None] = contextvars.ContextVar("the call whose code calls", default=None)


class Toolbox:
    """The tools that one scientist has. A context manager, sync and async: at its end what tools keep is let go.

    Calls may come from several threads and coroutines at once. Those of `acall`, of however many toolboxes on one model, go
    through the one worker of that model, which joins them into few forward passes.
    """

    def __init__(
        self,
        bench: Workbench | None,
        tools: Iterable[str] | None = None,
        *,
        sandbox: str | None = "monty",
        log: ToolLog | None = None,
    ) -> None:
        """`tools` are the names of those to have, all by default; without a `sandbox` there is none that runs code.

        With a `log` (and then no bench is needed) calls are answered from it, see `replay`. Raises PluginError for a tool that
        does not exist.
        """
        if bench is None and log is None:
            raise ValueError("a toolbox needs a bench, or a log to answer from")
        self.sandbox, self._bench, self._script = sandbox, bench, None if log is None else _Script(log)
        self._about = log.model_copy(update={"calls": ()}) if log is not None else _about(bench)
        self._records: list[Record] = []
        self._texts: dict[str, str] = {}
        self._numbers, self._lock = itertools.count(1), threading.Lock()
        self._release: weakref.finalize[Any, Any] | None = None
        there = all_tools()
        wanted = list(there) if tools is None else list(tools)
        if unknown := [name for name in wanted if name not in there]:
            from autointerp.errors import PluginError

            raise PluginError(f"no tool {unknown[0]!r}: there are {', '.join(there)}")
        if sandbox is None:
            wanted = [name for name in wanted if name != "run_code"]
        self.tools: dict[str, AnyTool] = {name: there[name].attached(self) for name in sorted(wanted)}

    @classmethod
    def replay(cls, log: ToolLog, tools: Iterable[str] | None = None) -> Toolbox:
        """A toolbox that answers from the record, without a model; ReplayError for a call that is not in it (any more)."""
        return cls(None, tools, log=log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Let go of sandboxes and of the share in the model's worker. The log and the pages stay."""
        for tool in self.tools.values():
            tool.close()
        if self._release is not None:
            self._release()
            self._release = None

    @property
    def log(self) -> ToolLog:
        """Every call so far, as data."""
        with self._lock:
            return self._about.model_copy(update={"calls": tuple(self._records)})

    def schemas(self) -> tuple[llm.Tool, ...]:
        """The tools as a language model is told of them."""
        return tuple(llm.Tool(tool.name, tool.description, tool.arguments) for tool in self.tools.values())

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The tools as functions for code in a sandbox: plain JSON values go in and come out.

        RetryWithOther becomes a ValueError and Adapt a RuntimeError, which the code may catch. Any other error ends the run of
        the code: it is raised as `StoppedByError`, which no code can catch, with the error as its cause.
        """
        return functions_of(self)

    def call(self, name: str, arguments: Mapping[str, Any] | Arguments | None = None) -> Called:
        """Use a tool.

        Raises
        ------
        RetryWithOther: no such tool, arguments that do not fit, or others that would do.
        Adapt: not possible on this bench.
        ReplayError: in a replay, a call that the log does not have.
        """
        given, record, result = self._ask(name, arguments)
        text, handle = self.tools[name].render(result), f"r{record.number}"
        with self._lock:
            self._texts[handle] = text
        return Called(
            tool=name,
            arguments=given,
            result=result,
            text=shown(text, handle, 1),
            handle=handle,
            pages=len(pages_of(text)),
            cost=record.cost,
        )

    def values(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """`call` for code: the result as JSON values, and no text."""
        _, record, _ = self._ask(name, arguments)
        assert record.result is not None
        return record.result

    async def acall(self, name: str, arguments: Mapping[str, Any] | Arguments | None = None) -> Called:
        """`call`, in the company of others: through the model's worker, which is opened where there is none yet."""
        if self._bench is not None and self._release is None and hold(self._bench.subject):
            self._release = weakref.finalize(self, release, self._bench.subject)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(threads(), context.run, self.call, name, arguments)

    def page(self, handle: str, number: int) -> str:
        """Page `number`, from 1, of an earlier answer. Raises RetryWithOther for one that there is not."""
        with self._lock:
            text = self._texts.get(handle)
        if text is None:
            known = ", ".join(list(self._texts)[-5:]) or "none yet"
            raise RetryWithOther("handle", f"no answer {handle!r}; the latest are {known}")
        try:
            return shown(text, handle, number)
        except IndexError as error:
            raise RetryWithOther("number", f"no page {number}: {error}") from error

    def _tool(self, name: str) -> AnyTool:
        if name not in self.tools:
            raise RetryWithOther("tool", f"there is none called {name!r}: there are {', '.join(self.tools)}")
        return self.tools[name]

    def _ask(self, name: str, arguments: Mapping[str, Any] | Arguments | None) -> tuple[Arguments, Record, Result]:
        """Run a call or look it up, and write it down; errors as of `call`."""
        tool = self._tool(name)
        given = asked(tool, arguments or {})
        if self._script is not None:
            record, result = self._script.next(tool.name, given), None
        else:
            record, result = self._run(tool, given)
        with self._lock:
            self._records.append(record)
        if record.failure is not None:
            raise _error(record.failure)
        return given, record, tool.result.model_validate(record.result) if result is None else result

    def _run(self, tool: AnyTool, given: Arguments) -> tuple[Record, Result | None]:
        assert self._bench is not None
        number = next(self._numbers)
        inside = _INSIDE.get()
        token = _INSIDE.set(number)
        failure: Failure | None = None
        result: Result | None = None
        with metered() as meter, computing():
            try:
                result = tool.run(self._bench, given)
            except ModelError as error:
                failure = Failure(kind="adapt", message=str(error))
            except ToolError as error:
                failure = _failure(error)
            finally:
                _INSIDE.reset(token)
        record = Record(
            number=number,
            tool=tool.name,
            arguments=given.model_dump(mode="json"),
            result=None if result is None else result.model_dump(mode="json"),
            failure=failure,
            cost=meter.read(),
            inside=inside,
        )
        return record, result


class _Script:
    """The calls of a log, each to be answered once, in order among those that ask the same."""

    def __init__(self, log: ToolLog) -> None:
        self._left: dict[str, deque[Record]] = {}
        for record in log.calls:
            if record.inside is None:
                self._left.setdefault(record.key, deque()).append(record)
        self._lock = threading.Lock()

    def next(self, tool: str, arguments: Arguments) -> Record:
        key = key_of(tool, arguments.model_dump(mode="json"))
        with self._lock:
            left = self._left.get(key)
            if not left:
                raise ReplayError(f"the log has no further call {key[:200]}: run it on the model instead")
            return left.popleft()


def _about(bench: Workbench | None) -> ToolLog:
    assert bench is not None
    return ToolLog(
        model=bench.subject.fingerprint, dictionary=bench.dictionary.fingerprint, feature=bench.feature.index
    )


def _failure(error: ToolError) -> Failure:
    if isinstance(error, RetryWithOther):
        return Failure(kind="retry", message=error.message, argument=error.argument)
    return Failure(kind="adapt", message=str(error))


def _error(failure: Failure) -> ToolError:
    if failure.kind == "retry":
        return RetryWithOther(failure.argument or "arguments", failure.message)
    return Adapt(failure.message)
