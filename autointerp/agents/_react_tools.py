"""What a model that works freely may call: the toolbox, further pages of its answers, a check of a program, and handing in.

Answers are written into the notebook under the number of the call, so that a run that goes on after a kill gives the model what
it was given before, and measures nothing again.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from autointerp.agents import _show
from autointerp.agents._case import Case
from autointerp.agents._notebook import now
from autointerp.agents._protocol import Standing
from autointerp.agents._shapes import HypothesisShape
from autointerp.agents._standings import Book
from autointerp.agents._steps import Steps
from autointerp.agents._tried import tried
from autointerp.errors import ProgramError, ToolError
from autointerp.llm import Call, Tool
from autointerp.records import Hypothesis, HypothesisKind, Program
from autointerp.tools import Toolbox

#: A tool that failed so often in a row is not called again; a call is answered so often.
_FAILURES, _REPEATS = 3, 2
_MISTAKES, _RESIDUALS = 8, 16


class CheckArguments(BaseModel):
    """A program to try."""

    program: Annotated[str, Field(description="Python that defines predict(tokens)")]
    fires_on: Annotated[str, Field(description="the same in one sentence")]


class PageArguments(BaseModel):
    """A further page of an answer."""

    handle: str
    number: Annotated[int, Field(ge=1)]


_OWN: Final = (
    Tool(
        "check_program",
        "Run a program: its correlation with text it was not made from, and its worst mistakes.",
        CheckArguments,
    ),
    Tool("page", "A further page of an answer that was too long for one, by the handle at its end.", PageArguments),
    Tool("submit", "Hand in the explanation. This ends the investigation.", HypothesisShape),
)


@dataclass(eq=False)
class ReactTools:
    """The tools of one investigation, and what was called."""

    case: Case
    steps: Steps
    toolbox: Toolbox
    calls: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def schemas(self) -> tuple[Tool, ...]:
        """As the model is told of them."""
        return (*(tool for tool in self.toolbox.schemas() if tool.name != "page"), *_OWN)

    async def answer(self, call: Call) -> tuple[str, bool]:
        """The answer to a call, and whether it failed; from the notebook where it was answered before. Raises BudgetError."""
        self.calls += 1
        key = f"{self.calls}"
        known = self.case.notebook.text("call", key)
        if known is None:
            text, failed = await self._answered(call, key)
            known = self.case.notebook.put_text("call", key, json.dumps([text, failed]))
            self.case.notebook.remark(f"call {key}", f"{_written(call)}: {' '.join(text.split())[:200]}")
            self.case.tell("call", f"{_written(call)}: {' '.join(text.split())[:120]}")
        else:
            self._count(call)
        text, failed = json.loads(known)
        self.failed[call.name] = self.failed[call.name] + 1 if failed else 0
        return str(text), bool(failed)

    async def _answered(self, call: Call, key: str) -> tuple[str, bool]:
        if self._count(call) > _REPEATS:
            return (
                "you have asked exactly this before, and the answer is the same: look above, and do something else",
                True,
            )
        if self.failed[call.name] >= _FAILURES:
            return f"{call.name} failed {_FAILURES} times in a row and is not called again: do without it", True
        if call.name == "page":
            return self._page(call.arguments)
        if call.name == "check_program":
            self.case.meter.reserve(f"call {key}", tool_calls=1)
            return self._check(call.arguments, key)
        return await self._tool(call, key)

    def _count(self, call: Call) -> int:
        self.asked[_written(call)] += 1
        return self.asked[_written(call)]

    async def _tool(self, call: Call, key: str) -> tuple[str, bool]:
        self.case.meter.reserve(f"call {key}", tool_calls=1)
        try:
            called = await self.toolbox.acall(call.name, call.arguments.model_dump())
        except ToolError as error:
            return str(error), True
        handle = f"c{key}"
        pages = [
            self.toolbox.page(called.handle, number + 1).replace(f'handle="{called.handle}"', f'handle="{handle}"')
            for number in range(called.pages)
        ]
        self.case.notebook.put_text("pages", handle, json.dumps(pages))
        return pages[0], False

    def _page(self, arguments: Any) -> tuple[str, bool]:
        pages = json.loads(self.case.notebook.text("pages", arguments.handle) or "[]")
        if not 1 <= arguments.number <= len(pages):
            return f"no page {arguments.number} of {arguments.handle!r}: it has {len(pages)}", True
        return str(pages[arguments.number - 1]), False

    def _check(self, arguments: Any, key: str) -> tuple[str, bool]:
        """Try a program, and enter it as a hypothesis: it is what is handed in where the budget ends."""
        program = Program(source=arguments.program)
        try:
            self.case.predict(program, self.steps.seen.texts[:4])
        except ProgramError as error:
            return f"the program fails: {error}", True
        hypothesis = Hypothesis(
            id=f"h{key}",
            at=now(),
            round=0,
            kind=HypothesisKind.INPUT,
            fires_on=arguments.fires_on,
            program=program,
            confidence=0.5,
        )
        score = tried(self.case, hypothesis, f"e{key}")
        standing = Standing(hypothesis, score, 0, 0)
        view = Book.of(self.case).view(self.case, self.steps.seen, 0)
        wrong = _show.mistakes(view, standing, _MISTAKES)
        tokens = _show.residuals(view, standing, _RESIDUALS)
        shown = "not defined" if score is None else f"{score:.3f}"
        told = [
            f"correlation with text it was not made from: {shown}",
            "worst mistakes on train texts:",
            *wrong,
            "tokens at which it is wrong most in all, on the same texts:",
            *tokens,
        ]
        return "\n".join(told), False


def _written(call: Call) -> str:
    return f"{call.name}({json.dumps(call.arguments.model_dump(mode='json'), ensure_ascii=False)[:400]})"
