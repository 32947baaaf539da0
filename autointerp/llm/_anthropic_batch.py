"""Anthropic's message batches: requests go in together and come out within a day, at half the price."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any

from autointerp.llm._faults import Broken, Dropped, Fault, Rejected
from autointerp.llm._provider import BatchState, Body
from autointerp.llm._sdk import Connection

_PATH = "/v1/messages/batches"
#: The clocks of two machines may differ by that, in seconds.
_SKEW = 600.0
_OURS_TO_MEND = {
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
}


class AnthropicBatches:
    """See BatchEndpoint."""

    most_items = 100_000
    most_bytes = 240 * 2**20

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def available(self) -> bool:
        """Listing is free, and a gateway without batches has no such path."""
        try:
            await self.connection.get(_PATH, {"limit": 1})
        except Rejected as rejection:
            if rejection.status in (400, 404, 405, 501):
                return False
            raise
        return True

    async def submit(self, token: str, bodies: Sequence[Body]) -> str:
        """A batch has no room for a mark of its own: the token is in the id of every item."""
        requests = [{"custom_id": f"{token}-{i}", "params": body} for i, body in enumerate(bodies)]
        made = await self.connection.post(_PATH, {"requests": requests}, {"Idempotency-Key": token})
        return str(json.loads(made.body)["id"])

    async def find(self, token: str, items: int, since: float, known: Collection[str]) -> BatchState | None:
        """Only the results show the ids of the items, so that a batch has to end before it can be told."""
        candidates = await self._made_since(since - _SKEW)
        unsure = False
        for batch in candidates:
            if batch["id"] in known or sum((batch.get("request_counts") or {}).values()) != items:
                continue
            if batch["processing_status"] != "ended":
                unsure = True
            elif await self._is_marked(batch["id"], token):
                return _state(batch)
        return BatchState("", False) if unsure else None

    async def state(self, batch: str) -> BatchState:
        """See BatchEndpoint."""
        return _state(json.loads((await self.connection.get(f"{_PATH}/{batch}")).body))

    async def results(self, batch: str) -> AsyncIterator[tuple[int, bytes | Fault]]:
        """See BatchEndpoint."""
        # The path is made here: the address that the server gives for it would be sent the key wherever it led.
        body = (await self.connection.get(f"{_PATH}/{batch}/results")).body
        for line in body.splitlines():
            if line.strip():
                yield _result(line)

    async def _made_since(self, since: float) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            query = {"limit": 100} | ({"after_id": after} if after else {})
            page = json.loads((await self.connection.get(_PATH, query)).body)
            found += [b for b in page["data"] if _moment(b["created_at"]) >= since]
            if not page.get("has_more") or not page["data"] or _moment(page["data"][-1]["created_at"]) < since:
                return found
            after = page["data"][-1]["id"]

    async def _is_marked(self, batch: str, token: str) -> bool:
        body = (await self.connection.get(f"{_PATH}/{batch}/results")).body
        first = next((line for line in body.splitlines() if line.strip()), b"{}")
        return str(json.loads(first).get("custom_id", "")).rpartition("-")[0] == token


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _state(batch: dict[str, Any]) -> BatchState:
    return BatchState(str(batch["id"]), batch["processing_status"] == "ended")


def _result(line: bytes) -> tuple[int, bytes | Fault]:
    found = json.loads(line)
    number, result = int(found["custom_id"].rpartition("-")[2]), found["result"]
    if result["type"] == "succeeded":
        return number, json.dumps(result["message"]).encode()
    if result["type"] in ("expired", "canceled"):
        return number, Broken(f"the batch has {result['type']}")
    error = (result.get("error") or {}).get("error") or {}
    if not error:
        return number, Dropped("neither an answer nor an error")
    message, kind = str(error.get("message") or ""), str(error.get("type") or "")
    return number, Rejected(400, message, kind) if kind in _OURS_TO_MEND else Broken(f"{kind} {message}")
