"""Output choice: can a judge tell from the explanation which texts were written under steering? (Gur-Arieh et al. 2025)"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._detection import NEEDS_JUDGE
from autointerp.scoring._directions import Writes, continuations, matched_writes, random_writes, strength_for
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges, question
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._verdicts import numbers
from autointerp.scoring._words import about_output

NAME = "output_choice"
_TARGETS = (0.25, 0.5)
_PROMPTS, _TOKENS = 3, 24
NO_PROMPTS = "there are no prompts of the train split to set the strength of steering on"
NO_OUTPUT = "the explanation says nothing of the output"
NO_TEXT = "the model writes no text"


class OutputChoice:
    """How often a judge picks the texts written while the feature was steered out of three sets.

    The other two sets are written under a matched random feature and a random direction. All three are steered so far that
    the next token's distribution moves by 0.25 or by 0.5 nats, up or down.
    """

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Control: chance, a third."""
        del predictor
        if judges.judge is None:
            return unscored(NAME, NEEDS_JUDGE)
        if not (words := about_output(explanation)):
            return unscored(NAME, NO_OUTPUT)
        subject, prompts = exam.subject, controls.prompts
        if not (subject.has_logits and subject.causal):
            return unscored(NAME, NO_TEXT)
        if prompts is None or not len(prompts):
            return unscored(NAME, NO_PROMPTS)
        directions = [exam.dictionary.writes(exam.feature), matched_writes(exam), random_writes(exam)]
        random = np.random.default_rng([exam.seed, 10])
        requests, places = [], []
        for target in _TARGETS:
            for sign in (1, -1):
                key = (NAME, target, sign, prompts.tobytes())
                sets = exam.once(key, partial(_sets, exam, directions, prompts, target, sign))
                if len(sets) < len(directions):
                    continue
                order = random.permutation(len(sets))
                places.append(int(np.flatnonzero(order == 0)[0]) + 1)
                shown = [sets[i] for i in order]
                kind = numbers(1, 1, len(sets))
                requests.append(question("judge_choice", kind, explanation=words, sets=shown, stronger=sign > 0))
        if not requests:
            return unscored(NAME, "no strength of steering that was tried moves the output far enough")
        picked = [answer.numbers[0] for answer in judges.judge.values(requests)]  # type: ignore[attr-defined]
        right = np.array(picked, dtype=np.float64) == np.array(places)
        sample = Sample(lambda w: float(w @ right / w.sum()), np.arange(len(right), dtype=np.int32))
        ci = sample.interval(seed=exam.seed)
        return Graded(
            Score(name=NAME, value=sample.value(), ci=ci, n=len(right), control={"chance": 1 / 3}), sample=sample
        )


def _sets(
    exam: Exam, directions: Sequence[Writes], prompts: NDArray[np.int32], target: float, sign: int
) -> list[list[str]]:
    """Texts written under each direction, steered so far that the output moves by `target` nats; those that get so far."""
    strengths = [strength_for(exam.subject, writes, prompts, target, sign=sign) for writes in directions]
    return [
        continuations(exam.subject, prompts[:_PROMPTS].tolist(), writes, strength, tokens=_TOKENS, seed=exam.seed)
        for writes, strength in zip(directions, strengths, strict=True)
        if strength is not None
    ]
