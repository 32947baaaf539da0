"""Learning rules of several lengths from one sample of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autointerp.induction._apply import Terms, terms_of
from autointerp.induction._columns import columns_of
from autointerp.induction._fit import SHRINK, backfit, select
from autointerp.induction._prune import prune
from autointerp.induction._write import program_of, sentence_of
from autointerp.records import Program

_MOST_PREDICATES = 6
_SET_ASIDE = 4  # every fourth text judges which predicates are worth having
#: How many of the chosen predicates, and how many table entries (about five go on a line), the tried programs have.
_SHAPES = ((4, 8), (4, 16), (6, 16), (6, 32), (6, 48), (6, 72), (4, 48), (2, 24))
#: Entries of the programs that look at the token alone: for a feature of many rare tokens nothing else is learnable.
_TOKEN_ALONE = (12, 36, 72)
#: The longest program's entries.
MOST_ENTRIES = max(*(size for _, size in _SHAPES), *_TOKEN_ALONE)
#: Alone, the table of tokens is nearly a table of means: a token seen twice, strong both times, is worth its entry.
_LIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Rule:
    """A program, the same in a sentence, its correlation with the activations it was learned from, and its numbers."""

    program: Program
    sentence: str
    fit: float
    terms: Terms = field(default=Terms(0.0, ()), repr=False, compare=False)


def learn(texts: Sequence[list[str]], activations: Sequence[Sequence[float]]) -> list[Rule]:
    """Rules for a feature, shortest first.

    Parameters
    ----------
    texts: token strings, in an order in which active and silent texts alternate or are sorted: every fourth is set aside
        while predicates are chosen.
    activations: one number per token, at least one of them above zero.
    """
    y = np.concatenate([np.asarray(a, dtype=np.float64) for a in activations])
    number = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    aside = number % _SET_ASIDE == 0
    columns = columns_of(texts, y, aside)
    chosen = select(columns, y, aside, _MOST_PREDICATES) or columns[:1]
    shapes = [(tuple(chosen[:most]), size, SHRINK) for most, size in _SHAPES if most - 1 <= len(chosen)]
    shapes += [((columns[0],), size, _LIGHT) for size in _TOKEN_ALONE]
    apart = dict.fromkeys((some, shrink) for some, _, shrink in shapes)
    whole = {(some, shrink): backfit(some, y, np.ones(len(y)), shrink=shrink) for some, shrink in apart}
    scale = float(y.max())
    rules: dict[str, Rule] = {}
    for some, size, shrink in shapes:
        fit = prune(whole[some, shrink], y, size, shrink)
        predicted = np.maximum(fit.raw(), 0)
        r = float(np.corrcoef(predicted, y)[0, 1]) if predicted.std() > 0 else 0.0
        program = program_of(fit, scale)
        rules.setdefault(program.source, Rule(program, sentence_of(fit, scale), r, terms_of(fit, scale)))
    return sorted(rules.values(), key=lambda rule: rule.program.lines)
