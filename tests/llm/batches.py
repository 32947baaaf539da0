"""The batch endpoints of both providers, seen from the server's side."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tests.llm import formats
from tests.llm.formats import Said, Wireformat

#: What becomes of one item.
Fate = Literal["done", "errored", "invalid", "expired", "missing"]


@dataclass
class Batch:
    id: str
    items: list[dict[str, Any]]
    created: float
    metadata: dict[str, str]
    ready_at: float
    results: list[tuple[str, Fate, dict[str, Any]]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return time.time() >= self.ready_at


class Batches:
    """Takes batches, works on them for `seconds`, and counts how often every prompt was worked on."""

    def __init__(self, kind: Wireformat, brain: Callable[[dict[str, Any]], Said]) -> None:
        self.kind, self.brain = kind, brain
        self.seconds = 0.0
        self.fate: Callable[[str, int], Fate] = lambda prompt, times: "done"
        self.paid: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.tokens = 0
        self.batches: dict[str, Batch] = {}
        self.files: dict[str, bytes] = {}
        self._number = 0

    def create(self, items: list[dict[str, Any]], metadata: dict[str, str]) -> Batch:
        self._number += 1
        now = time.time()
        batch = Batch(f"batch_{self._number}", items, now, metadata, now + self.seconds)
        for item in items:
            body = item["body"] if self.kind == "openai" else item["params"]
            prompt = formats.prompt_of(body)
            self.seen[prompt] += 1
            fate = self.fate(prompt, self.seen[prompt])
            said = self.brain(body)
            if fate == "done":
                self.paid[prompt] += 1
                counted = formats.count(body, said)
                self.tokens += counted.prompt + counted.output
            batch.results.append((item["custom_id"], fate, formats.answer(self.kind, body, said, self._number)))
        self.batches[batch.id] = batch
        return batch

    def take_file(self, body: bytes) -> dict[str, Any]:
        """A multipart upload; the file is its part with a name."""
        boundary = body.split(b"\r\n", 1)[0]
        part = next(p for p in body.split(boundary) if b'filename="' in p)
        self._number += 1
        name = f"file_{self._number}"
        self.files[name] = part.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n")
        return {"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": name, "purpose": "batch"}

    def from_file(self, body: dict[str, Any]) -> Batch:
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        return self.create(lines, body.get("metadata") or {})

    def shown(self, batch: Batch) -> dict[str, Any]:
        return self._openai(batch) if self.kind == "openai" else self._anthropic(batch)

    def listed(self, query: dict[str, str]) -> dict[str, Any]:
        ordered = sorted(self.batches.values(), key=lambda b: -b.created)
        after = query.get("after") or query.get("after_id")
        if after:
            ordered = ordered[[b.id for b in ordered].index(after) + 1 :]
        most = int(query.get("limit", 20))
        page = [self.shown(batch) for batch in ordered[:most]]
        return {"object": "list", "data": page, "has_more": len(ordered) > most}

    def result_lines(self, batch: Batch, errors: bool | None = None) -> bytes:
        """All results as lines; of OpenAI's two files the one that is asked for."""
        lines = []
        for custom_id, fate, answer in reversed(batch.results):  # the order is not promised
            if fate == "missing" or (errors is not None and errors is (fate == "done")):
                continue
            lines.append(json.dumps({"custom_id": custom_id, **self._result(fate, answer)}))
        return "\n".join(lines).encode()

    def _result(self, fate: Fate, answer: dict[str, Any]) -> dict[str, Any]:
        if self.kind == "anthropic":
            kinds = {"errored": "api_error", "invalid": "invalid_request_error"}
            if fate == "done":
                return {"result": {"type": "succeeded", "message": answer}}
            if fate == "expired":
                return {"result": {"type": "expired"}}
            wrong = {"type": "error", "error": {"type": kinds[fate], "message": f"item {fate}"}, "request_id": None}
            return {"result": {"type": "errored", "error": wrong}}
        if fate == "done":
            return {"response": {"status_code": 200, "request_id": "r", "body": answer}, "error": None}
        if fate == "expired":
            return {"response": None, "error": {"code": "batch_expired", "message": "not done in time"}}
        status = 400 if fate == "invalid" else 500
        body = formats.error("openai", status, f"item {fate}")
        return {"response": {"status_code": status, "request_id": "r", "body": body}, "error": None}

    def _openai(self, batch: Batch) -> dict[str, Any]:
        done = sum(fate == "done" for _, fate, _ in batch.results)
        counts = {"total": len(batch.items), "completed": done, "failed": len(batch.items) - done}
        files = {"output_file_id": f"out_{batch.id}", "error_file_id": f"err_{batch.id}"} if batch.ended else {}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "status": "completed" if batch.ended else "in_progress",
            "created_at": int(batch.created),
            "metadata": batch.metadata,
            "request_counts": counts,
            **files,
        }

    def _anthropic(self, batch: Batch) -> dict[str, Any]:
        done = sum(fate == "done" for _, fate, _ in batch.results)
        total = len(batch.items)
        counts = {"succeeded": done, "errored": total - done} if batch.ended else {"processing": total}
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if batch.ended else "in_progress",
            "created_at": datetime.fromtimestamp(batch.created, UTC).isoformat(),
            "request_counts": {"canceled": 0, "expired": 0, "processing": 0, "errored": 0, "succeeded": 0, **counts},
            "results_url": "http://127.0.0.1:9/elsewhere" if batch.ended else None,
        }


def route(batches: Batches, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes] | None:
    """The answer to a call of the batch API; None where it is another's path."""
    base = "/batches" if batches.kind == "openai" else "/v1/messages/batches"
    if batches.kind == "openai":
        path = path.removeprefix("/v1")
        if path == "/files":
            return 200, json.dumps(batches.take_file(body)).encode()
        if match := re.fullmatch(r"/files/(out|err)_(\w+)/content", path):
            return 200, batches.result_lines(batches.batches[match[2]], errors=match[1] == "err")
    if path == base and method == "POST":
        found = json.loads(body)
        made = batches.from_file(found) if batches.kind == "openai" else batches.create(found["requests"], {})
        return 200, json.dumps(batches.shown(made)).encode()
    if path == base:
        return 200, json.dumps(batches.listed(query)).encode()
    if match := re.fullmatch(rf"{base}/(\w+)", path):
        return 200, json.dumps(batches.shown(batches.batches[match[1]])).encode()
    if match := re.fullmatch(rf"{base}/(\w+)/results", path):
        return 200, batches.result_lines(batches.batches[match[1]])
    return None
