"""As much of an HTTP/1.1 server as the SDKs need, on asyncio, so that a test can break it at any byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answered:
    """`close_after` closes the connection after so many bytes of the body; `hang` never answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    close_after: int | None = None
    hang: bool = False


Handle = Callable[[Asked], Awaitable[Answered]]


async def serve(handle: Handle, port: int = 0) -> asyncio.Server:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (asked := await _read(reader)) is not None:
                answered = await handle(asked)
                if answered.hang:
                    await reader.read()  # until the client gives up
                    break
                if not await _write(writer, answered):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", port, limit=2**26, backlog=512)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    path, _, query = target.partition("?")
    pairs = (part.partition("=") for part in query.split("&") if part)
    return Asked(method, path, {name: value for name, _, value in pairs}, headers, body)


async def _write(writer: asyncio.StreamWriter, answered: Answered) -> bool:
    headers = {"content-type": "application/json", **answered.headers, "content-length": str(len(answered.body))}
    head = f"HTTP/1.1 {answered.status} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "\r\n"
    body = answered.body if answered.close_after is None else answered.body[: answered.close_after]
    writer.write(head.encode("latin-1") + body)
    await writer.drain()
    return answered.close_after is None
