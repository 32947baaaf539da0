"""How well a ranking of components finds those that are right."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from autointerp.eval._answers import Answer, ComponentsAnswer
from autointerp.eval._protocol import Grade


def ranking_grade(answer: Answer, right: Collection[str], names: Sequence[str]) -> Grade:
    """Average precision. Success: what is named first, and nothing else as surely, is right."""
    assert isinstance(answer, ComponentsAnswer)
    score = average_precision(answer.components, right, names)
    success = first_is_right(answer.components, right, names)
    return Grade(score=score, success=success, parts={"average precision": score}, confidence=answer.confidence)


def guessed_ranking(names: Sequence[str], seed: int) -> ComponentsAnswer:
    """A number for every component, drawn at random."""
    random = np.random.default_rng(seed)
    return ComponentsAnswer(components={name: float(random.random()) for name in names})


def average_precision(given: Mapping[str, float], right: Collection[str], names: Sequence[str]) -> float:
    """Average precision over all `names`, one that is not given counting as 0; equals stand or fall together.

    0 where nothing of what is right was given at all.
    """
    scores = numbers(given, names)
    true = np.array([name in right for name in names])
    if not scores[true].any():
        return 0.0
    # By steps: as the threshold falls, how much more is found, and how pure all that is above it then is.
    steps = [scores >= threshold for threshold in np.unique(scores)[::-1]]
    found = np.array([0, *((chosen & true).sum() for chosen in steps)])
    pure = np.array([true[chosen].mean() for chosen in steps])
    return float((np.diff(found) * pure).sum() / true.sum())


def first_is_right(given: Mapping[str, float], right: Collection[str], names: Sequence[str]) -> bool:
    """Whether the surest of `names`, with all that are as sure, are right."""
    scores = numbers(given, names)
    best = {name for name, score in zip(names, scores, strict=True) if score == scores.max()}
    return scores.max() > 0 and best <= set(right)


def area(given: Mapping[str, float], right: Collection[str], names: Sequence[str]) -> float:
    """The area under the ROC curve over all `names`, one that is not given ranking below all others."""
    true = np.array([name in right for name in names])
    ranks = np.array([float(given.get(name, -np.inf)) for name in names])
    ranks[np.isnan(ranks)] = -np.inf
    above = ranks[true][:, None] > ranks[~true][None, :]
    equal = ranks[true][:, None] == ranks[~true][None, :]
    return float((above + 0.5 * equal).mean())


def numbers(given: Mapping[str, float], names: Sequence[str]) -> npt.NDArray[np.float64]:
    """What is given for each name, 0 for none."""
    found: npt.NDArray[np.float64] = np.nan_to_num(np.array([float(given.get(name, 0.0)) for name in names]))
    return found
