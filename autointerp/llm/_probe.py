"""Trying out whether a model can do something, with the smallest request that shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from autointerp.llm._answer import Answer
from autointerp.llm._capabilities import Capability
from autointerp.llm._check import Fitting, check
from autointerp.llm._messages import user
from autointerp.llm._request import Request, Tool

if TYPE_CHECKING:
    from autointerp.llm._model import LLM

#: Enough for models that think before they say a word.
_ROOM = 1024


class _Colour(BaseModel):
    """A colour."""

    colour: Literal["red", "green", "blue"]


_TOOL = Tool("paint", "Paints the wall in a colour.", _Colour)
_HELLO = (user("Reply with the word hello."),)
_PAINT = (user("Paint the wall green. Use the tool."),)

_TRIALS: dict[Capability, Request[Any]] = {
    Capability.TOOLS: Request(_PAINT, _ROOM, tools=(_TOOL,)),
    Capability.TOOL_CHOICE: Request(_HELLO, _ROOM, tools=(_TOOL,), tool_choice="required"),
    Capability.PARALLEL_TOOLS: Request(_PAINT, _ROOM, tools=(_TOOL,), parallel_tools=False),
    Capability.JSON_SCHEMA: Request((user("What colour is grass?"),), _ROOM, output=_Colour),
    Capability.LOGPROBS: Request(_HELLO, _ROOM, logprobs=2),
    Capability.TEMPERATURE: Request(_HELLO, _ROOM, temperature=0.0),
    Capability.SEED: Request(_HELLO, _ROOM, seed=1),
    Capability.EFFORT: Request(_HELLO, _ROOM, effort="low"),
}


def _fits(answer: Answer) -> bool:
    fitting = check(_TRIALS[Capability.JSON_SCHEMA], answer, "the model")
    return isinstance(fitting, Fitting) and fitting.value is not None


_SHOWN: dict[Capability, Callable[[Answer], bool]] = {
    Capability.TOOLS: lambda answer: bool(answer.calls),
    Capability.TOOL_CHOICE: lambda answer: bool(answer.calls),
    Capability.LOGPROBS: lambda answer: bool(answer.logprobs),
    Capability.JSON_SCHEMA: _fits,
}


async def probe(llm: LLM, capability: Capability) -> bool:
    """Whether a model can do that. What cannot be tried (how prompts are kept at a server) counts as not there.

    Raises what `LLM.ask` raises where the server does not answer or refuses for another reason.
    """
    if capability is Capability.BATCH:
        endpoint = llm.line.provider.batches
        return endpoint is not None and await llm.line.insist(endpoint.available)
    trial = _TRIALS.get(capability)
    if trial is None:
        return False
    answer = (await llm.exchange(trial)).answer
    learned = llm.line.able.state(capability)
    if learned is not None:  # the server rejected it, and the request went through without
        return learned
    shown = _SHOWN.get(capability)
    return shown is None or shown(answer)
