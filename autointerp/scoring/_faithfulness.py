"""Faithfulness: does steering make the concept appear in what the model writes? (FADE, 2025)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample, Weights
from autointerp.scoring._detection import NEEDS_JUDGE, TEMPLATE
from autointerp.scoring._directions import continuations, strength_for
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._output_choice import NO_PROMPTS, NO_TEXT
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._verdicts import verdicts
from autointerp.scoring._words import SILENT, about_input, about_output

NAME = "faithfulness"
#: How far the next token's distribution is moved, in nats; the strengths follow from that.
_TARGETS = (0.25, 0.5, 1.0)
_PROMPTS, _LENGTH, _TOKENS = 12, 16, 24


class Faithfulness:
    """max(max_m c_m - c_0, 0) / (1 - c_0) with c_m the share of continuations that show the concept at strength m."""

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Beside it the shares at every strength."""
        del predictor
        subject = exam.subject
        if judges.judge is None:
            return unscored(NAME, NEEDS_JUDGE)
        if not (words := about_output(explanation) or about_input(explanation)):
            return unscored(NAME, SILENT)
        if not (subject.has_logits and subject.causal):
            return unscored(NAME, NO_TEXT)
        if controls.prompts is None or not len(controls.prompts):
            return unscored(NAME, NO_PROMPTS)
        writes = exam.dictionary.writes(exam.feature)
        setting = controls.prompts
        found = exam.once(
            (NAME, setting.tobytes()), lambda: {t: strength_for(subject, writes, setting, t) for t in _TARGETS}
        )
        strengths = {target: strength for target, strength in found.items() if strength is not None}
        if not strengths:
            return unscored(NAME, "no strength of steering that was tried moves the output far enough")
        chosen = np.unique(np.linspace(0, len(exam.ids) - 1, _PROMPTS).round().astype(np.int64))
        prompts = [exam.ids[i, : min(_LENGTH, exam.lengths[i])].tolist() for i in chosen]
        texts = exam.once(
            (NAME, *strengths.values()),
            lambda: [
                continuations(subject, prompts, writes, strength, tokens=_TOKENS, seed=exam.seed)
                for strength in (0.0, *strengths.values())
            ],
        )
        steered = np.arange(len(texts) * len(prompts)) >= len(prompts)
        sure = verdicts(judges.judge, TEMPLATE, words, [t for some in texts for t in some], steered, seed=exam.seed)
        shows = (sure >= 0.5).astype(np.float64).reshape(len(texts), len(prompts))

        def of(weights: Weights) -> float:
            shares = shows @ weights / weights.sum()
            return appears(shares[1:], float(shares[0]))

        sample = Sample(of, exam.documents[chosen])
        value = sample.value()
        if not np.isfinite(value):
            return unscored(NAME, "the judge sees the concept in every text that was written without steering")
        names = ("share without steering", *(f"share at {target:g} nats" for target in strengths))
        also = {name: float(share) for name, share in zip(names, shows.mean(1), strict=True)}
        ci = sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=value, ci=ci, n=shows.size, also=also), sample=sample)


def appears(shares: NDArray[np.float64], without: float) -> float:
    """max(max_m c_m - c_0, 0) / (1 - c_0); NaN where c_0 is 1, as there is nothing left to gain."""
    return max(float(shares.max()) - without, 0.0) / (1 - without) if without < 1 else float("nan")
