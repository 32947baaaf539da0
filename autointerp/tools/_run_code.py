"""`run_code`: Python of the scientist's own, in a sandbox that can call the tools, and whose names last an investigation."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from autointerp.errors import Adapt, ProgramError, RetryWithOther, SandboxError
from autointerp.programs import read_bounded
from autointerp.sandbox import NUMERIC, Backend, Limits, Session, describe, open_sandbox
from autointerp.tools._bench import Workbench
from autointerp.tools._code import StoppedByError
from autointerp.tools._sharing import elsewhere
from autointerp.tools._texts import visible
from autointerp.tools._tool import Arguments, Result, Tool

if TYPE_CHECKING:
    from autointerp.tools._toolbox import Toolbox

#: Of one run. The tools take their time in the model, which is not the code's.
LIMITS = Limits(seconds=10.0, host_calls=20_000, host_seconds=300.0, output=20_000)
#: Of what was printed before an error, the last so many characters are handed on.
_PRINTED = 2000


class RunCodeArguments(Arguments):
    """What to run."""

    code: Annotated[
        str,
        Field(
            min_length=1,
            max_length=50_000,
            description="Python. Call the tools by name with keyword arguments: they return dicts, as their results in JSON."
            " The value of a last line that is an expression is returned, and what is printed too. Names are kept.",
        ),
    ]


class RunCodeResult(Result):
    """What came of it: the value of the last line as text, what was printed, and how many tools and functions it called."""

    value: str
    printed: str
    calls: int
    seconds: float
    seconds_in_tools: float


class RunCode(Tool[RunCodeArguments, RunCodeResult]):
    """See the module."""

    name = "run_code"
    description = (
        "Run Python in a sandbox, with the other tools as functions (activations_on(texts=[...]) returns a dict) and"
        " statistics: mean, std, quantiles, histogram, corr, rank_corr, linear_fit, auc, t_test, interval; and read(tokens), as"
        " programs have it. For loops over many texts, and for figures. No files, no network; names last from run to run. A"
        f" run may take {LIMITS.seconds:g} s of its own, {LIMITS.host_seconds:g} s in tools, and {LIMITS.host_calls:,} calls."
    )
    arguments = RunCodeArguments
    result = RunCodeResult
    callable_from_code = False

    def __init__(self) -> None:
        self._toolbox: Toolbox | None = None
        self._lock = threading.Lock()
        self._sandbox: Backend | None = None
        self._session: Session | None = None

    def attached(self, toolbox: Toolbox) -> RunCode:
        """See `Tool.attached`."""
        own = copy.copy(self)
        own._toolbox, own._lock = toolbox, threading.Lock()
        return own

    def close(self) -> None:
        """End the sandbox."""
        with self._lock:
            session, sandbox, self._session, self._sandbox = self._session, self._sandbox, None, None
            for part in (session, sandbox):
                if part is not None:
                    part.__exit__(None, None, None)

    def run(self, bench: Workbench, arguments: RunCodeArguments) -> RunCodeResult:
        """See `Tool.run`."""
        del bench
        if self._toolbox is None:
            raise Adapt("code runs in the sandbox of a toolbox: call it through one")
        functions = _at_hand(self._toolbox)
        with elsewhere(), self._lock:
            try:
                ran = self._open(self._toolbox.sandbox).execute(arguments.code, functions=functions)
            except StoppedByError as stopped:
                raise stopped.error from None
            except ProgramError as error:
                printed = f"; printed until then: {visible(error.printed[-_PRINTED:])}" if error.printed else ""
                raise RetryWithOther("code", f"{error}{printed}") from error
        return RunCodeResult(
            value=_text(ran.value),
            printed=ran.printed,
            calls=ran.host_calls,
            seconds=ran.seconds + ran.host_seconds,
            seconds_in_tools=ran.host_seconds,
        )

    def render(self, result: RunCodeResult) -> str:
        """See `Tool.render`."""
        lines = [result.printed.rstrip("\n")] if result.printed else []
        if result.value != "None" or not result.printed:
            lines.append(f"value: {result.value}")
        return "\n".join(lines) + "\n"

    def guide(self) -> str:
        """Which Python may be written, and a line for every function: for a prompt."""
        if self._toolbox is None:
            raise Adapt("code runs in the sandbox of a toolbox: ask one that is attached")
        sandbox = open_sandbox(self._toolbox.sandbox or "monty", LIMITS)
        return f"{sandbox.python}\n{describe(_at_hand(self._toolbox))}"

    def _open(self, name: str | None) -> Session:
        if self._session is None:
            sandbox = open_sandbox(name or "monty", LIMITS)
            try:
                sandbox.__enter__()
            except SandboxError as error:
                raise Adapt(f"no code can be run here: {error}") from error
            self._sandbox = sandbox
            self._session = sandbox.session()
            self._session.__enter__()
        return self._session


def _at_hand(toolbox: Toolbox) -> dict[str, Callable[..., Any]]:
    return {**NUMERIC, "read": read_bounded, **toolbox.functions()}


def _text(value: Any) -> str:
    # Sandboxes hand out plain values of bounded size.
    return repr(value)
