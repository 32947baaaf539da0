"""The rule scientist: no network and no language model; a program learned from examples, claims measured on train prompts."""

from __future__ import annotations

from autointerp.agents._claims import claims_from
from autointerp.agents._protocol import Gate, Report
from autointerp.induction import Rule, learn
from autointerp.records import EffectClaim, Evidence, Explanation, Program, Verdict
from autointerp.tools import Sample, Workbench, effects_of, sample_texts

#: Below this many activations or activating texts in the train split there is nothing to learn from.
_FEWEST_ACTIVATIONS, _FEWEST_TEXTS = 12, 6
#: Below this correlation on the refine split the program says too little to be called an explanation.
_EXPLAINED = 0.3
#: A shorter program may correlate this much less on the refine split and still be preferred.
_AS_GOOD = 0.002
#: Texts to learn from: enough for a table of tokens, few enough for a second of work.
_TEXTS = 160

#: A program that is only to be a control for another feature's can be learned from fewer.
_CONTROL_TEXTS = 48


class RuleScientist:
    """Learns programs of several lengths and hands in the shortest one that the refine split finds about as good as any."""

    def explain(self, bench: Workbench, gate: Gate) -> Report:
        """As the protocol says."""
        sample = sample_texts(bench, active=_TEXTS, silent=_TEXTS)
        learned = _learned(bench, sample, gate)
        if learned is None:
            return Report(_insufficient(bench, sample.active, _count(sample)))
        rule, score = learned
        effects = tuple(claim for effect in effects_of(bench) for claim in claims_from(effect, bench.subject.strings))
        verdict = Verdict.EXPLAINED if score >= _EXPLAINED else Verdict.UNINTERPRETABLE
        promotes = _promotes(effects) if bench.subject.has_logits else None
        explanation = Explanation(
            summary=_summary(rule, verdict, promotes),
            fires_on=rule.sentence,
            promotes=promotes or "not measured: the model has no logits",
            predictor=rule.program,
            effects=effects,
            verdict=verdict,
            confidence=min(1.0, max(0.0, score)),
        )
        return Report(explanation, (_refine_evidence(rule, score),))

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
    return sample.active < _FEWEST_TEXTS or _count(sample) < _FEWEST_ACTIVATIONS


def _learned(bench: Workbench, sample: Sample, gate: Gate) -> tuple[Rule, float] | None:
    """The rule that is handed in and its refine-split correlation; None where there is too little to learn from."""
    if _too_little(sample):
        return None
    return _best(learn(_texts(bench, sample), _activations(sample)), gate)


def _best(rules: list[Rule], gate: Gate) -> tuple[Rule, float]:
    """The shortest program whose refine-split correlation is as good as the best, and that correlation."""
    scored = [(gate(rule.program) or 0.0, rule) for rule in rules]
    enough = max(score for score, _ in scored) - _AS_GOOD
    score, rule = min(((s, r) for s, r in scored if s >= enough), key=lambda pair: pair[1].program.lines)
    return rule, score


def _refine_evidence(rule: Rule, score: float) -> Evidence:
    return Evidence(
        prediction=f"on the refine split the program correlates at least {_EXPLAINED:.2f} with the activations"
        f" (it was learned with {rule.fit:.2f} on train)",
        outcome=f"correlation {score:.2f}",
        supports=score >= _EXPLAINED,
        split="refine",
    )


def _texts(bench: Workbench, sample: Sample) -> list[list[str]]:
    strings = bench.subject.strings
    return [[strings[i] for i in ids[1:length]] for ids, length in zip(sample.ids, sample.lengths, strict=True)]


def _activations(sample: Sample) -> list[list[float]]:
    return [row[1:length].tolist() for row, length in zip(sample.activations, sample.lengths, strict=True)]


def _promotes(effects: tuple[EffectClaim, ...]) -> str:
    """What the feature does to the output, from the claims on where it acts by itself."""
    up = [claim for claim in effects if claim.intervention == "ablate" and claim.sign < 0]
    down = [claim for claim in effects if claim.intervention == "ablate" and claim.sign > 0]
    parts = []
    if up:
        parts.append("promotes " + _listed(up[0]))
    if down:
        parts.append("suppresses " + _listed(down[0]))
    return " and ".join(parts) or "no token moves dependably when it is ablated"


def _listed(claim: EffectClaim) -> str:
    return ", ".join(f"`{repr(token)[1:-1]}`" for token in claim.tokens)


def _summary(rule: Rule, verdict: Verdict, promotes: str | None) -> str:
    if verdict is Verdict.UNINTERPRETABLE:
        effect = f" It {promotes}." if promotes else ""
        return f"No short rule says when it fires; the best found: {rule.sentence}.{effect}"
    effect = f"; where it fires it {promotes}" if promotes else ""
    return f"Fires {rule.sentence}{effect}."


def _insufficient(bench: Workbench, texts: int, count: int) -> Explanation:
    seen = f"{count} activations in {texts} texts of the train split, out of {bench.stats.tokens:,} tokens looked at"
    dead = bench.stats.active == 0
    return Explanation(
        summary="Never active in the text that was read." if dead else f"Too rarely active to explain: {seen}.",
        fires_on="nothing seen" if dead else "too few examples",
        promotes="not measured",
        predictor=None,
        verdict=Verdict.INSUFFICIENT_EVIDENCE,
        confidence=0.0,
    )
