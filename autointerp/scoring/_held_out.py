"""Texts of the test split with one feature's activations: what is asked about when it fires, and no model is needed for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from autointerp.activations import TestView
from autointerp.errors import ProgramError

#: Activating texts asked for; as many silent ones are added.
ACTIVE = 32


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Half of the texts activate the feature, half of the rest are near misses.

    Attributes
    ----------
    feature: the index of the feature under test.
    ids, lengths, documents: the texts; ids [texts, length] with BOS first and BOS as padding.
    strings: the tokens of each text as strings, BOS left out.
    activations: of the feature, [texts, length].
    active, near: the first `active` texts activate the feature, the next `near` are near misses, the rest silent at random.
    matched, matched_activations: a random feature of about the same density, and its activations on these texts.
    """

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
    seed: int

    def text(self, i: int) -> str:
        """One of the texts in characters."""
        return "".join(self.strings[i])

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Whether each text activates the feature, [texts]."""
        return np.arange(len(self.ids)) < self.active

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


def hold_out(
    view: TestView,
    strings: Sequence[str],
    feature: int,
    *,
    matched: int,
    near_tokens: Sequence[int],
    seed: int,
    seen: Collection[bytes] = (),
) -> HeldOut:
    """The same texts that `prepare_exam` chooses, with what the index knows of them and not a forward pass.

    Activations are those of the index, which keeps each to within 2**-11 of itself. Where it knows the matched feature in
    fewer passages than the feature, that one counts as silent in the others.

    Parameters
    ----------
    strings: every token of the vocabulary as text.
    matched, near_tokens, seen: as `prepare_exam` takes them.
    """
    windows = view.windows(feature)
    maxima = windows.maxima()
    firing, near, far = choose(
        view, maxima, fresh_texts(view, windows.passages, seen), near_tokens, np.random.default_rng([seed, feature])
    )
    chosen = np.concatenate([firing, near, far])
    ids, lengths = view.tokens[chosen], view.lengths[chosen]
    other = view.windows(matched)
    null = np.zeros((max(other.passages, windows.passages), view.length), dtype=np.float32)
    null[other.rows, other.places] = other.values
    return HeldOut(
        feature=feature,
        ids=ids,
        lengths=lengths,
        documents=view.documents[chosen],
        strings=strings_of(strings, ids, lengths),
        activations=windows.dense(view.length)[chosen],
        active=len(firing),
        near=len(near),
        matched=matched,
        matched_activations=null[chosen],
        seed=seed,
    )


def content(ids: NDArray[np.int32]) -> bytes:
    """A short name of a text's tokens, BOS and padding left out: equal where the texts are."""
    return blake2b(np.ascontiguousarray(ids, dtype=np.int32).tobytes(), digest_size=16).digest()


def strings_of(
    strings: Sequence[str], ids: NDArray[np.int32], lengths: NDArray[np.int32]
) -> tuple[tuple[str, ...], ...]:
    """The tokens of each text, BOS left out."""
    return tuple(tuple(strings[i] for i in row[1:length]) for row, length in zip(ids, lengths, strict=True))


def choose(
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


def fresh_texts(view: TestView, passages: int, seen: Collection[bytes]) -> NDArray[np.bool_]:
    """Which of the first passages are no repetition of another text, [passages]."""
    known = set(seen)
    fresh = np.zeros(passages, dtype=bool)
    tokens, lengths = view.tokens, view.lengths
    for i in range(passages):
        name = content(tokens[i, 1 : lengths[i]])
        fresh[i] = name not in known
        known.add(name)
    return fresh
