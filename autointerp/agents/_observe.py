"""What is known of a feature before anything is asked of it: texts of the train split, and what intervening did there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from autointerp.agents._effects import EFFECT_PASSES, measured_claims
from autointerp.agents._protocol import FEWEST_ACTIVATIONS, FEWEST_TEXTS, TEXTS
from autointerp.records import EffectClaim, FeatureStats
from autointerp.tools import Workbench, sample_texts

if TYPE_CHECKING:
    from autointerp.agents._limits import Meter
    from autointerp.agents._notebook import Notebook

_CLAIMS: TypeAdapter[tuple[EffectClaim, ...]] = TypeAdapter(tuple[EffectClaim, ...])


@dataclass(frozen=True, eq=False)
class Flat:
    """Tokens of several texts, [tokens] each: the number of the text, the place in it, the token's id, and its activation."""

    texts: NDArray[np.int64]
    places: NDArray[np.int64]
    ids: NDArray[np.int64]
    activations: NDArray[np.float64]

    def totals(self) -> NDArray[np.float64]:
        """The sum of the activations by token id."""
        return np.bincount(self.ids, weights=self.activations).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Observation:
    """Texts with activations, BOS left out; the first `active` of them activate the feature.

    Attributes
    ----------
    texts, ids, activations: token strings, token ids and activations, text by text.
    typical: the median over active texts of the strongest activation; 0 where there are none.
    claims: what ablating and steering did dependably on some prompts of the train split, as claims.
    """

    texts: list[list[str]]
    ids: list[list[int]]
    activations: list[list[float]]
    active: int
    typical: float
    claims: tuple[EffectClaim, ...]
    stats: FeatureStats

    @property
    def enough(self) -> bool:
        """Whether there is something to learn from."""
        return self.active >= FEWEST_TEXTS and int((self.flat.activations > 0).sum()) >= FEWEST_ACTIVATIONS

    @cached_property
    def flat(self) -> Flat:
        """All tokens of all texts in one row."""
        return Flat(
            texts=np.repeat(np.arange(len(self.ids)), [len(row) for row in self.ids]),
            places=np.concatenate([np.arange(len(row)) for row in self.ids] or [np.zeros(0, dtype=np.int64)]),
            ids=np.fromiter(chain.from_iterable(self.ids), dtype=np.int64),
            activations=np.fromiter(chain.from_iterable(self.activations), dtype=np.float64),
        )


def observe(bench: Workbench, notebook: Notebook, meter: Meter, *, effects: bool = True) -> Observation:
    """Draw the texts, which costs nothing, and measure the effects, once, where they are wanted.

    Raises BudgetError where the effects do not fit into the budget and were not measured before.
    """
    sample = sample_texts(bench, active=TEXTS, silent=TEXTS)
    strings = bench.subject.strings
    ids = [row[1:length].tolist() for row, length in zip(sample.ids, sample.lengths, strict=True)]
    acts = [row[1:length].tolist() for row, length in zip(sample.activations, sample.lengths, strict=True)]
    peaks = [max(row, default=0.0) for row in acts[: sample.active]]
    return Observation(
        texts=[[strings[i] for i in row] for row in ids],
        ids=ids,
        activations=acts,
        active=sample.active,
        typical=float(np.median(peaks)) if peaks else 0.0,
        claims=_claims(bench, notebook, meter) if effects else (),
        stats=bench.stats,
    )


def _claims(bench: Workbench, notebook: Notebook, meter: Meter) -> tuple[EffectClaim, ...]:
    known = notebook.text("observed", "claims")
    if known is None:
        meter.reserve("observe", forward_passes=EFFECT_PASSES)
        known = notebook.put_text("observed", "claims", _CLAIMS.dump_json(measured_claims(bench)).decode())
    return _CLAIMS.validate_json(known)
