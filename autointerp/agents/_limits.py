"""What an investigation may use at the most, and the meter that refuses what would pass it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from autointerp.agents._notebook import Notebook
from autointerp.errors import BudgetError, InputError

_PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<factor>[kKM]?)\s*(?P<unit>[a-z$]+)", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}
_SECONDS = {"s": 1, "sec": 1, "second": 1, "seconds": 1, "min": 60, "minutes": 60, "h": 3600, "hours": 3600}
_LLM_UNITS = ("usd", "$", "token", "tokens")
_CALLS, _PASSES = ("call", "calls"), ("pass", "passes")


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits; None is none. `llm` is what the language models' own budget reads: dollars and tokens."""

    llm: str = ""
    tool_calls: int | None = None
    forward_passes: int | None = None
    seconds: float | None = None
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read `2usd`, `500ktokens`, `200calls`, `300passes`, `10min`, or several of them with commas between.

        Raises InputError where a part is something else.
        """
        llm: list[str] = []
        found: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            match = _PART.fullmatch(part)
            unit = match["unit"].lower() if match else ""
            if match is None or unit not in (*_LLM_UNITS, *_CALLS, *_PASSES, *_SECONDS):
                raise InputError(
                    f"{part!r} is no budget: write 2usd, 500ktokens, 200calls, 300passes, 10min, or several with commas"
                )
            if unit in _LLM_UNITS:
                llm.append(part)
                continue
            name = "tool_calls" if unit in _CALLS else "forward_passes" if unit in _PASSES else "seconds"
            amount = float(match["number"]) * _FACTORS[match["factor"].lower()] * _SECONDS.get(unit, 1)
            found[name] = min(amount, found.get(name, amount))
        calls, passes = found.get("tool_calls"), found.get("forward_passes")
        return cls(
            llm=",".join(llm),
            tool_calls=None if calls is None else int(calls),
            forward_passes=None if passes is None else int(passes),
            seconds=found.get("seconds"),
            text=text,
        )


class Meter:
    """Counts tool calls, forward passes and seconds in the notebook, before they are used, over all processes of a run."""

    def __init__(self, notebook: Notebook, limits: Limits) -> None:
        self.notebook, self.limits = notebook, limits
        self._began = time.monotonic()
        self._before = notebook.used("seconds")
        self._session = notebook.new_session()

    @property
    def seconds(self) -> float:
        """Seconds of this process and of those before it."""
        elapsed = time.monotonic() - self._began
        self.notebook.set_session(self._session, elapsed)
        return self._before + elapsed

    def left(self) -> float | None:
        """Seconds that are left; None where there is no limit."""
        return None if self.limits.seconds is None else max(0.0, self.limits.seconds - self.seconds)

    def check(self) -> None:
        """Raises BudgetError where the time is up."""
        seconds = self.seconds  # written down at every look, so that a process that is killed has counted its time
        if self.limits.seconds is not None and seconds >= self.limits.seconds:
            raise BudgetError(f"the limit of {self.limits.seconds:g} seconds is reached")

    def reserve(self, key: str, *, tool_calls: int = 0, forward_passes: int = 0) -> None:
        """Count what a piece of work will use at the most; the same piece, begun again after a kill, is counted again.

        Raises BudgetError where it would pass a limit: then nothing is counted.
        """
        self.check()
        wanted = {"tool_calls": tool_calls, "forward_passes": forward_passes}
        limits = {"tool_calls": self.limits.tool_calls, "forward_passes": self.limits.forward_passes}
        over = self.notebook.spend(key, wanted, limits)
        if over is not None:
            name, used, most = over
            raise BudgetError(
                f"{wanted[over[0]]} more {name.replace('_', ' ')} would pass the limit of {most}, of which {used} are used"
            )

    def give_back(self, key: str, *, forward_passes: int) -> None:
        """Count less for a piece of work that is done and took less than was reserved."""
        if forward_passes:
            self.notebook.spend(key, {"forward_passes": -forward_passes}, {})
