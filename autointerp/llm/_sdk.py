"""What the two SDKs have in common: both are generated alike, with the same clients and the same tree of exceptions.

They are used for what they know best, connections, authentication and the errors of the transport. Their retries are off, and
bodies go in and come out as bytes: what is hashed, stored and counted is what was on the wire.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from autointerp.llm._faults import Broken, Dropped, Fault, Limited, Overloaded, Received, Rejected, Unreached
from autointerp.llm._headers import quotas, retry_after

#: 429 says "slow down" and, with these codes, "pay first", which no waiting helps against.
_OUT_OF_MONEY = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "contract_spend_limit_reached",
    "enforced_spend_limit_reached",
}
#: A gateway that gave up on its server, which may well go on working and bill for it.
_LATE = {408, 504, 524}
_BUSY = {503, 529}
_MESSAGE_LENGTH = 300


class Connection:
    """An SDK's asynchronous client, every failure of which is a `Fault` and none of which shows a key."""

    def __init__(self, sdk: Any, client: Any, secrets: tuple[str, ...], timeout: float) -> None:
        self.client = client
        self._sdk, self._timeout = sdk, timeout
        self._secrets = tuple(secret for secret in secrets if secret)

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> Received:
        """GET a path of the API."""
        import httpx2

        return await self.call(
            lambda: self.client.get(path, cast_to=httpx2.Response, options={"params": dict(query or {})})
        )

    async def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Received:
        """POST a JSON body."""
        import httpx2

        return await self.call(
            lambda: self.client.post(path, cast_to=httpx2.Response, body=body, options={"headers": dict(headers or {})})
        )

    async def call(self, send: Callable[[], Awaitable[Any]]) -> Received:
        """One call of the SDK that gives back an HTTP response. Raises Fault."""
        try:
            # The SDK's limit is on the silence between two bytes, this one on the whole.
            async with asyncio.timeout(self._timeout):
                response = await send()
        except TimeoutError:
            fault: Fault = Dropped(f"no answer within {self._timeout:g} s")
        except self._sdk.APIStatusError as error:
            fault = self._status(error.response)
        except self._sdk.APIConnectionError as error:
            fault = self._transport(error)
        except self._sdk.APIError as error:
            fault = Dropped(self.without_secrets(f"an answer that cannot be read: {type(error).__name__}"))
        else:
            return Received(self._clean(response.content), quotas(response.headers))
        # Not chained: the SDK's exceptions hold the request, and the request holds the key.
        raise fault from None

    def without_secrets(self, text: str) -> str:
        """The text, keys taken out: servers repeat them in what they say of wrong ones."""
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return text

    def _clean(self, body: bytes) -> bytes:
        for secret in self._secrets:
            if secret.encode() in body:
                body = body.replace(secret.encode(), b"[key]")
        return body

    def _status(self, response: Any) -> Fault:
        status, headers = int(response.status_code), response.headers
        message, code, parameter = _read_error(self._clean(_content(response)))
        told = f"{status} {message}".strip()
        again = headers.get("x-should-retry")
        if status == 429 and code not in _OUT_OF_MONEY and again != "false":
            return Limited(told, retry_after(headers), quotas(headers))
        if status in _BUSY and again != "false":
            return Overloaded(told, retry_after(headers), quotas(headers))
        if status in _LATE:
            return Dropped(told, retry_after(headers))
        if again == "true" or status == 409 or (status >= 500 and status != 501 and again != "false"):
            return Broken(told, retry_after(headers))
        return Rejected(status, message or f"status {status}", code, parameter)

    def _transport(self, error: BaseException) -> Fault:
        import aiohttp

        # The SDK takes every lost connection for one that was never made: the innermost exception tells the two apart.
        while error.__cause__ is not None:
            error = error.__cause__
        name = type(error).__name__
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | ConnectionRefusedError):
            return Unreached(self.without_secrets(f"no connection ({name}: {error})"))
        return Dropped(self.without_secrets(f"the connection was lost ({name})"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.close()


def _content(response: Any) -> bytes:
    import httpx2

    try:
        return bytes(response.content)
    except httpx2.StreamError:  # an error whose body was never read
        return b""


def _read_error(body: bytes) -> tuple[str, str, str]:
    """Message, code and parameter of an error in the forms of OpenAI, Anthropic and those who imitate them."""
    try:
        found = json.loads(body)
    except ValueError:
        return _shortened(body.decode("utf-8", "replace")), "", ""
    error = found.get("error", found) if isinstance(found, dict) else {}
    if isinstance(error, str):
        return _shortened(error), "", ""
    if not isinstance(error, dict):
        return "", "", ""
    details = error.get("details")
    code = (details.get("error_code") if isinstance(details, dict) else None) or error.get("code") or error.get("type")
    message = error.get("message") or error.get("detail") or ""
    return _shortened(str(message)), str(code or ""), str(error.get("param") or "")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_LENGTH else line[: _MESSAGE_LENGTH - 1] + "…"
