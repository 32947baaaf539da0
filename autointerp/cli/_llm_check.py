"""What `autointerp llm check` asks, and how it says what it found."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from autointerp.errors import MisfitError
from autointerp.llm import LLM, Capability, LLMs, Message, Reply, Request, Tool, tool_result
from autointerp.prompts import Template

_FIRST, _SECOND = 1789, 24571
#: What concerns the wire alone.
_OF_THE_WIRE = {Capability.MAX_TOKENS, Capability.MAX_COMPLETION_TOKENS, Capability.TOOLS_WHILE_THINKING}
#: Enough for models that think first.
_ROOM = 4096


class _Sum(BaseModel):
    """The sum of two numbers."""

    total: int = Field(description="the sum")
    how: str = Field(description="how it was found, in a few words")


class _Add(BaseModel):
    """The two numbers."""

    first: int
    second: int


_ADD = Tool("add", "Adds two whole numbers and returns the sum.", _Add)


async def check_all(models: LLMs) -> dict[str, Any]:
    """Check every model once, whatever roles it has. Raises what asking raises, and MisfitError for a wrong answer."""
    checked: dict[str, Any] = {}
    for role, model in models.items():
        entry = checked.setdefault(model.identity, {"model": model.identity, "roles": []})
        entry["roles"].append(role)
        if "structured" not in entry:
            entry |= await _checked(model)
    spent = models.ledger.spent()
    cost = {"requests": spent.requests, "tokens": spent.tokens, "dollars": spent.dollars, "unpriced": spent.unpriced}
    return {"models": list(checked.values()), "spent": cost, "cached": models.ledger.hits}


async def _checked(model: LLM) -> dict[str, Any]:
    typed = await model.ask(_request(output=_Sum))
    assert typed.value is not None
    if typed.value.total != _FIRST + _SECOND:
        raise MisfitError(
            f"{model.address} says that {_FIRST} and {_SECOND} are {typed.value.total}: choose another model"
        )
    called, told = await _with_tool(model)
    able = {str(capability): model.known(capability) for capability in Capability if capability not in _OF_THE_WIRE}
    return {
        "structured": {"total": typed.value.total, "how": typed.value.how, "repairs": typed.repairs},
        "tool": {"calls": len(called.calls), "repairs": called.repairs, "answer": told.text},
        "capabilities": able,
    }


async def _with_tool(model: LLM) -> tuple[Reply[Any], Reply[Any]]:
    request = _request(tools=(_ADD,))
    called = await model.ask(request)
    if not called.calls:
        raise MisfitError(f"{model.address} was told to use a tool and did not: choose a model that can call tools")
    results = [
        tool_result(call.id, str(call.arguments.first + call.arguments.second))
        for call in called.calls
        if isinstance(call.arguments, _Add)
    ]
    told = await model.ask(request.followed_by((called.message, *results)))
    if str(_FIRST + _SECOND) not in told.text.replace(",", "").replace(" ", ""):
        raise MisfitError(f"{model.address} does not repeat what the tool returned: it answers {told.text[:80]!r}")
    return called, told


def _request(output: type[_Sum] | None = None, tools: tuple[Tool, ...] = ()) -> Request[_Sum]:
    prompt = Template.load("llm_check").render(first=_FIRST, second=_SECOND, by_tool=bool(tools))
    turns = tuple(Message(role=role, text=text) for role, text in prompt.turns)
    return Request(turns, _ROOM, output=output, tools=tools, template=prompt.reference)


def lines(found: dict[str, Any]) -> list[str]:
    """What was found, for the terminal."""
    told: list[str] = []
    for entry in found["models"]:
        able = entry["capabilities"]
        told += [
            f"{entry['model']} ({', '.join(entry['roles'])})",
            f"  typed answer: fits{_asked_again(entry['structured']['repairs'])}",
            f"  tool: called{_asked_again(entry['tool']['repairs'])}, and its result was used",
            f"  can: {_listed(able, True)}",
            f"  cannot: {_listed(able, False)}",
            f"  not known: {_listed(able, None)}",
        ]
    spent = found["spent"]
    dollars = (
        f"${spent['dollars']:.6f}" if not spent["unpriced"] else f"${spent['dollars']:.6f} for those of known price"
    )
    told.append(
        f"spent: {spent['requests']} requests, {spent['tokens']:,} tokens, {dollars}; {found['cached']} from the cache"
    )
    return told


def _asked_again(repairs: int) -> str:
    return "" if not repairs else f", asked again {repairs} time{'s' if repairs > 1 else ''}"


def _listed(able: dict[str, bool | None], state: bool | None) -> str:
    return ", ".join(name.replace("_", " ") for name, value in able.items() if value is state) or "-"
