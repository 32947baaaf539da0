"""The protocol's side: the endpoints, resources and prompts of a desk as an MCP server."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import mcp_types as types
from mcp import MCPError
from mcp.server import Server, ServerRequestContext

from autointerp._version import __version__
from autointerp.errors import AutointerpError, PluginError
from autointerp.mcp import _prompts, _resources
from autointerp.mcp._desk import Desk
from autointerp.mcp._endpoints import Endpoint
from autointerp.mcp._explain import explain_endpoints
from autointerp.mcp._looking import looking_endpoints
from autointerp.mcp._opening import Tell
from autointerp.mcp._tools import tool_endpoints

Context = ServerRequestContext[Any]
Paging = types.PaginatedRequestParams | None

NAME: Final = "autointerp"
_LOG = logging.getLogger(__name__)


def build_server(desk: Desk) -> Server[Any]:
    """A server of what is on the desk; for any transport, and for `mcp.Client` in the same process."""
    mine = explain_endpoints() + looking_endpoints()
    taken = {endpoint.name for endpoint in mine}
    tools = tool_endpoints(run_code=desk.settings.run_code)
    for tool in tools:
        if tool.name in taken:
            raise PluginError(f"a plugin calls its tool {tool.name!r}, which is one of the server's own: uninstall it")
    handlers = _Handlers(desk, {endpoint.name: endpoint for endpoint in [*mine, *tools]})
    return Server(
        NAME,
        version=__version__,
        title="autointerp: what features of neural networks respond to and do",
        instructions=_prompts.instructions(),
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_resource_templates,
        on_read_resource=handlers.read_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
    )


class _Handlers:
    def __init__(self, desk: Desk, endpoints: Mapping[str, Endpoint]) -> None:
        self._desk, self._endpoints = desk, endpoints

    async def list_tools(self, context: Context, params: Paging) -> types.ListToolsResult:
        del context, params
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=endpoint.name,
                    title=endpoint.title,
                    description=endpoint.description,
                    input_schema=endpoint.schema(),
                    annotations=types.ToolAnnotations(
                        read_only_hint=not endpoint.changes, destructive_hint=False, open_world_hint=False
                    ),
                )
                for endpoint in self._endpoints.values()
            ]
        )

    async def call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        endpoint = self._endpoints.get(params.name)
        if endpoint is None:
            return _refused(f"there is no tool {params.name[:80]!r}: there are {', '.join(self._endpoints)}")
        try:
            answer = await endpoint.answer(self._desk, params.arguments or {}, _teller(context))
        except AutointerpError as error:
            return _refused(str(error))
        except Exception as error:  # noqa: BLE001 - a defect, for the log; the next call is not to suffer for it
            _LOG.exception("the tool %s failed", endpoint.name)
            return _refused(_defect(error))
        return types.CallToolResult(content=[types.TextContent(text=answer.text)], structured_content=answer.data)

    async def list_resources(self, context: Context, params: Paging) -> types.ListResourcesResult:
        del context, params
        return types.ListResourcesResult(resources=_resources.resources(self._desk))

    async def list_resource_templates(self, context: Context, params: Paging) -> types.ListResourceTemplatesResult:
        del context, params
        return types.ListResourceTemplatesResult(resource_templates=_resources.templates())

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            content = await _resources.read(self._desk, uri, _teller(context))
        except AutointerpError as error:
            raise MCPError(code=types.INVALID_PARAMS, message=_line(str(error)), data={"uri": uri[:200]}) from error
        except Exception as error:
            _LOG.exception("the resource %s failed", uri)
            raise MCPError(code=types.INTERNAL_ERROR, message=_defect(error)) from error
        found = types.TextResourceContents(uri=uri, text=content.text, mime_type=content.mime_type)
        return types.ReadResourceResult(contents=[found])

    async def list_prompts(self, context: Context, params: Paging) -> types.ListPromptsResult:
        del context, params
        return types.ListPromptsResult(prompts=_prompts.prompts())

    async def get_prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        del context
        try:
            tools = {name: endpoint.description for name, endpoint in self._endpoints.items()}
            return _prompts.prompt(params.name, params.arguments or {}, tools)
        except AutointerpError as error:
            raise MCPError(code=types.INVALID_PARAMS, message=_line(str(error))) from error


def _teller(context: Context) -> Tell:
    """Progress for whoever asked, where they want it; what is told has to grow from one message to the next."""
    last = -1.0

    async def tell(progress: float, total: float | None, message: str) -> None:
        nonlocal last
        last = max(last + 1.0, progress)
        await context.session.report_progress(last, total, message)

    return tell


def _line(text: str) -> str:
    return " ".join(text.split())


def _defect(error: Exception) -> str:
    return f"a defect of autointerp ({type(error).__name__}): the server's log has the details"


def _refused(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=_line(message))], is_error=True)
