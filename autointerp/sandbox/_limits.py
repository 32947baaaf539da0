"""How much a piece of untrusted code may use."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: A worker that gets no CPU time is not at fault: this many times its seconds may pass by the clock.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run. Code may start no process and no thread whatever these are.

    Attributes
    ----------
    seconds: CPU time of the code's worker. Where the system keeps no such clock for another process, time by the clock.
    memory: bytes that the code may allocate.
    host_calls: how often the code may call the functions it was given.
    host_seconds: time that those calls may take together; None is as much as `seconds`.
    output: characters that the code may print.
    """

    seconds: float = 10.0
    memory: int = 256 * 2**20
    host_calls: int = 10_000
    host_seconds: float | None = None
    output: int = 1_000_000

    def __post_init__(self) -> None:
        for name in ("seconds", "memory", "host_calls", "output", "in_host"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0) or (name in ("seconds", "memory") and value == 0):
                raise ValueError(f"{name} is {value}; a limit is a finite number that is not negative")

    @property
    def in_host(self) -> float:
        """Seconds that the calls of functions may take together."""
        return self.seconds if self.host_seconds is None else self.host_seconds

    @property
    def patience(self) -> float:
        """Seconds by the clock that are waited for the worker, calls of functions not counted."""
        return _PATIENCE * self.seconds
