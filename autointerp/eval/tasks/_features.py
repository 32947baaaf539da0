"""Features of a planted organism as problems: the kit, and how answers are held against the truth."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import numpy as np

from autointerp.errors import OrganismError, ProgramError
from autointerp.eval._answers import MOST_TOKENS, FeatureAnswer
from autointerp.eval._kits import laboratory_of
from autointerp.eval._protocol import Question
from autointerp.eval._tables import table_program
from autointerp.eval.organisms import make_organism, opaque_name
from autointerp.eval.organisms.planted import PlantedLatent, PlantedOrganism
from autointerp.eval.organisms.planted._machine import compiled
from autointerp.programs import predict
from autointerp.records import Program

#: Texts that an agent gets and that it is graded on.
TEXTS, GRADED = 1600, 300
#: How many seeds are tried for a world, and how far apart they are, so that no two worlds try the same.
_ATTEMPTS, _NEXT = 8, 1_000_003
#: Naming this many of the tokens that an effect has is naming enough.
_NAMED = 5
_ASKS = (
    "What does this feature of the dictionary respond to, and what does it do to the model's next-token logits? It may also"
    " mean nothing at all. Hand in a program that predicts its activation at every token of any text like those in the corpus,"
    " and the tokens whose logits it raises and lowers; or the verdict that it means nothing. You are graded on texts that you"
    " do not see."
)


@dataclass(frozen=True, eq=False)
class World:
    """A planted organism as files that many kits share, and the fresh texts that answers are graded on."""

    organism: PlantedOrganism
    seed: int

    @classmethod
    def make(cls, seed: int, nulls: int) -> World:
        """One feature of each kind, and so many latents of each kind of null."""
        for attempt in range(_ATTEMPTS):
            try:
                organism = make_organism("planted/mixed", seed=seed + attempt * _NEXT, nulls=nulls)
            except OrganismError:
                # Some seeds draw a density that their function does not reach on this host.
                continue
            assert isinstance(organism, PlantedOrganism)
            return cls(organism, seed)
        raise OrganismError(f"no features could be planted from {_ATTEMPTS} seeds after {seed}: give another seed")

    @cached_property
    def folder(self) -> Path:
        """The model, its dictionary and the texts for development."""
        root = Path(mkdtemp())
        finalize(self, shutil.rmtree, root, ignore_errors=True)
        subject = self.organism.save(root / "made").subject
        subject.rename(root / "model")
        shutil.rmtree(root / "made")
        with (root / "texts.jsonl").open("w", encoding="utf-8") as file:
            for text in self.organism.sample(TEXTS, seed=self.seed):
                file.write(json.dumps({"text": text}) + "\n")
        # Anyone could build it from what is there; that everyone has it saves each of them the time.
        laboratory_of(root, self.question("", 0))
        return root

    @cached_property
    def fresh(self) -> list[list[str]]:
        """Texts for grading, as token strings."""
        truth = self.organism.truth()
        return [truth.tokens(text) for text in self.organism.sample(GRADED, seed=self.seed, fresh=True)]

    def link(self, folder: Path) -> None:
        """Put the files into a kit, as links where the file system has them."""
        for source in sorted(self.folder.rglob("*")):
            target = folder / source.relative_to(self.folder)
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            try:
                os.link(source, target)
            except OSError:
                shutil.copy2(source, target)

    def question(self, task: str, index: int) -> Question:
        """What is asked about one feature; the same words for a planted feature and for one that means nothing."""
        return Question(
            problem=self.name(index),
            task=task,
            asks=_ASKS,
            model="model",
            dictionary="file:model/dictionary",
            feature=index,
            corpus="texts.jsonl",
        )

    def name(self, index: int) -> str:
        """An opaque name for the problem about one feature."""
        return opaque_name("problem", self.organism.name, index)

    def features(self) -> list[PlantedLatent]:
        """The planted latents in an order that says nothing."""
        latents = self.organism.truth().latents
        return [latents[i] for i in np.random.default_rng([self.seed, 31]).permutation(len(latents))]

    def nulls(self) -> list[tuple[str, int]]:
        """The latents that mean nothing, with why, in an order that says nothing."""
        found = [(why, number) for why, numbers in self.organism.truth().nulls.items() for number in numbers]
        return [found[i] for i in np.random.default_rng([self.seed, 32]).permutation(len(found))]

    def strings(self, latent: PlantedLatent) -> list[str]:
        """The tokens that an effect is about."""
        return [self.organism.subject().strings[i] for i in latent.effect.ids]


def worlds(seed: int, count: int, nulls: int, each: int) -> Iterator[World]:
    """As many worlds as `count` problems need, `each` of which has so many."""
    for number in range(-(-count // each)):
        yield World.make(1000 * seed + number, nulls)


def exact(world: World, latent: PlantedLatent) -> FeatureAnswer:
    """The truth about a planted latent: its state machine, written as a program, and all tokens of its effect."""
    tokens = tuple(world.strings(latent)[:MOST_TOKENS])
    raised = latent.effect.per_unit > 0
    return FeatureAnswer(
        program=None if latent.function is None else _program(latent, world.organism.subject().strings),
        promotes=tokens if raised else (),
        suppresses=() if raised else tokens,
        confidence=1.0,
    )


def _program(latent: PlantedLatent, strings: Sequence[str]) -> str:
    assert latent.function is not None
    tables = compiled(latent.function.machine(), strings)
    usual = int(np.bincount(tables.classes).argmax())
    classes = {token: int(c) for token, c in zip(strings, tables.classes, strict=True) if c != usual}
    return (
        f"CLASS = {classes!r}\nNEXT = {tables.states.tolist()!r}\nLEVEL = {tables.levels.tolist()!r}\n"
        f"AMOUNT = {[round(amount, 6) for amount in latent.amounts]!r}\n\n\n"
        "def predict(tokens):\n    state, out = 0, []\n    for token in tokens:\n"
        f"        kind = CLASS.get(token, {usual})\n        out.append(AMOUNT[LEVEL[state][kind]])\n"
        "        state = NEXT[state][kind]\n    return out\n"
    )


def guess(world: World, seed: int) -> FeatureAnswer:
    """A table of a few tokens with activations, and tokens for the effect, all of them drawn at random."""
    random = np.random.default_rng(seed)
    drawn = [str(token) for token in random.choice(world.organism.subject().strings, size=20, replace=False)]
    table = dict(zip(drawn[:10], random.uniform(1, 10, size=10).round(1).tolist(), strict=True))
    source = table_program(table)
    return FeatureAnswer(program=source, promotes=tuple(drawn[10:15]), suppresses=tuple(drawn[15:]))


def against(world: World, latent: PlantedLatent, answer: FeatureAnswer) -> tuple[dict[str, float], str | None]:
    """The figures of an answer about a planted latent, and why there are none about where it fires.

    `agreement` is the correlation (Pearson) with the true function, at least 0; `too wide` the share of the predicted
    activation at tokens where the function is silent, `too narrow` the share of the true activation at tokens where nothing is
    predicted; `output` the F1 of the tokens named, as raised or lowered, against those of the effect.
    """
    parts = {"output": _output(world, latent, answer)}
    if latent.function is None:
        return parts, None
    if answer.program is None:
        return parts | {"agreement": 0.0}, "no program was handed in"
    try:
        predicted = _joined(predict(Program(source=answer.program), world.fresh))
    except ProgramError as error:
        return parts | {"agreement": 0.0}, f"the program failed: {error}"
    true = _joined(latent.activations(tokens) for tokens in world.fresh)
    said = np.clip(predicted, 0, None)
    if said.sum():
        parts["too wide"] = float(said[true == 0].sum() / said.sum())
    if true.sum():
        parts["too narrow"] = float(true[said == 0].sum() / true.sum())
    return parts | {"agreement": _correlation(predicted, true)}, None


def _joined(rows: Iterable[Sequence[Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.concatenate([np.asarray(row, dtype=np.float64) for row in rows])


def _correlation(first: Any, second: Any) -> float:
    if not first.std() or not second.std():
        return float(np.array_equal(first, second))
    return max(0.0, min(1.0, float(np.corrcoef(first, second)[0, 1])))


def _output(world: World, latent: PlantedLatent, answer: FeatureAnswer) -> float:
    """F1 of the named tokens; a token named on the wrong side counts against it, and naming a few of them all is enough."""
    true = set(world.strings(latent))
    right, wrong = (
        (answer.promotes, answer.suppresses)
        if latent.effect.per_unit > 0
        else (
            answer.suppresses,
            answer.promotes,
        )
    )
    hits = len(true & (set(right) - set(wrong)))
    if not hits:
        return 0.0
    # An effect that lowers some tokens raises all others in probability: what is named on the other side is no mistake there,
    # unless it is one of those tokens.
    precision = hits / max(1, len(set(right) | (set(wrong) & true)))
    recall = min(1.0, hits / min(_NAMED, len(true)))
    return 2 * precision * recall / (precision + recall)
