"""The notebook of an investigation: the tree of hypotheses, and every experiment with what was predicted before its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from autointerp.records import (
    Experiment,
    Hypothesis,
    Judgement,
    Ledger,
    Outcome,
    Probe,
    RefineExperiment,
    Registered,
    TextExperiment,
)
from autointerp.report._tokens import one_line

#: Characters of a probe's end that are shown: what matters is at the end.
_SHOWN = 160


@dataclass(frozen=True)
class HypothesisEntry:
    """A hypothesis in the tree. `state` is handed in, alive, or refuted; `why` is what refuted it, by which experiment."""

    hypothesis: Hypothesis
    depth: int
    state: str
    why: str
    score: float | None
    right: int
    said: int


@dataclass(frozen=True)
class PredictionEntry:
    """What one hypothesis predicted, and how it came out; `judgement` is None where nothing could be measured."""

    prediction: Registered
    judgement: Judgement | None


@dataclass(frozen=True)
class ProbeEntry:
    """One text: what was measured on it, and what each hypothesis had said of it."""

    probe: Probe
    value: float | None
    said: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The end of the text, on one line."""
        text = one_line("".join(self.probe.tokens))
        return text if len(text) <= _SHOWN else "…" + text[-_SHOWN:]


@dataclass(frozen=True)
class ExperimentEntry:
    """An experiment with its predictions and its outcome."""

    experiment: Experiment
    predictions: tuple[PredictionEntry, ...]
    outcome: Outcome | None
    probes: tuple[ProbeEntry, ...]


@dataclass(frozen=True)
class Notebook:
    """All that the page shows of a ledger."""

    ledger: Ledger
    hypotheses: tuple[HypothesisEntry, ...]
    experiments: tuple[ExperimentEntry, ...]


def notebook_of(ledger: Ledger | None) -> Notebook | None:
    """The ledger arranged for reading; None where there is none."""
    if ledger is None:
        return None
    experiments = tuple(_experiment(ledger, experiment) for experiment in ledger.experiments)
    return Notebook(ledger, tuple(_tree(ledger)), experiments)


def clock(at: datetime) -> str:
    """The time of day to the millisecond, in UTC."""
    return at.strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03d}"


def _tree(ledger: Ledger) -> list[HypothesisEntry]:
    """Hypotheses with the revisions of each below it."""
    children: dict[str | None, list[Hypothesis]] = {}
    ids = {h.id for h in ledger.hypotheses}
    for hypothesis in ledger.hypotheses:
        parent = hypothesis.parent if hypothesis.parent in ids - {hypothesis.id} else None
        children.setdefault(parent, []).append(hypothesis)
    found: list[HypothesisEntry] = []
    waiting = [(h, 0) for h in reversed(children.get(None, []))]
    refuted = ledger.refuted()
    while waiting:
        hypothesis, depth = waiting.pop()
        found.append(_entry(ledger, hypothesis, depth, refuted.get(hypothesis.id)))
        waiting += [(h, depth + 1) for h in reversed(children.pop(hypothesis.id, []))]
    return found


def _entry(ledger: Ledger, hypothesis: Hypothesis, depth: int, refuted: Judgement | None) -> HypothesisEntry:
    chosen = ledger.conclusion is not None and ledger.conclusion.hypothesis == hypothesis.id
    refines = {e.id for e in ledger.experiments if isinstance(e, RefineExperiment) and e.target == hypothesis.id}
    scores = [o.values[0] for o in ledger.outcomes if o.experiment in refines and o.values]
    texts = {e.id for e in ledger.experiments if isinstance(e, TextExperiment)}
    own = [j for j in ledger.judgements if j.hypothesis == hypothesis.id and j.experiment in texts]
    return HypothesisEntry(
        hypothesis=hypothesis,
        depth=depth,
        state="refuted" if refuted else "handed in" if chosen else "alive",
        why=f"by {refuted.experiment}: {refuted.sentence}" if refuted else "",
        score=scores[0] if scores else None,
        right=sum(j.right for j in own),
        said=sum(j.said for j in own),
    )


def _experiment(ledger: Ledger, experiment: Experiment) -> ExperimentEntry:
    outcome = next((o for o in ledger.outcomes if o.experiment == experiment.id), None)
    predictions = [p for p in ledger.predictions if p.experiment == experiment.id]
    judged = {j.hypothesis: j for j in ledger.judgements if j.experiment == experiment.id}
    probes: list[ProbeEntry] = []
    if isinstance(experiment, TextExperiment):
        values = outcome.values if outcome else ()
        for i, probe in enumerate(experiment.probes):
            said = tuple((p.hypothesis, p.expects[i]) for p in predictions if i < len(p.expects))
            probes.append(ProbeEntry(probe, values[i] if i < len(values) else None, said))
    entries = tuple(PredictionEntry(p, judged.get(p.hypothesis)) for p in predictions)
    return ExperimentEntry(experiment, entries, outcome, tuple(probes))
