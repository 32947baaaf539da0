"""The strategy `react`: a language model uses the tools as it likes, and hands in when it thinks that it knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from autointerp.agents._case import Case, within
from autointerp.agents._conclude import conclude
from autointerp.agents._protocol import Report
from autointerp.agents._rationed import RationedBench
from autointerp.agents._standings import Book
from autointerp.agents._steps import Steps, hypothesis_of
from autointerp.agents._tried import hand_in
from autointerp.errors import AnswerError, BudgetError, ContextError, InputError
from autointerp.records import Hypothesis

if TYPE_CHECKING:
    from autointerp.agents._react_tools import ReactTools
    from autointerp.llm import Message, Reply, Request

#: Turns of the model, and how often it may say something without calling a tool.
_TURNS: Final = 60
_SILENT: Final = 3
_MAX_TOKENS: Final = 6000


class React:
    """Reason, act, observe (Yao et al. 2022). The conversation after a kill is the one before it: its questions are found in
    the cache, and what tools answered in the notebook.
    """

    needs_llm = True

    async def run(self, case: Case) -> Report:
        """As the protocol says."""
        from autointerp.agents._react_tools import ReactTools
        from autointerp.llm import Capability
        from autointerp.tools import Toolbox

        assert case.llm is not None
        if not await case.llm.supports(Capability.TOOLS):
            raise InputError(
                f"{case.llm.address} cannot call tools: take --strategy investigate or oneshot, or another model"
            )
        steps = Steps(case)
        seen = None
        try:
            seen = await asyncio.to_thread(lambda: steps.seen)
            if not seen.enough:
                return conclude(case, seen, "there is too little to learn from")
            async with Toolbox(RationedBench.of(case.bench, case.meter)) as toolbox:
                chosen = await _converse(case, ReactTools(case, steps, toolbox))
        except (BudgetError, AnswerError) as error:
            return conclude(case, seen, str(error))
        if chosen is None:
            return conclude(case, seen, "it did not hand anything in")
        return await asyncio.to_thread(hand_in, case, chosen, "it handed this in")


async def _converse(case: Case, tools: ReactTools) -> Hypothesis | None:
    """The hypothesis that the model hands in; None where it never does. Raises BudgetError, AnswerError."""
    from autointerp.llm import tool_result, user

    request, silent = _opening(case, tools), 0
    for turn in range(_TURNS):
        case.tell("step", f"turn {turn + 1}")
        reply, request = await _asked(case, request)
        turns: list[Message] = [reply.message]
        for call in reply.calls:
            if call.name == "submit":
                handed = _handed_in(case, tools, call.arguments)
                if isinstance(handed, Hypothesis):
                    return handed
                turns.append(tool_result(call.id, handed, failed=True))
                continue
            text, failed = await tools.answer(call)
            turns.append(tool_result(call.id, text, failed=failed))
        if not reply.calls:
            silent += 1
            if silent > _SILENT:
                return None
            turns.append(user("Call a tool: `submit` if you are done."))
        request = request.followed_by(turns)
    return None


def _opening(case: Case, tools: ReactTools) -> Request[Any]:
    from autointerp.agents._llm_scientist import first_look, language
    from autointerp.llm import Request, system, user
    from autointerp.prompts import Template

    view = Book.of(case).view(case, tools.steps.seen, 0)
    limits = case.limits.text or "none that you need to mind"
    prompt = Template.load("react").render(**first_look(view, 0.5), **language(), limits=limits)
    made = {"system": system, "user": user}
    messages = tuple(made[role](text) for role, text in prompt.turns)
    return Request(messages, max_tokens=_MAX_TOKENS, tools=tools.schemas, template=prompt.reference, reuse_prefix=True)


async def _asked(case: Case, request: Request[Any]) -> tuple[Reply[Any], Request[Any]]:
    """Ask; where the conversation is too long, with the older answers of tools left out. Returns the request that did it."""
    assert case.llm is not None
    while True:
        try:
            return await within(case, case.llm.ask(request)), request
        except ContextError:
            shorter = _compacted(request)
            if shorter == request:
                raise
            case.notebook.remark(
                f"compacted {len(request.messages)}", "the conversation grew too long: older answers left out"
            )
            request = shorter


_LEFT_OUT: Final = "[left out, since the conversation grew too long: call again if you need it]"


def _compacted(request: Request[Any]) -> Request[Any]:
    """The older half of the tools' answers that are still there, left out."""
    there = [i for i, m in enumerate(request.messages) if m.role == "tool" and m.text != _LEFT_OUT]
    old = set(there[: (len(there) + 1) // 2])
    kept = (m.model_copy(update={"text": _LEFT_OUT}) if i in old else m for i, m in enumerate(request.messages))
    return replace(request, messages=tuple(kept))


def _handed_in(case: Case, tools: ReactTools, shape: Any) -> Hypothesis | str:
    """The hypothesis, or what is wrong with it."""
    from autointerp.agents._llm_scientist import fault
    from autointerp.agents._shapes import proposals_of

    view = Book.of(case).view(case, tools.steps.seen, 0)
    if (wrong := fault(shape, view)) is not None:
        return f"not handed in, the program fails:\n{wrong}"
    (proposal,) = proposals_of([shape], view)
    return hypothesis_of(proposal, "submitted", 0)
