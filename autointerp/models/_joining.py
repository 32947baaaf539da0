"""Which of the waiting requests share the next forward pass."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

import torch


class Waiting(Protocol):
    """What is waiting: `rows` texts, the longest of `columns` tokens; requests of one `key` may share a pass."""

    @property
    def key(self) -> Hashable: ...

    @property
    def rows(self) -> int: ...

    @property
    def columns(self) -> int: ...


W = TypeVar("W", bound=Waiting)


def together(waiting: Sequence[W], *, budget: int, slack: int) -> list[W]:
    """The first of the waiting requests, and those that are best run along with it.

    Among the requests of its key, those nearest in length join it, as long as the pass holds at most `budget` tokens and no
    request adds more than `slack` tokens of padding: what a pass of its own would cost, in tokens. The first in the queue is
    always served, so that none waits forever.
    """
    head = waiting[0]
    mates = sorted((one for one in waiting if one.key == head.key), key=lambda one: one.columns)
    low = next(place for place, one in enumerate(mates) if one is head)
    high, rows, longest = low, head.rows, head.columns
    while True:
        offers = []
        if low > 0:
            shorter = mates[low - 1]
            offers.append(((longest - shorter.columns) * shorter.rows, longest, shorter, low - 1))
        if high + 1 < len(mates):
            longer = mates[high + 1]
            offers.append(((longer.columns - longest) * rows, longer.columns, longer, high + 1))
        fitting = [offer for offer in offers if offer[0] <= slack and (rows + offer[2].rows) * offer[1] <= budget]
        if not fitting:
            return mates[low : high + 1]
        _, longest, joining, place = min(fitting, key=lambda offer: offer[0])
        rows += joining.rows
        low, high = min(low, place), max(high, place)


def limits(device: torch.device) -> tuple[int, int]:
    """Budget and slack for a device, in tokens.

    One core is at its best with a thousand tokens a pass, and starting a pass costs it as much as a few dozen; an
    accelerator has room for more, and starting a pass costs it more.
    """
    return (1024, 32) if device.type == "cpu" else (16384, 1024)
