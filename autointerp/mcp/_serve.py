"""The transports: standard input and output, and HTTP on this machine for whoever has the token."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import uvicorn
from mcp.server.stdio import stdio_server

from autointerp.errors import InputError
from autointerp.mcp._desk import Desk
from autointerp.mcp._server import build_server
from autointerp.mcp._settings import Settings

HOST: Final = "127.0.0.1"
PATH: Final = "/mcp"
#: Shorter ones can be guessed.
SHORTEST_TOKEN: Final = 16

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def serve_stdio(settings: Settings) -> None:
    """Serve one host over standard input and output, until it closes them."""
    async with Desk(settings) as desk:
        server = build_server(desk)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())


async def serve_http(settings: Settings, port: int, token: str, announce: Callable[[str], None]) -> None:
    """Serve hosts on this machine that send the token as `Authorization: Bearer TOKEN`, until interrupted.

    Parameters
    ----------
    port: 0 for any that is free.
    announce: is told the address once connections are accepted.

    Raises InputError for a token that is too short or has characters that no header can carry, and a port that cannot be had.
    """
    check_token(token)
    with _bound(port) as listening:
        address = f"http://{HOST}:{listening.getsockname()[1]}{PATH}"
        async with Desk(settings) as desk:
            app = build_server(desk).streamable_http_app(streamable_http_path=PATH, host=HOST)
            config = uvicorn.Config(guarded(app, token), log_level="warning", ws="none", timeout_graceful_shutdown=2)
            announce(address)
            await uvicorn.Server(config).serve(sockets=[listening])


def check_token(token: str) -> None:
    """Raises InputError for a token that would not do."""
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"the token has {len(token)} characters: give at least {SHORTEST_TOKEN} printable ASCII ones without spaces in"
            " AUTOINTERP_MCP_TOKEN, or leave it unset to have one made"
        )


def guarded(app: App, token: str) -> App:
    """The app for whoever sends the token; 401 to others, before anything of the request is read."""
    expected = f"Bearer {token}".encode()

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) == 1 and hmac.compare_digest(given[0], expected):
            return await app(scope, receive, send)
        body = b"autointerp: send the server's token as `Authorization: Bearer TOKEN`\n"
        headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return guard


def _bound(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"port {port} cannot be had ({reason}): give another with --port, or 0 for any") from error
