"""Everything that a strategy works with on one feature."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from autointerp.agents._limits import Limits, Meter
from autointerp.agents._notebook import Notebook
from autointerp.agents._protocol import Gate, Report, Scientist
from autointerp.errors import BudgetError
from autointerp.programs import Predictor
from autointerp.records import Program
from autointerp.tools import Workbench

if TYPE_CHECKING:
    from autointerp.llm import LLM

T = TypeVar("T")

#: Told what happens while it happens: the kind of the event, and a sentence.
Listener = Callable[[str, str], None]


def unheard(kind: str, text: str) -> None:
    """Nobody listens."""
    del kind, text


@dataclass(frozen=True, eq=False)
class Case:
    """One feature under investigation.

    Attributes
    ----------
    llm: the language model that plays the scientist; None for strategies that need none.
    critic: the model that plays the critic; the scientist's where None.
    rounds: how often hypotheses are revised at the most.
    effects: whether to measure first what ablating and steering does, a few forward passes.
    sandbox_lock: held by whoever runs programs: they share one sandbox.
    checkpoints: file of the graph's checkpoints, None to keep them in memory.
    """

    bench: Workbench
    gate: Gate
    predictor: Predictor
    scientist: Scientist
    notebook: Notebook
    meter: Meter
    llm: LLM | None = None
    critic: Scientist | None = None
    rounds: int = 3
    effects: bool = True
    checkpoints: str | None = None
    tell: Listener = field(default=unheard)
    sandbox_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def limits(self) -> Limits:
        """What may be used."""
        return self.meter.limits

    def predict(self, program: Program, texts: Sequence[Sequence[str]]) -> list[list[float]]:
        """Run a program on texts, when the sandbox is free. Raises ProgramError."""
        with self.sandbox_lock:
            return self.predictor(program, texts)


class Strategy(Protocol):
    """A way of getting from a case to a report. Registered in the entry-point group `autointerp.strategies` by its name.

    All get the same case, so the same budget; what they hand in is graded by the same scorer. Where the budget ends they hand
    in the best that they have. Run again on the notebook of a run that was killed, they go on.
    """

    #: Whether it cannot do without a language model.
    needs_llm: bool

    async def run(self, case: Case) -> Report:
        """Investigate the feature of the case."""
        ...


class Metered(Protocol):
    """What has a meter, and the limits that it keeps."""

    @property
    def meter(self) -> Meter: ...

    @property
    def limits(self) -> Limits: ...


async def within(case: Metered, work: Coroutine[Any, Any, T]) -> T:
    """Wait no longer than the time that is left. Raises BudgetError; where no time was left, nothing is begun."""
    try:
        case.meter.check()
    except BudgetError:
        work.close()
        raise
    try:
        async with asyncio.timeout(case.meter.left()):
            return await work
    except TimeoutError as error:
        raise BudgetError(f"the limit of {case.limits.seconds:g} seconds is reached") from error
