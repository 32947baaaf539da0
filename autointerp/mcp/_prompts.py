"""What a host agent is told: once at the start, and when it is asked to investigate a feature."""

from __future__ import annotations

from collections.abc import Mapping

import mcp_types as types

from autointerp.errors import RetryWithOther
from autointerp.prompts import Template

_NAME = "investigate_feature"


def instructions() -> str:
    """What the server says of itself."""
    ((_, text),) = Template.load("mcp_instructions").render().turns
    return text


def prompts() -> list[types.Prompt]:
    """The one there is."""
    return [
        types.Prompt(
            name=_NAME,
            title="Investigate a feature",
            description="How to find out with these tools what a feature responds to and does, and how to say it.",
            arguments=[types.PromptArgument(name="feature", description="Number of the feature.", required=True)],
        )
    ]


def prompt(name: str, given: Mapping[str, str], tools: Mapping[str, str]) -> types.GetPromptResult:
    """A prompt filled in; `tools` are those of the server with what they do.

    Raises RetryWithOther for another name, and where the feature is no number.
    """
    if name != _NAME:
        raise RetryWithOther("name", f"no prompt {name[:80]!r}: there is {_NAME}")
    if unknown := sorted(given.keys() - {"feature"}):
        raise RetryWithOther(unknown[0][:80], f"{_NAME} has no such argument: it takes feature")
    feature = given.get("feature", "").strip()
    if not (feature.isascii() and feature.isdigit()):
        raise RetryWithOther("feature", f"give the number of a feature, such as 12; found {feature[:80]!r}")
    filled = Template.load("mcp_investigate").render(feature=int(feature), tools=list(tools))
    return types.GetPromptResult(
        description=f"Investigate feature {int(feature)} ({filled.reference})",
        messages=[
            types.PromptMessage(
                role="assistant" if role == "assistant" else "user", content=types.TextContent(text=text)
            )
            for role, text in filled.turns
        ],
    )
