"""Which registered prediction came out how: claims joined with the evidence that carries their sentence."""

from __future__ import annotations

from dataclasses import dataclass

from autointerp.records import Evidence, RunRecord

#: The split whose outcome decides: the scorer's own before the gate's before the scientist's.
_WEIGHT = {"test": 0, "refine": 1, "train": 2}


@dataclass(frozen=True)
class Claim:
    """A claim in words and its outcomes, the deciding one first."""

    sentence: str
    outcomes: tuple[Evidence, ...]

    @property
    def state(self) -> str:
        """held, not held, not measured or not tested."""
        return state(self.outcomes[0]) if self.outcomes else "not tested"


def state(evidence: Evidence) -> str:
    """held, not held or not measured."""
    if evidence.supports is None:
        return "not measured"
    return "held" if evidence.supports else "not held"


def claims(record: RunRecord) -> list[Claim]:
    """The effect claims in their order. Evidence belongs to a claim when its prediction is the claim's sentence."""
    ordered = sorted(record.evidence, key=lambda evidence: _WEIGHT[evidence.split])
    sentences = [effect.sentence() for effect in record.explanation.effects]
    return [
        Claim(sentence, tuple(evidence for evidence in ordered if evidence.prediction == sentence))
        for sentence in sentences
    ]


def other_evidence(record: RunRecord) -> list[Evidence]:
    """Predictions that belong to no effect claim: what was tried on the way, in its order."""
    claimed = {effect.sentence() for effect in record.explanation.effects}
    return [evidence for evidence in record.evidence if evidence.prediction not in claimed]
