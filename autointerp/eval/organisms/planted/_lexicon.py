"""The tokens of a host, how often each occurs, and groups of them that have something in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autointerp.eval.organisms.planted._machine import LEVELS, Ints

_MOST_TOKENS = 40
#: A token that makes up so much of its group would be the group.
_LARGEST_PART = 0.7
#: How much less often a group is picked the further its share is from the one that is looked for.
_CHOOSY = 4.0


@dataclass(frozen=True)
class Group:
    """Tokens with something in common, and what that is in words."""

    words: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """The strings of a vocabulary and the share of positions that each takes, counted on a sample of text."""

    shares: dict[str, float]

    @classmethod
    def counted(cls, ids: Ints, strings: Sequence[str]) -> Lexicon:
        """From the ids of a sample, [tokens]; a token that does not occur is left out."""
        shares: dict[str, float] = defaultdict(float)
        numbers, counts = np.unique(ids, return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            shares[strings[number]] += count / len(ids)
        return cls(dict(shares))

    def share(self, tokens: Sequence[str]) -> float:
        """The share of all positions that some tokens take."""
        return sum(self.shares.get(token, 0.0) for token in tokens)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Every group of two tokens or more."""
        members: dict[str, list[str]] = defaultdict(list)
        for token in sorted(self.shares):
            for words in _properties(token):
                members[words].append(token)
        return tuple(Group(words, tuple(tokens)) for words, tokens in sorted(members.items()) if len(tokens) > 1)

    @cached_property
    def _sums(self) -> NDArray[np.float64]:
        return np.log([self.share(group.tokens) for group in self.groups])

    @cached_property
    def starting_with_a_letter(self) -> Lexicon:
        """The tokens that may go on with a word, or all where there are none."""
        found = {token: share for token, share in self.shares.items() if token[:1].isalpha()}
        return Lexicon(found) if found else self

    def pick(self, random: np.random.Generator, share: float) -> Group:
        """A group whose tokens take about this share of all positions; a part of one that takes more."""
        if not self.groups:
            return self.single(random, share)
        # Larger groups are cut down; what is left of far larger ones would have little in common.
        off = self._sums - np.log(share)
        weights = np.exp(-_CHOOSY * np.where(off > 0, off / 2, -off))
        return self._cut(random, self.groups[int(random.choice(len(weights), p=weights / weights.sum()))], share)

    def single(self, random: np.random.Generator, share: float) -> Group:
        """One token that takes about this share."""
        tokens = sorted(self.shares, key=lambda token: (abs(np.log(self.shares[token] / share)), token))[:12]
        token = tokens[int(random.integers(len(tokens)))]
        return Group(f"{token!r}", (token,))

    def _cut(self, random: np.random.Generator, group: Group, share: float) -> Group:
        small = [token for token in group.tokens if self.shares[token] < _LARGEST_PART * share] or list(group.tokens)
        taken: list[str] = []
        total = 0.0
        # Often the frequent ones first (Gumbel's trick), or no number of tokens would come up to the share.
        keys = random.gumbel(size=len(small)) + np.log([self.shares[token] for token in small])
        for place in np.argsort(-keys).tolist():
            token = small[place]
            if total + self.shares[token] <= 1.15 * share:
                taken.append(token)
                total += self.shares[token]
            if len(taken) == _MOST_TOKENS:
                break
        taken = taken or [min(small, key=lambda token: (self.shares[token], token))]
        words = group.words if len(taken) == len(group.tokens) else f"{len(taken)} of the {group.words}"
        return Group(words, tuple(sorted(taken)))


def marked(random: np.random.Generator, tokens: Sequence[str]) -> dict[str, int]:
    """A level for each of some tokens, drawn."""
    return {token: int(random.integers(1, LEVELS + 1)) for token in tokens}


def _properties(token: str) -> Iterator[str]:
    bare = token.strip()
    if token.startswith(" "):
        yield "tokens that start with a space"
    if len(token) == 1:
        yield "tokens of one character"
    if not bare:
        if "\n" in token:
            yield "tokens with a line break"
        return
    if bare.isalpha():
        folded = bare.lower()
        yield f"tokens that read {folded!r} but for case and spaces"
        yield f"words that start with {folded[:2]!r}"
        yield f"words that end in {folded[-2:]!r}"
        yield f"words of {len(bare)} letters"
        if bare.islower():
            yield "words in small letters"
        if bare.isupper() and len(bare) > 1:
            yield "words in capitals"
        elif bare[0].isupper():
            yield "words with a capital at the start"
    elif bare.isdigit():
        yield "numbers"
        yield f"numbers of {len(bare)} digits"
    else:
        if not any(c.isalnum() for c in bare):
            yield "tokens of signs alone"
        for sign in sorted({c for c in bare if not c.isalnum() and not c.isspace() and c != "\ufffd"}):
            yield f"tokens that contain {sign!r}"
