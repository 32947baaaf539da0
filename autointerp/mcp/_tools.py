"""Every registered tool of a scientist as a tool of the server: the same arguments, and the feature they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autointerp.errors import RetryWithOther
from autointerp.mcp._desk import Desk
from autointerp.mcp._endpoints import Answer, Endpoint
from autointerp.mcp._opening import Tell
from autointerp.tools import AnyTool, all_tools

#: The server's own pages take its place; and what runs a host's code has to be asked for.
_OWN, _CODE = "page", "run_code"
_FEATURE = {
    "type": "integer",
    "minimum": 0,
    "description": "Number of the feature under study.",
}


class ToolEndpoint(Endpoint):
    """One registered tool, at the bench of whichever feature is named."""

    def __init__(self, name: str, tool: AnyTool) -> None:
        self.name, self.title = name, name.replace("_", " ").capitalize()
        self.description = tool.description
        self._tool = tool
        self.changes = name == _CODE

    def schema(self) -> dict[str, Any]:
        """That of the tool's arguments, with `feature` first, which no call may leave out."""
        schema = self._tool.arguments.model_json_schema()
        properties = {name: field for name, field in schema.get("properties", {}).items() if name != "feature"}
        required = [name for name in schema.get("required", []) if name != "feature"]
        return {**schema, "properties": {"feature": _FEATURE, **properties}, "required": ["feature", *required]}

    async def answer(self, desk: Desk, given: Mapping[str, Any], tell: Tell) -> Answer:
        """See `Endpoint`."""
        feature = given.get("feature")
        if not isinstance(feature, int) or isinstance(feature, bool):
            found = f"found {feature!r:.80}" if "feature" in given else "none is named"
            raise RetryWithOther("feature", f"give the number of a feature, such as 12; {found}")
        rest = {name: value for name, value in given.items() if name != "feature"}
        laboratory = await desk.opening.wait(tell)
        async with desk.benches.at(laboratory, feature) as toolbox:
            called = await toolbox.acall(self.name, rest)
            return Answer(desk.book.first(toolbox.tools[self.name].render(called.result)))


def tool_endpoints(*, run_code: bool) -> list[Endpoint]:
    """All registered tools; the one that runs code only where that is wanted."""
    left_out = {_OWN} if run_code else {_OWN, _CODE}
    return [ToolEndpoint(name, tool) for name, tool in all_tools().items() if name not in left_out]
