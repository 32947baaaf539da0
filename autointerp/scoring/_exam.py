"""The held-out data of one feature: texts of the test split, half of them activating, half of the rest near misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from autointerp.activations import TestView, activations_on
from autointerp.circuits import clean_run
from autointerp.dictionaries import Dictionary
from autointerp.errors import ProgramError
from autointerp.models import Captured, Subject

#: Activating texts asked for; as many silent ones are added.
ACTIVE = 32
#: Below this many activating texts nothing is scored.
FEWEST = 5


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
    clean: the texts run as they are: activations at the dictionary's output site, and logits; empty without texts.
    matched, matched_activations: a random feature of about the same density, and its activations on these texts.
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
    clean: Captured
    seed: int

    def clean_of(self, texts: NDArray[np.int64]) -> Captured:
        """The clean run of some of the texts."""
        site, logits = self.dictionary.output_site, self.clean.logits
        assert logits is not None
        return Captured({site: self.clean.sites[site][texts]}, logits[texts])

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
) -> Exam:
    """Choose the texts and look up or compute what the scorers need.

    Parameters
    ----------
    matched: a random feature of like density, the null.
    near_tokens: the tokens on which the feature is strongest in the train split: a silent text that contains one is a near
        miss.
    """
    windows = view.windows(feature)
    maxima = windows.maxima()
    firing = np.flatnonzero(maxima > 0)
    firing = firing[np.argsort(-maxima[firing], kind="stable")]
    if len(firing) > ACTIVE:
        firing = firing[np.unique(np.linspace(0, len(firing) - 1, ACTIVE).round().astype(int))]
    quiet = np.random.default_rng([seed, feature]).permutation(np.flatnonzero(maxima == 0))
    alike = np.isin(view.tokens[quiet], np.asarray(near_tokens)).any(1)
    near = quiet[alike][: len(firing) // 2]
    # Where nearly every silent text holds such a token, the rest comes from those too: half of the exam stays silent.
    far = np.concatenate([quiet[~alike], quiet[alike][len(near) :]])[: len(firing) - len(near)]
    chosen = np.concatenate([firing, near, far])
    ids, lengths = view.tokens[chosen], view.lengths[chosen]
    # One clean run serves all scorers, and where the dictionary reads what it writes to, the matched feature's activations.
    clean = clean_run(subject, dictionary.output_site, torch.from_numpy(ids).long()) if len(ids) else Captured()
    if len(ids) and dictionary.input_site == dictionary.output_site:
        place = np.arange(ids.shape[1])
        used = (place[None, :] > 0) & (place[None, :] < lengths[:, None])
        matched_activations = dictionary.encode_one(clean.sites[dictionary.input_site].float(), matched).numpy() * used
    else:
        matched_activations = activations_on(subject, dictionary, matched, ids, lengths)
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
    )
