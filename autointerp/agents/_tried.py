"""Programs that a language model tries or hands in by itself, outside the graph: entered, predicted, scored, judged."""

from __future__ import annotations

from autointerp.agents._case import Case
from autointerp.agents._conclude import evidence_of, explanation_of
from autointerp.agents._notebook import now
from autointerp.agents._protocol import EXPLAINED, Report
from autointerp.agents._rulings import judge_refine
from autointerp.records import (
    Conclusion,
    Hypothesis,
    HypothesisKind,
    Outcome,
    RefineExperiment,
    Registered,
    Verdict,
)


def tried(case: Case, hypothesis: Hypothesis, experiment: str) -> float | None:
    """Enter a hypothesis and ask the gate about its program; None without one, and where no correlation is defined."""
    case.notebook.put("hypothesis", hypothesis.id, hypothesis)
    if hypothesis.program is None:
        return None
    question = f"How well does the program of {hypothesis.id} do on text that it was not made from?"
    made = RefineExperiment(id=experiment, at=now(), round=0, question=question, target=hypothesis.id)
    case.notebook.put("experiment", experiment, made)
    sentence = f"on the refine split the program correlates at least {EXPLAINED:.2f} with the activations"
    key = f"{experiment} {hypothesis.id}"
    prediction = Registered(
        experiment=experiment, hypothesis=hypothesis.id, at=now(), sentence=sentence, at_least=EXPLAINED
    )
    prediction = case.notebook.put("prediction", key, prediction)
    with case.sandbox_lock:
        score = case.gate(hypothesis.program)
    came = "no correlation could be computed" if score is None else f"correlation {score:.3f}"
    values = () if score is None else (score,)
    outcome = Outcome(experiment=experiment, at=now(), sentence=came, values=values)
    outcome = case.notebook.put("outcome", experiment, outcome)
    case.notebook.put("judgement", key, judge_refine(prediction, outcome))
    return score


def hand_in(case: Case, hypothesis: Hypothesis, because: str) -> Report:
    """What a language model settled on, as a report. The verdict is what it says where the refine split does not contradict.

    Where there is no program, as with what is about the output alone, there is nothing to ask the refine split about.
    """
    score = tried(case, hypothesis, "e0")
    if hypothesis.kind is HypothesisKind.NULL or (
        hypothesis.program is not None and (score is None or score < EXPLAINED)
    ):
        verdict = Verdict.UNINTERPRETABLE
    else:
        verdict = Verdict.POLYSEMANTIC if len(hypothesis.clauses) > 1 else Verdict.EXPLAINED
    case.notebook.put("conclusion", "1", Conclusion(at=now(), hypothesis=hypothesis.id, because=because))
    # An explanation's confidence is in its saying when the feature fires; who is sure of the null is sure that it does not.
    null = hypothesis.kind is HypothesisKind.NULL
    sure = 1 - hypothesis.confidence if null else hypothesis.confidence
    explanation = explanation_of(case, hypothesis, hypothesis.effects, verdict, sure)
    ledger = case.notebook.ledger("", case.scientist.name, limits=case.limits.text)
    return Report(explanation, evidence_of(ledger, hypothesis), ledger)
