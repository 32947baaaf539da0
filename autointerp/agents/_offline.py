"""The rule scientist: no network and no language model; a program learned from examples, claims measured on train prompts."""

from __future__ import annotations

from collections.abc import Callable

from autointerp.agents import _rules
from autointerp.agents._effects import measured_claims
from autointerp.agents._protocol import (
    AS_GOOD,
    EXPLAINED,
    FEWEST_ACTIVATIONS,
    FEWEST_TEXTS,
    TEXTS,
    Gate,
    Proposal,
    Report,
    View,
)
from autointerp.agents._words import promotes_of
from autointerp.induction import Rule, learn
from autointerp.records import EffectClaim, Evidence, Explanation, FeatureStats, Probe, Program, Verdict
from autointerp.tools import Sample, Workbench, sample_texts

#: A program that is only to be a control for another feature's can be learned from fewer.
_CONTROL_TEXTS = 48


class RuleScientist:
    """Learns programs of several lengths and hands in the shortest one that the refine split finds about as good as any.

    In an investigation its rules compete, and it edits texts to find out which of them is right for the wrong reason.
    """

    name = "rules"

    async def propose(self, view: View) -> list[Proposal]:
        """As the protocol says."""
        return _rules.proposals(view)

    async def design(self, view: View) -> list[Probe]:
        """As the protocol says."""
        return _rules.probes(view)

    async def refine(self, view: View) -> list[Proposal]:
        """As the protocol says."""
        return _rules.refinements(view)

    async def challenge(self, fires_on: str, program: Program | None, view: View) -> list[Probe]:
        """As the protocol says."""
        return _rules.challenges(fires_on, program, view)

    def explain(self, bench: Workbench, gate: Gate) -> Report:
        """As the protocol says."""
        sample = sample_texts(bench, active=TEXTS, silent=TEXTS)
        learned = _learned(bench, sample, gate)
        if learned is None:
            return Report(insufficient(bench.stats, sample.active, _count(sample)))
        rule, score = learned
        effects = measured_claims(bench)
        return report_of(rule, score, effects, promotes_of(effects) if bench.subject.has_logits else None)

    def predictor(self, bench: Workbench) -> Program | None:
        """As the protocol says."""
        sample = sample_texts(bench, active=_CONTROL_TEXTS, silent=_CONTROL_TEXTS)
        if _too_little(sample):
            return None
        rules = learn(_texts(bench, sample), _activations(sample))
        return max(rules, key=lambda rule: rule.fit).program


def _count(sample: Sample) -> int:
    return int((sample.activations > 0).sum())


def _too_little(sample: Sample) -> bool:
    return sample.active < FEWEST_TEXTS or _count(sample) < FEWEST_ACTIVATIONS


def _learned(bench: Workbench, sample: Sample, gate: Gate) -> tuple[Rule, float] | None:
    """The rule that is handed in and its refine-split correlation; None where there is too little to learn from."""
    if _too_little(sample):
        return None
    return best_rule(learn(_texts(bench, sample), _activations(sample)), lambda rule: gate(rule.program))


def best_rule(rules: list[Rule], gate: Callable[[Rule], float | None]) -> tuple[Rule, float]:
    """The shortest program whose refine-split correlation is as good as the best, and that correlation."""
    scored = [(gate(rule) or 0.0, rule) for rule in rules]
    enough = max(score for score, _ in scored) - AS_GOOD
    score, rule = min(((s, r) for s, r in scored if s >= enough), key=lambda pair: pair[1].program.lines)
    return rule, score


def report_of(
    rule: Rule,
    score: float,
    effects: tuple[EffectClaim, ...],
    promotes: str | None,
    unmeasured: str = "not measured: the model has no logits",
) -> Report:
    """What is handed in of a rule and its refine-split correlation; `promotes` is None where effects are `unmeasured`."""
    verdict = Verdict.EXPLAINED if score >= EXPLAINED else Verdict.UNINTERPRETABLE
    explanation = Explanation(
        summary=_summary(rule, verdict, promotes),
        fires_on=rule.sentence,
        promotes=promotes or unmeasured,
        predictor=rule.program,
        effects=effects,
        verdict=verdict,
        confidence=min(1.0, max(0.0, score)),
    )
    return Report(explanation, (_refine_evidence(rule, score),))


def _refine_evidence(rule: Rule, score: float) -> Evidence:
    return Evidence(
        prediction=f"on the refine split the program correlates at least {EXPLAINED:.2f} with the activations"
        f" (it was learned with {rule.fit:.2f} on train)",
        outcome=f"correlation {score:.2f}",
        supports=score >= EXPLAINED,
        split="refine",
    )


def _texts(bench: Workbench, sample: Sample) -> list[list[str]]:
    strings = bench.subject.strings
    return [[strings[i] for i in ids[1:length]] for ids, length in zip(sample.ids, sample.lengths, strict=True)]


def _activations(sample: Sample) -> list[list[float]]:
    return [row[1:length].tolist() for row, length in zip(sample.activations, sample.lengths, strict=True)]


def _summary(rule: Rule, verdict: Verdict, promotes: str | None) -> str:
    if verdict is Verdict.UNINTERPRETABLE:
        effect = f" It {promotes}." if promotes else ""
        return f"No short rule says when it fires; the best found: {rule.sentence}.{effect}"
    effect = f"; where it fires it {promotes}" if promotes else ""
    return f"Fires {rule.sentence}{effect}."


def insufficient(stats: FeatureStats, texts: int, count: int) -> Explanation:
    """What is handed in where there was too little to learn from."""
    seen = f"{count} activations in {texts} texts of the train split, out of {stats.tokens:,} tokens looked at"
    dead = stats.active == 0
    return Explanation(
        summary="Never active in the text that was read." if dead else f"Too rarely active to explain: {seen}.",
        fires_on="nothing seen" if dead else "too few examples",
        promotes="not measured",
        predictor=None,
        verdict=Verdict.INSUFFICIENT_EVIDENCE,
        confidence=0.0,
    )
