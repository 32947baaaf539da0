"""What a whole store says: how many are explained, how the scores lie, what was concluded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from autointerp.labelling._label import Label

#: Edges of the bins in which scores are counted.
EDGES = tuple(i / 10 for i in range(-10, 11))
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures over all rows.

    Attributes
    ----------
    features, failed: rows, and those without an explanation.
    explained: rows whose verdict is that the explanation holds, or holds in several clauses.
    verdicts, stages: how many rows by verdict, and by the stage whose explanation was taken.
    scored, unscored: rows with a held-out simulation score, and without by reason.
    mean, refine: of the held-out simulation score, and of the refine score, over the rows that have one; None for none.
    quantiles: of the held-out score, by share.
    histogram: held-out scores in each tenth from -1 to 1.
    beating: scored rows whose interval lies above every control.
    seconds, forward_passes, dollars: sums over rows.
    """

    features: int
    failed: int
    explained: int
    verdicts: dict[str, int]
    stages: dict[str, int]
    scored: int
    unscored: dict[str, int]
    mean: float | None
    refine: float | None
    quantiles: dict[float, float]
    histogram: tuple[int, ...]
    beating: int
    seconds: float
    forward_passes: int
    dollars: float

    @property
    def share_explained(self) -> float:
        """Of all rows, failures among them."""
        return self.explained / self.features if self.features else 0.0

    def lines(self) -> list[str]:
        """The same for a terminal."""
        told = [
            f"features:  {self.features}, {self.explained} explained ({100 * self.share_explained:.1f}%)"
            + (f", {self.failed} failed" if self.failed else ""),
            "verdicts:  " + ", ".join(f"{count} {name}" for name, count in self.verdicts.items()),
            "stages:    " + ", ".join(f"{count} {name}" for name, count in self.stages.items()),
        ]
        if self.mean is not None:
            spread = ", ".join(f"{100 * share:.0f}%: {value:.2f}" for share, value in self.quantiles.items())
            told.append(f"held-out:  simulation {self.mean:.3f} in the mean of {self.scored} ({spread})")
            told.append(f"controls:  {self.beating} of {self.scored} lie above every control with their whole interval")
        if self.unscored:
            told.append(f"unscored:  {sum(self.unscored.values())}")
        told.append(
            f"cost:      {self.seconds:.0f} s of work, {self.forward_passes} forward passes, ${self.dollars:.4f}"
        )
        return told


def summarise(labels: Iterable[Label]) -> Summary:
    """Count the rows; a row without a value is counted and is in no mean."""
    rows = list(labels)
    scores = np.array([row.simulation for row in rows if row.simulation is not None])
    refined = [row.refine for row in rows if row.refine is not None]
    verdicts = Counter(row.verdict or row.status for row in rows)
    return Summary(
        features=len(rows),
        failed=sum(row.status == "failed" for row in rows),
        explained=sum(row.verdict in ("explained", "polysemantic") for row in rows),
        verdicts=dict(verdicts.most_common()),
        stages=dict(Counter(row.stage or "none" for row in rows).most_common()),
        scored=len(scores),
        unscored=dict(Counter(_kind(row) for row in rows if row.simulation is None).most_common()),
        mean=float(scores.mean()) if len(scores) else None,
        refine=float(np.mean(refined)) if refined else None,
        quantiles={q: float(np.quantile(scores, q)) for q in _QUANTILES} if len(scores) else {},
        histogram=tuple(np.histogram(scores, EDGES)[0].tolist()),
        beating=sum(bool(row.beats) for row in rows),
        seconds=sum(row.seconds for row in rows),
        forward_passes=sum(row.forward_passes for row in rows),
        dollars=sum(row.dollars for row in rows),
    )


def _kind(row: Label) -> str:
    return "failed" if row.status == "failed" else (row.unscored or "").partition(":")[0]
