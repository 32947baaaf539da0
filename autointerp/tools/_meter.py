"""What the call of a tool costs: counted by those who run the model for it, whichever thread they are in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from autointerp.models import Usage
from autointerp.records import Cost

_UNDER_WAY: ContextVar[Usage | None] = ContextVar("cost of the call of a tool", default=None)


def spend(usage: Usage) -> None:
    """Count what was used for the call under way; nothing where there is none."""
    current = _UNDER_WAY.get()
    if current is not None:
        current.add(usage)


class Meter:
    """Reads what was used since it was started."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._began = time.monotonic()

    def read(self) -> Cost:
        """Passes and tokens by themselves: a pass that was shared with others counts as one."""
        return Cost(
            seconds=time.monotonic() - self._began,
            forward_passes=self.usage.forward_passes,
            tokens=self.usage.tokens,
        )


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what is used in the block; a call inside another counts for both."""
    meter = Meter()
    token = _UNDER_WAY.set(meter.usage)
    try:
        yield meter
    finally:
        _UNDER_WAY.reset(token)
        spend(meter.usage)
