"""A language model as simulator: all activations of a text in one answer, as whole numbers from 0 to 10."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autointerp.llm import TokenLogprobs
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judge, question
from autointerp.scoring._verdicts import numbers

_TEMPLATE = "judge_simulation"
_HIGHEST, _ALTERNATIVES = 10, 15
#: A number with its comma and the rest of the list: what an answer may cost at most for each token of the text.
_TOKENS_EACH, _TOKENS_BESIDE = 4, 2048
_LEVELS = {str(level): level for level in range(_HIGHEST + 1)}


def simulated(judge: Judge, explanation: str, exam: Exam, texts: Sequence[int]) -> NDArray[np.float32]:
    """Predicted activations of some texts of the exam, 0 to 10, laid out as the exam's, [texts, length].

    Where the model gives log-probabilities the expected value stands in for the number that it wrote (Bills et al. 2023).
    Raises LLMError where an answer is not one number for every token.
    """
    requests = [
        question(
            _TEMPLATE,
            numbers(len(exam.strings[i]), 0, _HIGHEST),
            max_tokens=_TOKENS_BESIDE + _TOKENS_EACH * len(exam.strings[i]),
            logprobs=_ALTERNATIVES,
            explanation=explanation,
            tokens=list(exam.strings[i]),
        )
        for i in texts
    ]
    found = np.zeros((len(texts), exam.ids.shape[1]), dtype=np.float32)
    for row, reply in zip(found, judge.answers(requests), strict=True):
        written: list[int] = reply.value.numbers  # type: ignore[union-attr]
        expected = None if reply.logprobs is None else expectations(reply.logprobs, written)
        row[1 : 1 + len(written)] = written if expected is None else expected
    return found


def expectations(tokens: Sequence[TokenLogprobs], written: Sequence[int]) -> list[float] | None:
    """The expected level at every number of an answer, Σ v p(v) / Σ p(v) over the levels among its alternatives.

    None where the numbers are not single tokens of the answer, in which case nothing is known of their alternatives.
    """
    places = [token for token in tokens if token.token.strip() in _LEVELS]
    if [_LEVELS[place.token.strip()] for place in places] != list(written):
        return None
    return [_expected(place) for place in places]


def _expected(place: TokenLogprobs) -> float:
    likely = {place.token: place.logprob} | dict(place.top)
    shares = [(_LEVELS[text.strip()], math.exp(p)) for text, p in likely.items() if text.strip() in _LEVELS]
    whole = sum(share for _, share in shares)
    return sum(level * share for level, share in shares) / whole if whole else float(_LEVELS[place.token.strip()])
