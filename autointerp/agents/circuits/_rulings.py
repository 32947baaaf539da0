"""Verdicts on what was predicted about a circuit, computed from predictions and outcomes by code."""

from __future__ import annotations

from autointerp.agents._notebook import now
from autointerp.records import CircuitOutcome, CircuitPrediction, Judgement, Ruling

#: What falls short of the bar by no more than a third of it is not clearly wrong.
NEARLY = 2 / 3


def judge(prediction: CircuitPrediction, outcome: CircuitOutcome) -> Judgement:
    """Refuted: far below the bar, or not above what a control reached. A null is judged the other way round."""
    value = outcome.values[0]
    best = max(outcome.controls, key=lambda name: outcome.controls[name], default=None)
    beaten = prediction.above_controls and best is not None and value <= outcome.controls[best]
    bar = prediction.at_most if prediction.at_least is None else prediction.at_least
    assert bar is not None
    ruling = _ruling(value, bar, beaten=beaten)
    if prediction.at_least is None:
        ruling = {Ruling.SUPPORTS: Ruling.REFUTES, Ruling.REFUTES: Ruling.SUPPORTS}.get(ruling, ruling)
    sentence = f"{value:.2f}, predicted {'above' if prediction.at_least is not None else 'at most'} {bar:.2f}"
    if prediction.above_controls and best is not None:
        sentence += f"; {best} {outcome.controls[best]:.2f}"
    return Judgement(
        experiment=prediction.experiment,
        hypothesis=prediction.hypothesis,
        at=now(),
        ruling=ruling,
        right=int(ruling is Ruling.SUPPORTS),
        said=1,
        sentence=sentence,
    )


def _ruling(value: float, bar: float, *, beaten: bool) -> Ruling:
    if beaten:
        return Ruling.REFUTES
    if value > bar:
        return Ruling.SUPPORTS
    return Ruling.UNDECIDED if bar > 0 and value > NEARLY * bar else Ruling.REFUTES
