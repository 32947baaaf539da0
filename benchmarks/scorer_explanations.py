"""Explanations of planted features that are wrong in known ways, and how true each of them is.

How true an explanation is, is computed and not decreed: from the organism's truth() on fresh texts, without the network and
without any scorer. For the input side it is the share of activation mass that is right, Σ min(said, true) / Σ max(said, true)
over all tokens (Ruzicka 1958): what is missed and what is made up cost alike, by how much of it there is. For effect claims it
is the share of the true activations at which each claim holds, in the mean over the claims.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autointerp.eval.organisms.planted import PlantedLatent
from autointerp.records import EffectClaim, Explanation, Intervention, Program, PromptKind, Verdict

SHARES = (0.1, 0.25, 0.5)
EXACT, OTHER, EMPTY = "exact", "another feature's", "empty"
#: What claims promise, as shares of the effect at the feature's mean activation, and how many times that is too much.
PROMISED, TOO_MUCH = (0.3, 0.6, 0.9), 2.0

Texts = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Rule:
    """Active on the tokens in `table`, at their values; with a `context` only within `window` tokens after one of it."""

    table: Mapping[str, float]
    context: frozenset[str] = frozenset()
    window: int = 0

    @classmethod
    def of(cls, latent: PlantedLatent) -> Rule:
        """What a planted latent does, for the kinds that are sets of tokens, with a context or without."""
        function = latent.function
        assert function is not None
        table = {token: latent.amounts[level] for token, level in function.marks.items()}  # type: ignore[attr-defined]
        return cls(table, getattr(function, "context", frozenset()), getattr(function, "window", 0))

    def activations(self, tokens: Sequence[str]) -> list[float]:
        """At every token."""
        return [self._at(tokens, place) for place in range(len(tokens))]

    def _at(self, tokens: Sequence[str], place: int) -> float:
        value = self.table.get(tokens[place], 0.0)
        if value and self.context and not self.context.intersection(tokens[max(0, place - self.window) : place]):
            return 0.0
        return value

    def program(self) -> Program:
        """The same as a program."""
        table, context = dict(sorted(self.table.items())), sorted(self.context)
        if not context:
            source = f"TABLE = {table!r}\n\ndef predict(tokens):\n    return [TABLE.get(t, 0.0) for t in tokens]\n"
        else:
            source = (
                f"TABLE = {table!r}\nCONTEXT = {context!r}\n\ndef predict(tokens):\n    out = []\n"
                "    for i in range(len(tokens)):\n"
                f"        near = [t for t in tokens[max(0, i - {self.window}):i] if t in CONTEXT]\n"
                "        out.append(TABLE.get(tokens[i], 0.0) if near else 0.0)\n    return out\n"
            )
        return Program(source=source)

    def words(self) -> str:
        """The same in words, levels left out; empty where it is never active."""
        if not self.table:
            return ""
        said = f"one of the tokens {listed(self.table)}"
        return f"{said} within {self.window} tokens after one of {listed(self.context)}" if self.context else said


@dataclass(frozen=True)
class Made:
    """An explanation by what is wrong with it, and how true it is, 0 to 1."""

    error: str
    explanation: Explanation
    quality: float


def listed(tokens: Iterable[str]) -> str:
    """Tokens in words, each as a literal."""
    return ", ".join(repr(token) for token in sorted(tokens))


def about_inputs(
    latent: PlantedLatent, other: PlantedLatent, strings: Sequence[str], texts: Texts, random: np.random.Generator
) -> list[Made]:
    """Explanations of where a feature fires. `other` is another feature, `texts` are fresh, in tokens."""
    rule = Rule.of(latent)
    counts = Counter(token for text in texts for token in text)
    tokens, mean = sorted(rule.table), float(np.mean(list(rule.table.values())))
    rules = {EXACT: rule}
    for share in SHARES:
        chosen = random.choice(tokens, size=max(1, round(share * len(tokens))), replace=False).tolist()
        kept = {token: value for token, value in rule.table.items() if token not in chosen}
        rules[f"{share:.0%} removed"] = Rule(kept, rule.context, rule.window)
        more = dict.fromkeys(alike(chosen, counts, set(tokens), random), mean)
        rules[f"{share:.0%} widened"] = Rule({**rule.table, **more}, rule.context, rule.window)
    wrong = alike(sorted(rule.context) or tokens[:4], counts, {*rule.context, *tokens}, random)
    rules["wrong context"] = Rule(rule.table, frozenset(wrong), rule.window or 3)
    promoted = {strings[i]: mean for i in latent.effect.ids}
    rules["output as input"] = Rule(promoted)
    rules[OTHER], rules[EMPTY] = Rule.of(other), Rule({})
    true = [latent.activations(text) for text in texts]
    assert all(said == found for said, found in zip(map(rule.activations, texts), true, strict=True))
    return [
        Made(
            name, explained(made.program(), made.words(), listed(promoted)), overlap(map(made.activations, texts), true)
        )
        for name, made in rules.items()
    ]


def about_outputs(
    latent: PlantedLatent, other: PlantedLatent, strings: Sequence[str], texts: Texts, random: np.random.Generator
) -> list[Made]:
    """Explanations whose claims of effects are wrong in known ways."""
    amounts = np.array([value for text in texts for value in latent.activations(text) if value])
    mean = float(amounts.mean())
    right = claims(latent, strings, mean)
    foreign = claims(other, strings, mean)
    apart = [i for i in range(len(strings)) if i not in latent.effect.ids]
    sets = {EXACT: right, OTHER: foreign, EMPTY: []}
    for share in (0.25, 0.5):
        chosen = set(random.choice(len(right), size=round(share * len(right)), replace=False).tolist())
        some = random.choice(apart, size=len(right)).tolist()
        edits: dict[str, Callable[..., dict[str, Any]]] = {
            "with a wrong sign": lambda n: {"sign": -right[n].sign},
            "about wrong tokens": lambda n, some=some: {"token_ids": (some[n],), "tokens": (strings[some[n]],)},
            "promising too much": lambda n: {"at_least": right[n].at_least * TOO_MUCH},
        }
        for error, edit in edits.items():
            sets[f"{share:.0%} {error}"] = [
                claim.model_copy(update=edit(n)) if n in chosen else claim for n, claim in enumerate(right)
            ]
    sets["all promising too much"] = [
        claim.model_copy(update={"at_least": claim.at_least * TOO_MUCH}) for claim in right
    ]
    return [
        Made(error, explained(None, "", "", some), float(np.mean([holds(c, latent, amounts) for c in some] or [0.0])))
        for error, some in sets.items()
    ]


def claims(latent: PlantedLatent, strings: Sequence[str], mean: float) -> list[EffectClaim]:
    """What ablating a latent where it fires does to every token that it moves, by three amounts each.

    Nothing is claimed of steering: truth() says what a unit of the latent does, not how much of what is added to the stream
    becomes activation where the latent is silent.
    """
    sign: Literal[-1, 1] = -1 if latent.effect.per_unit > 0 else 1
    return [
        EffectClaim(
            intervention=Intervention.ABLATE,
            prompts=PromptKind.FIRES,
            tokens=(strings[i],),
            token_ids=(i,),
            sign=sign,
            at_least=share * abs(latent.effect.per_unit) * mean,
        )
        for i in latent.effect.ids
        for share in PROMISED
    ]


def holds(claim: EffectClaim, latent: PlantedLatent, amounts: NDArray[np.float64]) -> float:
    """The share of true activations at which a claim holds. Tokens that are none of the latent's are taken not to move."""
    moved = np.array([latent.effect.per_unit if i in latent.effect.ids else 0.0 for i in claim.token_ids]).mean()
    return float((-claim.sign * moved * amounts >= claim.at_least).mean())


def overlap(said: Iterable[Sequence[float]], true: Iterable[Sequence[float | None]]) -> float:
    """Σ min / Σ max of two non-negative activations over all tokens."""
    least = most = 0.0
    for a, b in zip(said, true, strict=True):
        pairs = np.array([a, b], dtype=np.float64)
        least, most = least + float(pairs.min(0).sum()), most + float(pairs.max(0).sum())
    return least / most if most else 1.0


def alike(tokens: Sequence[str], counts: Counter[str], but: set[str], random: np.random.Generator) -> list[str]:
    """For every token another one that is about as frequent, none of them in `but` and none twice."""
    taken: set[str] = set()
    for token in tokens:
        free = [other for other in sorted(counts) if other not in but and other not in taken]
        near = sorted(free, key=lambda other: abs(np.log((counts[other] + 1) / (counts[token] + 1))))[:8]
        taken.add(near[int(random.integers(len(near)))])
    return sorted(taken)


def explained(
    program: Program | None, fires_on: str, promotes: str, effects: Sequence[EffectClaim] = ()
) -> Explanation:
    """All parts of an explanation; no summary, so that nothing is said beside them."""
    return Explanation(
        summary="",
        fires_on=fires_on,
        promotes=promotes,
        predictor=program,
        effects=tuple(effects),
        verdict=Verdict.EXPLAINED,
        confidence=1.0,
    )
