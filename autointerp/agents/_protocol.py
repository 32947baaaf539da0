"""What a scientist is given and what it hands in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from autointerp.records import (
    EffectClaim,
    Evidence,
    Expected,
    Explanation,
    Hypothesis,
    HypothesisKind,
    Judgement,
    Ledger,
    Probe,
    Program,
)
from autointerp.tools import Workbench

if TYPE_CHECKING:
    from autointerp.agents._observe import Observation

#: Below this many activations or activating texts in the train split there is nothing to learn from.
FEWEST_ACTIVATIONS, FEWEST_TEXTS = 12, 6
#: Texts to learn from: enough for a table of tokens, few enough for a second of work.
TEXTS = 240
#: What a program has to reach on the refine split; below it says too little to be called an explanation. The activations of
#: random directions, cut off so that they are as rare as a feature's, are learned with 0.4 in the mean and seldom with more
#: than this: `benchmarks/investigations.py`.
EXPLAINED = 0.6
#: A shorter program may correlate this much less on the refine split and still be preferred.
AS_GOOD = 0.002

#: The correlation of a program's predictions with the activations of the refine split; None where it cannot be computed.
#: A scientist may ask as often as it likes: the score that counts is taken on other text.
Gate = Callable[[Program], float | None]


@dataclass(frozen=True, slots=True)
class Report:
    """An explanation with the predictions that were checked while it was found, and the notebook where one was kept."""

    explanation: Explanation
    evidence: tuple[Evidence, ...] = ()
    ledger: Ledger | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A hypothesis before it is entered in the notebook, which gives it its number and its time."""

    kind: HypothesisKind
    fires_on: str
    promotes: str = ""
    program: Program | None = None
    effects: tuple[EffectClaim, ...] = ()
    clauses: tuple[str, ...] = ()
    confidence: float = 0.5
    parent: str | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a live hypothesis stands: its score on the refine split, and how its predictions about texts came out."""

    hypothesis: Hypothesis
    score: float | None
    right: int
    said: int
    judgements: tuple[Judgement, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """A probe with the feature's activations on all its tokens, and what each live hypothesis had said of it."""

    probe: Probe
    activations: tuple[float, ...]
    value: float
    said: dict[str, Expected] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """All that a scientist knows when it designs or refines: the first observation, the hypotheses, what was measured.

    `claims` are the effect claims of live hypotheses, with how they did. `encode` makes token ids of a text. `predict` runs a
    program and raises ProgramError where it fails.
    """

    seen: Observation
    round: int
    standings: tuple[Standing, ...]
    refuted: tuple[tuple[Hypothesis, Judgement], ...]
    measured: tuple[Measured, ...]
    claims: dict[str, str]
    strings: Sequence[str]
    encode: Callable[[str], list[int]]
    predict: Callable[[Program, Sequence[Sequence[str]]], list[list[float]]]
    seed: int

    @property
    def leader(self) -> Standing | None:
        """The live hypothesis whose program is the shortest among those that the refine split likes about as much as any."""
        return best_of(self.standings)


def best_of(standings: Sequence[Standing]) -> Standing | None:
    """The one with the shortest program among those whose score is about the best; one without a score comes last."""
    runnable = [s for s in standings if s.hypothesis.program is not None]
    enough = max((-1.0 if s.score is None else s.score for s in runnable), default=0.0) - AS_GOOD
    good = [s for s in runnable if (-1.0 if s.score is None else s.score) >= enough]
    return min(good, key=lambda s: s.hypothesis.program.lines if s.hypothesis.program else 0, default=None)


class Explainer(Protocol):
    """Goes from a bench to an explanation by itself, without a language model: what the strategy `offline` runs."""

    def explain(self, bench: Workbench, gate: Gate) -> Report:
        """Investigate the feature of the bench."""
        ...

    def predictor(self, bench: Workbench) -> Program | None:
        """The explanation's program alone: what the shuffled control needs of another feature. None where there is none."""
        ...


class Scientist(Protocol):
    """Registered in the entry-point group `autointerp.scientists` under its name."""

    name: str

    async def propose(self, view: View) -> list[Proposal]:
        """Three or more competing hypotheses from the first observation."""
        ...

    async def design(self, view: View) -> list[Probe]:
        """Texts that may tell the live hypotheses apart. Code chooses from them those on which the programs differ most."""
        ...

    async def refine(self, view: View) -> list[Proposal]:
        """New or better hypotheses in the light of what was measured; none where nothing better comes to mind."""
        ...

    async def challenge(self, fires_on: str, program: Program | None, view: View) -> list[Probe]:
        """As a critic, who is told the explanation alone and not how it came about: texts that should break it."""
        ...
