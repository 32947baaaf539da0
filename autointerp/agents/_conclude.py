"""From the notebook to the explanation that is handed in."""

from __future__ import annotations

from autointerp.agents._case import Case
from autointerp.agents._notebook import now
from autointerp.agents._observe import Observation
from autointerp.agents._protocol import EXPLAINED, Report, best_of
from autointerp.agents._rulings import FEWEST
from autointerp.agents._standings import Book
from autointerp.agents._words import promotes_of
from autointerp.records import (
    Conclusion,
    EffectClaim,
    EffectExperiment,
    Evidence,
    Explanation,
    Hypothesis,
    HypothesisKind,
    Ledger,
    RefineExperiment,
    Ruling,
    TextExperiment,
    Verdict,
)


def conclude(case: Case, seen: Observation | None, because: str) -> Report:
    """The best explanation so far. Without a program that ran the answer is that the evidence does not suffice."""
    book = Book.of(case)
    chosen = winner(book)
    handed_in = None if chosen is None else chosen.id
    case.notebook.put("conclusion", "1", Conclusion(at=now(), hypothesis=handed_in, because=because))
    ledger = case.notebook.ledger("", case.scientist.name, limits=case.limits.text)
    if chosen is None:
        return Report(_nothing(case, book, seen, because), (), ledger)
    return Report(_explained(case, book, chosen), evidence_of(ledger, chosen), ledger)


def winner(book: Book) -> Hypothesis | None:
    """The leader among those that nothing refuted; the best of the refuted ones only where no other is left."""
    live = [book.standing(h) for h in book.live]
    scored = [s for h in book.ledger.hypotheses if (s := book.standing(h)).score is not None]
    best = best_of(live) or best_of(scored)
    return None if best is None else best.hypothesis


def evidence_of(ledger: Ledger, chosen: Hypothesis) -> tuple[Evidence, ...]:
    """What was predicted for the chosen hypothesis beforehand, and how it came out."""
    experiments = {e.id: e for e in ledger.experiments}
    outcomes = {o.experiment: o for o in ledger.outcomes}
    judged = {(j.experiment, j.hypothesis): j for j in ledger.judgements}
    found = []
    for prediction in ledger.predictions:
        judgement = judged.get((prediction.experiment, chosen.id))
        if prediction.hypothesis != chosen.id or prediction.experiment not in outcomes:
            continue
        experiment = experiments[prediction.experiment]
        outcome = outcomes[prediction.experiment]
        found.append(
            Evidence(
                prediction=prediction.sentence
                if isinstance(experiment, EffectExperiment | RefineExperiment)
                else f"{experiment.question} {prediction.sentence}",
                outcome=outcome.failed or (outcome.sentence if judgement is None else judgement.sentence),
                supports=_supports(None if judgement is None else judgement.ruling),
                split="refine" if isinstance(experiment, RefineExperiment) else "train",
            )
        )
    return tuple(found)


def _supports(ruling: Ruling | None) -> bool | None:
    return None if ruling in (None, Ruling.UNDECIDED) else ruling is Ruling.SUPPORTS


def _explained(case: Case, book: Book, chosen: Hypothesis) -> Explanation:
    verdict = _verdict(book, chosen, book.score(chosen))
    return explanation_of(case, chosen, _effects(book, chosen), verdict, _confidence(book, chosen))


def explanation_of(
    case: Case, chosen: Hypothesis, effects: tuple[EffectClaim, ...], verdict: Verdict, confidence: float
) -> Explanation:
    """A hypothesis as an explanation, with its sentences."""
    measured = promotes_of(effects) if case.bench.subject.has_logits else "not measured: the model has no logits"
    promotes = measured if effects else chosen.promotes or measured
    words = chosen.fires_on.rstrip(". ")
    begins = "" if words.lower().startswith(("fires", "the feature")) else "Fires "
    if verdict is Verdict.UNINTERPRETABLE:
        summary = f"No rule says well enough when it fires; the best found: {words}."
    elif verdict is Verdict.POLYSEMANTIC:
        summary = "Several unrelated things: " + "; ".join(c.rstrip(". ") for c in chosen.clauses) + "."
    else:
        summary = f"{begins}{words}."
    if effects:
        summary = f"{summary[:-1]}; where it fires it {promotes}."
    return Explanation(
        summary=summary,
        fires_on=words,
        promotes=promotes,
        predictor=chosen.program,
        effects=effects,
        verdict=verdict,
        confidence=confidence,
    )


def _effects(book: Book, chosen: Hypothesis) -> tuple[EffectClaim, ...]:
    """The claims that experiments bore out, the chosen hypothesis's own first; untried ones only of the chosen."""
    kept: list[EffectClaim] = []
    output = [h for h in book.ledger.hypotheses if h.kind is HypothesisKind.OUTPUT and h.id != chosen.id]
    for hypothesis in (chosen, *output):
        for claim in hypothesis.effects:
            judgement = book.settled(claim)
            held = judgement is not None and judgement.ruling is Ruling.SUPPORTS
            if claim not in kept and (held or (judgement is None and hypothesis is chosen)):
                kept.append(claim)
    return tuple(kept)


def _verdict(book: Book, chosen: Hypothesis, score: float | None) -> Verdict:
    alive = any(h.id == chosen.id for h in book.live)
    if score is None:
        return Verdict.INSUFFICIENT_EVIDENCE
    if score < EXPLAINED or not alive:
        return Verdict.UNINTERPRETABLE
    return Verdict.POLYSEMANTIC if len(chosen.clauses) > 1 else Verdict.EXPLAINED


def _confidence(book: Book, chosen: Hypothesis) -> float:
    """What was stated for it, times the share of its clear predictions about texts that came true."""
    texts = {e.id for e in book.ledger.experiments if isinstance(e, TextExperiment)}
    own = [j for j in book.ledger.judgements if j.hypothesis == chosen.id and j.experiment in texts]
    right, said = sum(j.right for j in own), sum(j.said for j in own)
    return chosen.confidence * (right / said if said >= FEWEST else 1.0)


def _nothing(case: Case, book: Book, seen: Observation | None, because: str) -> Explanation:
    stats = case.bench.stats
    if stats.active == 0:
        summary, fires = "Never active in the text that was read.", "nothing seen"
    elif seen is not None and not seen.enough:
        count = sum(value > 0 for row in seen.activations for value in row)
        summary = (
            f"Too rarely active to explain: {count} activations in {seen.active} texts of the train split, out of"
            f" {stats.tokens:,} tokens looked at."
        )
        fires = "too few examples"
    else:
        summary, fires = f"No explanation was found: {because}.", "not found out"
    output = [h for h in book.ledger.hypotheses if h.kind is HypothesisKind.OUTPUT]
    effects = _effects(book, output[0]) if output else ()
    return Explanation(
        summary=summary,
        fires_on=fires,
        promotes=promotes_of(effects) if effects else "not measured",
        predictor=None,
        effects=effects,
        verdict=Verdict.INSUFFICIENT_EVIDENCE,
        confidence=0.0,
    )
