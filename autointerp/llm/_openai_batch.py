"""OpenAI's batches: a file of requests goes up, a file of answers comes down within a day, at half the price."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from autointerp.llm._faults import Broken, Dropped, Fault, Rejected
from autointerp.llm._provider import BatchState, Body
from autointerp.llm._sdk import Connection

_URL = "/v1/chat/completions"
_OPEN = {"validating", "in_progress", "finalizing", "cancelling"}
#: The clocks of two machines may differ by that, in seconds.
_SKEW = 600.0
_MARK = "autointerp"


class OpenAIBatches:
    """See BatchEndpoint."""

    most_items = 50_000
    most_bytes = 190 * 2**20

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def available(self) -> bool:
        """Listing is free, and a server without batches has no such path."""
        try:
            await self.connection.get("/batches", {"limit": 1})
        except Rejected as rejection:
            if rejection.status in (400, 404, 405, 501):
                return False
            raise
        return True

    async def submit(self, token: str, bodies: Sequence[Body]) -> str:
        """A file, then a batch of it, marked in its metadata."""
        lines = (
            json.dumps({"custom_id": f"{token}-{i}", "method": "POST", "url": _URL, "body": body})
            for i, body in enumerate(bodies)
        )
        content = io.BytesIO("\n".join(lines).encode())
        files = self.connection.client.files.with_raw_response
        uploaded = await self._json(files.create(file=(f"{token}.jsonl", content), purpose="batch"))
        made = await self._posted(
            {"input_file_id": uploaded["id"], "endpoint": _URL, "completion_window": "24h", "metadata": {_MARK: token}},
            token,
        )
        return str(made["id"])

    async def find(self, token: str, items: int, since: float, known: Collection[str]) -> BatchState | None:
        """Metadata tell a batch at once."""
        del items, known
        after: str | None = None
        while True:
            query = {"limit": 100} | ({"after": after} if after else {})
            page = json.loads((await self.connection.get("/batches", query)).body)
            for batch in page["data"]:
                if (batch.get("metadata") or {}).get(_MARK) == token:
                    return _state(batch)
            if not page.get("has_more") or not page["data"] or page["data"][-1]["created_at"] < since - _SKEW:
                return None
            after = page["data"][-1]["id"]

    async def state(self, batch: str) -> BatchState:
        """See BatchEndpoint."""
        return _state(json.loads((await self.connection.get(f"/batches/{batch}")).body))

    async def results(self, batch: str) -> AsyncIterator[tuple[int, bytes | Fault]]:
        """Both files: of those that were answered, and of those that were not."""
        found = json.loads((await self.connection.get(f"/batches/{batch}")).body)
        if found["status"] == "failed":
            problems = (found.get("errors") or {}).get("data") or [{}]
            message = str(problems[0].get("message") or "the batch was not accepted")
            raise Rejected(400, message)
        for file in ("output_file_id", "error_file_id"):
            if found.get(file):
                body = (await self.connection.get(f"/files/{found[file]}/content")).body
                for line in body.splitlines():
                    if line.strip():
                        yield _result(line)

    async def _posted(self, body: Body, key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (await self.connection.post("/batches", body, {"Idempotency-Key": key})).body
        )
        return found

    async def _json(self, raw: Any) -> dict[str, Any]:
        async def send() -> Any:
            return (await raw).http_response

        found: dict[str, Any] = json.loads((await self.connection.call(send)).body)
        return found


def _state(batch: dict[str, Any]) -> BatchState:
    return BatchState(str(batch["id"]), batch["status"] not in _OPEN)


def _result(line: bytes) -> tuple[int, bytes | Fault]:
    found = json.loads(line)
    number = int(found["custom_id"].rpartition("-")[2])
    response, error = found.get("response"), found.get("error")
    if error:
        return number, Broken(str(error.get("message") or error.get("code") or "not done"))
    if response is None:
        return number, Dropped("neither an answer nor an error")
    status, body = int(response["status_code"]), response["body"]
    if status == 200:
        return number, json.dumps(body).encode()
    message = (
        str((body.get("error") or {}).get("message") or f"status {status}") if isinstance(body, dict) else str(body)
    )
    return number, Broken(f"{status} {message}") if status == 429 or status >= 500 else Rejected(status, message)
