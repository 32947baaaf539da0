"""The windows that a record shows: of the train split, strongest first, then over the range of activation, then near misses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.activations import activations_on
from autointerp.errors import ProgramError
from autointerp.programs import Predictor
from autointerp.records import Example, Explanation
from autointerp.study._open import Laboratory
from autointerp.tools import Workbench

_TOP, _EACH, _NEAR = 8, 3, 4
_RANGES = ("75-100%", "50-75%", "25-50%", "0-25%")


def examples_of(
    laboratory: Laboratory, bench: Workbench, explanation: Explanation, predictor: Predictor
) -> tuple[Example, ...]:
    """Choose the windows, look up their activations and add what the program predicts for them."""
    passages, names = _choose(laboratory, bench)
    if not len(passages):
        return ()
    view = laboratory.index.train
    ids, lengths = view.tokens[passages], view.lengths[passages]
    acts = activations_on(laboratory.subject, laboratory.dictionary, bench.feature.index, ids, lengths)
    strings = laboratory.subject.strings
    texts = [[strings[i] for i in row[1:length]] for row, length in zip(ids, lengths, strict=True)]
    predicted = _predicted(explanation, texts, predictor)
    examples = []
    for i, (passage, name) in enumerate(zip(passages, names, strict=True)):
        document, line = view.where(int(passage))
        examples.append(
            Example(
                document=document,
                line=line,
                tokens=tuple(texts[i]),
                activations=tuple(float(a) for a in acts[i, 1 : lengths[i]]),
                predicted=tuple(max(0.0, p) for p in predicted[i]) if predicted else None,
                quantile=name,
            )
        )
    return tuple(examples)


def _predicted(explanation: Explanation, texts: list[list[str]], predictor: Predictor) -> list[list[float]] | None:
    """What the program says; None without one, and where it fails, which the scores report."""
    if explanation.predictor is None:
        return None
    try:
        return predictor(explanation.predictor, texts)
    except ProgramError:
        return None


def _choose(laboratory: Laboratory, bench: Workbench) -> tuple[NDArray[np.int64], list[str]]:
    """Passages and the group that each of them stands for."""
    view, feature = laboratory.index.train, bench.feature.index
    top = view.top(feature)[0][:_TOP].astype(np.int64)
    if not len(top):
        return top, []
    windows = view.windows(feature)
    maxima = windows.maxima()
    random = np.random.default_rng([laboratory.seed, feature, 4])
    chosen, names = [top], ["top"] * len(top)
    for i, name in enumerate(_RANGES):
        high, low = 1 - i / 4, 1 - (i + 1) / 4
        scaled = maxima / bench.stats.maximum
        inside = np.setdiff1d(np.flatnonzero((scaled > low) & (scaled <= high) & (maxima > 0)), top)
        some = random.permutation(inside)[:_EACH]
        chosen.append(some)
        names += [name] * len(some)
    peaks = windows.rows[np.argsort(-windows.values)[:50]], windows.places[np.argsort(-windows.values)[:50]]
    typical = np.unique(view.tokens[peaks])
    quiet = np.flatnonzero(maxima == 0)
    alike = random.permutation(quiet[np.isin(view.tokens[quiet], typical).any(1)])[:_NEAR]
    chosen.append(alike)
    names += ["near miss"] * len(alike)
    return np.concatenate(chosen), names
