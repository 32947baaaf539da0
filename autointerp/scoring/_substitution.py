"""Substitution: can the program stand in for the feature inside the model?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from autointerp.circuits import damage_of
from autointerp.programs import Predictor
from autointerp.records import Explanation, Score, Unscored
from autointerp.scoring._bootstrap import Sample, Weights
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded

NAME = "substitution"
#: Silent texts that the model is run on beside the activating ones, near misses and others. With near misses alone a false
#: alarm that looks like nothing the feature fires on would go unseen, and some features have no near miss at all.
_NEAR, _FAR = 8, 8
#: Below this much damage by ablation (nats a token, or squared distance) the ratio would be one of rounding errors.
_LEAST_DAMAGE = 1e-7


class Substitution:
    """S = 1 - KL(predictions in place) / KL(feature ablated), both against the clean model, clipped to [-1, 1].

    In a model without logits the squared distance of the final states takes the divergence's place. Both are summed over
    the texts before the ratio is taken: on a near miss ablation does nothing, so that a ratio per text would be undefined
    exactly where false alarms have to be paid for.
    """

    by_program = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Control: the program of another feature's explanation."""
        del judges
        if explanation.predictor is None:
            return Graded(Unscored(name=NAME, reason="the explanation has no program"))
        silent = exam.active + exam.near
        chosen = np.r_[: exam.active, exam.active : min(exam.active + _NEAR, silent), silent : silent + _FAR]
        chosen = chosen[chosen < len(exam.ids)]
        predictions = {"value": exam.spread(predictor(explanation.predictor, exam.strings))}
        shuffled = controls.shuffled_predictions(exam, predictor)
        if shuffled is not None:
            predictions["shuffled_explanation"] = shuffled
        replacements = [np.maximum(predicted, 0.0) for predicted in predictions.values()]
        damage, ablated = _damage(exam, chosen, replacements)
        if ablated.mean() < _LEAST_DAMAGE:
            unit = "nats a token" if exam.subject.has_logits else "(squared distance of final states)"
            reason = f"ablation changes the output by {ablated.mean():.1e} {unit}: nothing to undo"
            return Graded(Unscored(name=NAME, reason=reason))
        if not np.isfinite(damage[0]).all():
            reason = "with the predictions in place the model's output is not finite: they are far too large"
            return Graded(Unscored(name=NAME, reason=reason))

        def ratio(row: int, weights: Weights) -> float:
            whole = float(weights @ ablated)
            return float(np.clip(1 - float(weights @ damage[row]) / whole, -1, 1)) if whole > 0 else float("nan")

        once = np.ones(len(chosen))
        values = {name: ratio(row, once) for row, name in enumerate(predictions)}
        values = {name: value for name, value in values.items() if np.isfinite(value)}
        sample = Sample(lambda w: ratio(0, w), exam.documents[chosen])
        value, ci = values.pop("value"), sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=value, ci=ci, n=len(chosen), control=values), sample=sample)


def _damage(
    exam: Exam, chosen: NDArray[np.int64], replacements: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far the output of the chosen texts moves with each replacement of the activations in place, and by ablation.

    [replacements, texts] and [texts]. What ablation does, does not depend on the explanation and is measured once.
    """
    known: dict[str, NDArray[np.float32]] = exam.once(NAME, dict)
    asked = [*replacements] if known else [*replacements, np.zeros_like(exam.activations)]
    scale = exam.scale
    changes = [torch.from_numpy(replacement - exam.activations) * scale for replacement in asked]
    # The activating texts come first: as a slice of the exam's their outputs are not copied.
    parts: list[slice | NDArray[np.int64]] = [slice(exam.active), chosen[exam.active :]]
    found: NDArray[np.float32] = np.concatenate(
        [
            damage_of(
                exam.clean.some(part),
                exam.dictionary.writes(exam.feature),
                torch.from_numpy(exam.lengths[part]).long(),
                [change[part] for change in changes],
            ).numpy()
            for part in parts
            if len(exam.lengths[part])
        ],
        axis=1,
    )
    if not known:
        known["ablated"] = found[-1]
    return found[: len(replacements)], known["ablated"]
