"""The held-out data of one feature: texts of the test split, half of them activating, half of the rest near misses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.activations import TestView
from autointerp.circuits import CleanRun, clean_run
from autointerp.dictionaries import Dictionary
from autointerp.errors import ProgramError
from autointerp.models import Subject

#: Activating texts asked for; as many silent ones are added.
ACTIVE = 32
#: Below this many activating texts nothing is scored.
FEWEST = 5


def _none() -> NDArray[np.float32]:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """What the scorers share.

    Attributes
    ----------
    feature: the index of the feature under test.
    ids, lengths, documents: the texts; ids [texts, length] with BOS first and BOS as padding.
    strings: the tokens of each text as strings, BOS left out.
    activations: of the feature, [texts, length].
    active, near: the first `active` texts activate the feature, the next `near` are near misses, the rest silent at random.
    clean: the texts run as they are, read where the dictionary reads and writes.
    matched, matched_activations: a random feature of about the same density, and its activations on these texts.
    natural, matched_natural: the strongest activation of the one and the other in each of a uniform sample of texts, [texts].
    """

    subject: Subject
    dictionary: Dictionary
    feature: int
    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]
    documents: NDArray[np.int32]
    strings: tuple[tuple[str, ...], ...]
    activations: NDArray[np.float32]
    active: int
    near: int
    matched: int
    matched_activations: NDArray[np.float32]
    clean: CleanRun
    seed: int
    natural: NDArray[np.float32] = field(default_factory=_none)
    matched_natural: NDArray[np.float32] = field(default_factory=_none)

    def text(self, i: int) -> str:
        """One of the texts in characters."""
        return "".join(self.strings[i])

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Whether each text activates the feature, [texts]."""
        return np.arange(len(self.ids)) < self.active

    @property
    def scale(self) -> Tensor:
        """By how much the dictionary's directions are longer at each place, [texts, length]; one in most dictionaries."""
        return self.dictionary.scale(self.clean.sites[self.dictionary.input_site].float())

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True at the places that count: no BOS, no padding; [texts, length]."""
        place = np.arange(self.ids.shape[1])
        return (place[None, :] > 0) & (place[None, :] < self.lengths[:, None])

    def spread(self, predictions: Sequence[Sequence[float]]) -> NDArray[np.float32]:
        """Per-token predictions of each text laid out like `activations`, [texts, length].

        Raises ProgramError for a number that single precision cannot hold.
        """
        out = np.zeros_like(self.activations)
        with np.errstate(over="ignore"):
            for row, values in zip(out, predictions, strict=True):
                row[1 : 1 + len(values)] = values
        if not np.isfinite(out).all():
            raise ProgramError("predict returned a number too large for an activation")
        return out


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
    fresh = _fresh(view, windows.passages, seen)
    firing, near, far = _chosen(view, maxima, fresh, near_tokens, np.random.default_rng([seed, feature]))
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
        strings=tuple(
            tuple(subject.strings[i] for i in row[1:length]) for row, length in zip(ids, lengths, strict=True)
        ),
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


def content(ids: NDArray[np.int32]) -> bytes:
    """A short name of a text's tokens, BOS and padding left out: equal where the texts are."""
    return blake2b(np.ascontiguousarray(ids, dtype=np.int32).tobytes(), digest_size=16).digest()


def _chosen(
    view: TestView,
    maxima: NDArray[np.float32],
    fresh: NDArray[np.bool_],
    near_tokens: Sequence[int],
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Passages that activate the feature, over its range; near misses; silent ones at random."""
    firing = np.flatnonzero((maxima > 0) & fresh)
    firing = firing[np.argsort(-maxima[firing], kind="stable")]
    if len(firing) > ACTIVE:
        firing = firing[np.unique(np.linspace(0, len(firing) - 1, ACTIVE).round().astype(int))]
    quiet = random.permutation(np.flatnonzero((maxima == 0) & fresh))
    alike = np.isin(view.tokens[quiet], np.asarray(near_tokens)).any(1)
    near = quiet[alike][: len(firing) // 2]
    # Where nearly every silent text holds such a token, the rest comes from those too: half of the exam stays silent.
    far = np.concatenate([quiet[~alike], quiet[alike][len(near) :]])[: len(firing) - len(near)]
    return firing, near, far


def _fresh(view: TestView, passages: int, seen: Collection[bytes]) -> NDArray[np.bool_]:
    """Which of the first passages are no repetition of another text, [passages]."""
    known = set(seen)
    fresh = np.zeros(passages, dtype=bool)
    tokens, lengths = view.tokens, view.lengths
    for i in range(passages):
        name = content(tokens[i, 1 : lengths[i]])
        fresh[i] = name not in known
        known.add(name)
    return fresh


def _maxima(view: TestView, feature: int, fresh: NDArray[np.bool_]) -> NDArray[np.float32]:
    found = view.windows(feature).maxima()
    count = min(len(found), len(fresh))
    return found[:count][fresh[:count]]
