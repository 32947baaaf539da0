"""How much a piece of untrusted code may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run: seconds of time, bytes of memory, and how often it may call back into the host."""

    seconds: float = 10.0
    memory: int = 256 * 2**20
    host_calls: int = 10_000
