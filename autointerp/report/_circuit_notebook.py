"""The notebook of a circuit, arranged for reading: by component, then what is said of several at once."""

from __future__ import annotations

from dataclasses import dataclass

from autointerp.records import (
    CircuitExperiment,
    CircuitHypothesis,
    CircuitLedger,
    CircuitOutcome,
    CircuitPrediction,
    Claim,
    Judgement,
)


@dataclass(frozen=True)
class HypothesisLine:
    """A hypothesis; `state` is survived, refuted or open, and `why` what refuted it."""

    hypothesis: CircuitHypothesis
    state: str
    why: str


@dataclass(frozen=True)
class PredictionLine:
    """What one hypothesis predicted, and how it came out; None where nothing could be measured."""

    prediction: CircuitPrediction
    judgement: Judgement | None


@dataclass(frozen=True)
class ExperimentLines:
    """An experiment with its predictions and its outcome; None where the budget ended before."""

    experiment: CircuitExperiment
    predictions: tuple[PredictionLine, ...]
    outcome: CircuitOutcome | None


@dataclass(frozen=True)
class Chapter:
    """All that was said and tried about the same components."""

    title: str
    result: str
    hypotheses: tuple[HypothesisLine, ...]
    experiments: tuple[ExperimentLines, ...]


@dataclass(frozen=True)
class CircuitNotebook:
    """All that the page shows of a circuit's ledger."""

    ledger: CircuitLedger
    chapters: tuple[Chapter, ...]


def circuit_notebook(ledger: CircuitLedger | None) -> CircuitNotebook | None:
    """The ledger by chapters, in the order in which their first hypotheses were written; None where there is none."""
    if ledger is None:
        return None
    chapters: dict[str, list[CircuitHypothesis]] = {}
    for hypothesis in ledger.hypotheses:
        chapters.setdefault(_title(hypothesis), []).append(hypothesis)
    return CircuitNotebook(ledger, tuple(_chapter(ledger, title, own) for title, own in chapters.items()))


def _title(hypothesis: CircuitHypothesis) -> str:
    """A program and its null are about the whole; all others about their components."""
    if hypothesis.claim is Claim.PROGRAM or not hypothesis.components:
        return "the whole circuit"
    return ", ".join(hypothesis.components)


def _chapter(ledger: CircuitLedger, title: str, own: list[CircuitHypothesis]) -> Chapter:
    refuted, survived = ledger.refuted(), ledger.survived()
    lines = []
    # The null comes last, whenever it was written down: it is what the others have to beat.
    for hypothesis in sorted(own, key=lambda h: h.claim is Claim.NULL):
        against = refuted.get(hypothesis.id)
        state = "refuted" if against else "survived" if hypothesis in survived else "open"
        why = f"by {against.experiment}: {against.sentence}" if against else ""
        lines.append(HypothesisLine(hypothesis, state, why))
    ids = {hypothesis.id for hypothesis in own}
    experiments = tuple(_experiment(ledger, e) for e in ledger.experiments if e.target in ids)
    kept = [line.hypothesis.role for line in lines if line.state == "survived"]
    return Chapter(title, ", ".join(kept) or "no role survived", tuple(lines), experiments)


def _experiment(ledger: CircuitLedger, experiment: CircuitExperiment) -> ExperimentLines:
    judged = {j.hypothesis: j for j in ledger.judgements if j.experiment == experiment.id}
    predictions = tuple(
        PredictionLine(p, judged.get(p.hypothesis)) for p in ledger.predictions if p.experiment == experiment.id
    )
    outcome = next((o for o in ledger.outcomes if o.experiment == experiment.id), None)
    return ExperimentLines(experiment, predictions, outcome)
