"""Asking a judge about texts: in batches of both classes, in an order and with a scale that a seed decides."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, StrictInt, create_model

from autointerp.scoring._judges import Judge, question

#: Texts of each class in one question.
_EACH = 5
_MOST = 100


def verdicts(
    judge: Judge,
    template: str,
    explanation: str,
    texts: Sequence[str],
    truth: NDArray[np.bool_],
    *,
    seed: int,
) -> NDArray[np.float64]:
    """How sure the judge is that the explanation fits each text, 0 to 1, [texts].

    Every question holds as many texts of one class as of the other, shuffled, and the seed decides which end of the scale means
    yes. A judge that says the same of every text is right about half of them, whatever it says.

    Raises LLMError where an answer is no list of numbers between 0 and 100, one for each text.
    """
    random = np.random.default_rng([seed, 7])
    true, false = random.permutation(np.flatnonzero(truth)), random.permutation(np.flatnonzero(~truth))
    parts = max(1, -(-len(true) // _EACH), -(-len(false) // _EACH))
    groups = [
        random.permutation(np.concatenate(pair))
        for pair in zip(np.array_split(true, parts), np.array_split(false, parts), strict=True)
    ]
    flipped = random.permutation(parts) % 2 == 1
    requests = [
        question(
            template,
            numbers(len(group), 0, _MOST),
            explanation=explanation,
            texts=[texts[i] for i in group],
            flipped=bool(flip),
        )
        for group, flip in zip(groups, flipped, strict=True)
    ]
    sure = np.zeros(len(texts))
    for group, flip, answer in zip(groups, flipped, judge.values(requests), strict=True):
        share = np.array(answer.numbers, dtype=np.float64) / _MOST  # type: ignore[attr-defined]
        sure[group] = 1 - share if flip else share
    return sure


@lru_cache(maxsize=512)
def numbers(count: int, low: int, high: int) -> type[BaseModel]:
    """The type of an answer: exactly `count` whole numbers from `low` to `high`."""
    number: Any = Annotated[StrictInt, Field(ge=low, le=high)]
    listed: Any = Annotated[list[number], Field(min_length=count, max_length=count)]
    return create_model("Numbers", numbers=(listed, ...))
