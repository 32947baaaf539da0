"""Learning rules of several lengths from one sample of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.induction._columns import columns_of
from autointerp.induction._fit import backfit, select
from autointerp.induction._prune import prune
from autointerp.induction._write import program_of, sentence_of
from autointerp.programs import read
from autointerp.records import Program

#: Table entries of the programs that are tried: about six go on a line.
SIZES = (6, 16, 32, 64)
_MOST_PREDICATES = 4
_SET_ASIDE = 4  # every fourth text judges which predicates are worth having


@dataclass(frozen=True, slots=True)
class Rule:
    """A program, the same in a sentence, and its correlation with the activations it was learned from."""

    program: Program
    sentence: str
    fit: float


def learn(texts: Sequence[list[str]], activations: Sequence[Sequence[float]]) -> list[Rule]:
    """Rules for a feature, shortest first.

    Parameters
    ----------
    texts: token strings, in an order in which active and silent texts alternate or are sorted: every fourth is set aside
        while predicates are chosen.
    activations: one number per token, at least one of them above zero.
    """
    readings = [t for text in texts for t in read(text)]
    y = np.concatenate([np.asarray(a, dtype=np.float64) for a in activations])
    number = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    columns = columns_of(readings, y)
    chosen = select(columns, y, number % _SET_ASIDE == 0, _MOST_PREDICATES) or [columns[0]]
    whole = backfit(chosen, y, np.ones(len(y)))
    scale = float(y.max())
    rules: list[Rule] = []
    for size in SIZES:
        fit = prune(whole, y, size)
        predicted = np.maximum(fit.raw(), 0)
        r = float(np.corrcoef(predicted, y)[0, 1]) if predicted.std() > 0 else 0.0
        rule = Rule(program_of(fit, scale), sentence_of(fit, scale), r)
        if not rules or rule.program != rules[-1].program:
            rules.append(rule)
    return rules
