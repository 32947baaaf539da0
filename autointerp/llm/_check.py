"""Is an answer what was asked for? If not, how the model is asked again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from autointerp.errors import RefusalError, TruncationError
from autointerp.llm._answer import Answer, Call
from autointerp.llm._messages import Message, ToolCall, tool_result, user
from autointerp.llm._request import Request, adapter

T = TypeVar("T")
_FENCED = re.compile(r"\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
#: How many of a validation's complaints are repeated to the model, and how long an error message may get.
_COMPLAINTS, _LONGEST = 8, 400


@dataclass(frozen=True, slots=True)
class Fitting(Generic[T]):
    """The usable parts of an answer."""

    value: T | None
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Misfit:
    """What is wrong with an answer, and the turns that tell the model."""

    problem: str
    turns: tuple[Message, ...]


def check(request: Request[T], answer: Answer, who: str) -> Fitting[T] | Misfit:
    """Judge an answer by the request.

    Raises RefusalError and TruncationError: neither gets better by asking again, and neither is an answer.
    """
    if answer.stop == "refusal":
        raise RefusalError(f"{who} declined: {_short(answer.refusal or answer.text or 'it gave no reason')}")
    if answer.stop == "length":
        raise TruncationError(
            f"{who} was cut off after {request.max_tokens} tokens: raise max_tokens, or ask for a shorter answer"
        )
    if answer.calls:
        return _checked_calls(request, answer)
    if request.tool_choice == "required":
        return _again(answer, f"no tool was called; call one of these: {_names(request)}")
    if not answer.text.strip():
        return _again(answer, "the answer is empty")
    return Fitting(None, ()) if request.output is None else _checked_value(request, answer)


def _checked_value(request: Request[T], answer: Answer) -> Fitting[T] | Misfit:
    fenced = _FENCED.fullmatch(answer.text)
    text = (fenced.group(1) if fenced else answer.text).strip()
    try:
        return Fitting(adapter(request.output).validate_json(text), ())
    except ValidationError as error:
        return _again(answer, _complaints(error))


def _checked_calls(request: Request[T], answer: Answer) -> Fitting[T] | Misfit:
    calls: list[Call] = []
    wrong: dict[str, str] = {}
    tools = {tool.name: tool for tool in request.tools}
    for call in answer.calls:
        if call.name not in tools:
            wrong[call.id] = f"there is no tool {call.name!r}; the tools are: {_names(request) or 'none'}"
            continue
        try:
            calls.append(
                Call(call.id, call.name, tools[call.name].arguments.model_validate_json(call.arguments or "{}"))
            )
        except ValidationError as error:
            wrong[call.id] = _complaints(error)
    if not wrong:
        return Fitting(None, tuple(calls))
    # Providers insist on a result for every call of a turn, so the calls that were right get one too.
    told = [_told(call, wrong.get(call.id)) for call in answer.calls]
    names = {call.id: call.name for call in answer.calls}
    problem = "; ".join(f"arguments of {names[id_]}: {text}" for id_, text in wrong.items())
    return Misfit(_short(problem), (_sendable(answer), *told))


def _told(call: ToolCall, problem: str | None) -> Message:
    if problem is None:
        return tool_result(
            call.id, "Not run, because another call of this turn was not valid. Call it again.", failed=True
        )
    return tool_result(call.id, f"Not run: {problem}. Mend the arguments and call again.", failed=True)


def _sendable(answer: Answer) -> Message:
    """The turn with its calls, the arguments that are no JSON object replaced: a server may refuse to read them back."""
    calls = tuple(c if _is_object(c.arguments) else c.model_copy(update={"arguments": "{}"}) for c in answer.calls)
    return answer.message if calls == answer.calls else answer.message.model_copy(update={"calls": calls, "state": ""})


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _again(answer: Answer, problem: str) -> Misfit:
    # An empty turn is refused by some servers.
    said = answer.message if answer.text.strip() else answer.message.model_copy(update={"text": "(no text)"})
    return Misfit(
        _short(problem),
        (said, user(f"That cannot be used: {problem}. Answer the question again, complete and corrected.")),
    )


def _complaints(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    parts = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"] for e in found[:_COMPLAINTS]]
    more = len(found) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def _names(request: Request[T]) -> str:
    return ", ".join(tool.name for tool in request.tools)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
