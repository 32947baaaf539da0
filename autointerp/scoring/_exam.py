"""The held-out data of one feature: texts of the test split, half of them activating, half of the rest near misses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.activations import TestView
from autointerp.circuits import CleanRun, clean_run
from autointerp.dictionaries import Dictionary
from autointerp.models import Subject
from autointerp.scoring._held_out import HeldOut, choose, fresh_texts, strings_of

#: Below this many activating texts nothing is scored.
FEWEST = 5

T = TypeVar("T")


def _none() -> NDArray[np.float32]:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Exam(HeldOut):
    """What the scorers share: the held-out texts, and the network in which claims about interventions are tried.

    Attributes
    ----------
    clean: the texts run as they are, read where the dictionary reads and writes.
    natural, matched_natural: the strongest activation of the one and the other in each of a uniform sample of texts, [texts].
    """

    subject: Subject
    dictionary: Dictionary
    clean: CleanRun
    natural: NDArray[np.float32] = field(default_factory=_none)
    matched_natural: NDArray[np.float32] = field(default_factory=_none)
    #: An exam that differs in anything starts with nothing.
    _kept: dict[Hashable, Any] = field(init=False, default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, made the first time: forward passes that do not depend on the explanation are not repeated."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    @property
    def scale(self) -> Tensor:
        """By how much the dictionary's directions are longer at each place, [texts, length]; one in most dictionaries."""
        return self.dictionary.scale(self.clean.sites[self.dictionary.input_site].float())


def prepare_exam(
    subject: Subject,
    dictionary: Dictionary,
    feature: int,
    view: TestView,
    *,
    matched: int,
    near_tokens: Sequence[int],
    seed: int,
    seen: Collection[bytes] = (),
) -> Exam:
    """Choose the texts and look up or compute what the scorers need.

    Parameters
    ----------
    matched: a random feature of like density, the null.
    near_tokens: the tokens on which the feature is strongest in the train split: a silent text that contains one is a near
        miss.
    seen: contents (see `content`) of texts of other splits: those are refused, as is a text that was taken already.
    """
    windows = view.windows(feature)
    maxima = windows.maxima()
    fresh = fresh_texts(view, windows.passages, seen)
    firing, near, far = choose(view, maxima, fresh, near_tokens, np.random.default_rng([seed, feature]))
    chosen = np.concatenate([firing, near, far])
    ids, lengths = view.tokens[chosen], view.lengths[chosen]
    # One clean run serves all scorers, and the matched feature's activations.
    sites = {dictionary.input_site, *dictionary.output_sites}
    clean = clean_run(subject, sites, torch.from_numpy(ids).long())
    matched_activations = np.zeros(ids.shape, dtype=np.float32)
    if len(ids):
        place = np.arange(ids.shape[1])
        used = (place[None, :] > 0) & (place[None, :] < lengths[:, None])
        matched_activations = dictionary.encode_one(clean.sites[dictionary.input_site].float(), matched).numpy() * used
    return Exam(
        subject=subject,
        dictionary=dictionary,
        feature=feature,
        ids=ids,
        lengths=lengths,
        documents=view.documents[chosen],
        strings=strings_of(subject.strings, ids, lengths),
        activations=windows.dense(view.length)[chosen],
        active=len(firing),
        near=len(near),
        matched=matched,
        matched_activations=matched_activations.astype(np.float32),
        clean=clean,
        seed=seed,
        natural=maxima[fresh],
        matched_natural=_maxima(view, matched, fresh),
    )


def _maxima(view: TestView, feature: int, fresh: NDArray[np.bool_]) -> NDArray[np.float32]:
    found = view.windows(feature).maxima()
    count = min(len(found), len(fresh))
    return found[:count][fresh[:count]]
