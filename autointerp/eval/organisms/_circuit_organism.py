"""A network with the truth of a circuit: how it is sampled, checked, saved and studied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from autointerp.errors import OrganismError
from autointerp.eval.organisms._circuit import CircuitTruth
from autointerp.eval.organisms._interchange import Grader, draw_swaps, scrambled
from autointerp.eval.organisms._protocol import Card, Knob, Measured, Saved
from autointerp.eval.organisms._saving import is_fresh, save_network, save_organism, word_tokenizer
from autointerp.eval.organisms.rasp import BOS, NOTHING, PAD, UNKNOWN, Given, Ints, Program
from autointerp.models import Subject

#: What has to hold at every level of realism.
ACCURACY, IIA = 0.995, 0.99
#: A wrong model may not come closer than this.
WRONG_IIA = 0.9
_ATTEMPTS = 1000


@dataclass(frozen=True, eq=False)
class CircuitOrganism:
    """A network that computes a causal model; see `Organism`.

    `strings` are the texts of the token ids. `exchanges_tokens` says whether a check exchanges tokens too, by their directions
    in the embedding, which a trained network does not have to keep apart from the others.
    """

    name: str
    card: Card
    circuit: CircuitTruth
    module: Any
    strings: tuple[str, ...]
    exchanges_tokens: bool = True

    def truth(self) -> CircuitTruth:
        """The circuit."""
        return self.circuit

    def tokenizer(self) -> Any:
        """Words between spaces, as ids."""
        return word_tokenizer(self.strings, bos=BOS, pad=PAD, unknown=UNKNOWN)

    def subject(self) -> Subject:
        """The network, loaded as from any folder; kept once it is."""
        return self._subject

    @cached_property
    def _subject(self) -> Subject:
        with TemporaryDirectory() as folder:
            save_network(Path(folder) / self.name, self.module, self.tokenizer())
            return Subject.load(str(Path(folder) / self.name))

    def sample(self, count: int, *, seed: int, fresh: bool = False) -> list[str]:
        """Inputs of all lengths, longer ones more often; see `Organism.sample`.

        Raises OrganismError where there are too few different inputs to have any on this side of the split.
        """
        random = np.random.default_rng([seed, int(fresh)])
        model, texts = self.circuit.model, []
        words = self.words()
        for _ in range(_ATTEMPTS * count):
            # The larger of two draws: there are far more long inputs than short ones.
            length = int(random.integers(1, model.length + 1, size=2).max())
            text = " ".join(random.choice(words, size=length))
            if is_fresh(text) == fresh:
                texts.append(text)
            if len(texts) == count:
                return texts
        raise OrganismError(f"{len(words)} tokens in up to {model.length} places are too few inputs to sample from")

    def words(self) -> list[str]:
        """The tokens that samples are made of."""
        return list(map(str, self.circuit.model.vocabulary))

    def save(self, folder: Path) -> Saved:
        """See `Organism.save`."""
        record = {"name": self.name, "card": self.card.record(), **self.circuit.record()}
        return save_organism(folder, self.name, self.module, self.tokenizer(), record, self.card)

    def answers(self, inputs: Ints) -> list[list[str]]:
        """The network's answers to inputs given as indices into the vocabulary, as texts; none beyond an input's end."""
        answers = self._grader().all_answers(self.circuit.model, inputs)
        return [
            [self.strings[i] for i, token in zip(row, given, strict=True) if token != NOTHING]
            for row, given in zip(answers, inputs, strict=True)
        ]

    def check(self, *, seed: int = 0, count: int = 1000) -> list[Measured]:
        """Accuracy, IIA of the truth and of a wrong model of its size, and whether unused components are without effect."""
        return self.measure(seed=seed, count=count, fresh=True)

    def measure(self, *, seed: int, count: int, fresh: bool) -> list[Measured]:
        """What `check` measures, on fresh inputs or on those for development."""
        random = np.random.default_rng([seed, 2])
        model, grader, inputs = self.circuit.model, self._grader(), self._inputs(count, seed, fresh=fresh)
        swaps = draw_swaps(model, self.variables(), inputs, count, random)
        accuracy, whole = grader.accuracy(model, inputs)
        figures = [
            Measured("accuracy", accuracy, floor=ACCURACY),
            Measured("accuracy of whole inputs", whole),
            Measured("IIA of the true model", grader.iia(model, swaps), floor=IIA),
            Measured("IIA of a scrambled model", grader.iia(scrambled(model, random), swaps), ceiling=WRONG_IIA),
        ]
        if self.circuit.unused:
            source = inputs[random.permutation(len(inputs))]
            strict = grader.strictness(model, self.circuit.unused, inputs, source)
            figures.append(Measured("right while unused parts are resampled", strict, floor=IIA))
        return figures

    def bears_out(self, count: int) -> bool:
        """Whether not one of `count` development inputs and interventions goes wrong; what a maker chooses by."""
        random = np.random.default_rng(3)
        model, grader, inputs = self.circuit.model, self._grader(), self._inputs(count, 3, fresh=False)
        if grader.accuracy(model, inputs)[1] < 1:
            return False
        if grader.iia(model, draw_swaps(model, self.variables(), inputs, count, random)) < 1:
            return False
        source = inputs[random.permutation(len(inputs))]
        return grader.strictness(model, self.circuit.unused, inputs, source) == 1

    def variables(self) -> list[str]:
        """The variables that can be exchanged: those that components compute, and the tokens if their directions are known.

        What is at an index is the same index in every input.
        """
        return [
            v.name
            for v in self.circuit.model.variables
            if not isinstance(v, Given) or (self.exchanges_tokens and v.origin == "tokens")
        ]

    def _grader(self) -> Grader:
        return Grader(self.subject(), self.strings, {node.name: node.component for node in self.circuit.nodes})

    def _inputs(self, count: int, seed: int, *, fresh: bool) -> Ints:
        model = self.circuit.model
        return model.indices([self.circuit.read(text) for text in self.sample(count, seed=seed, fresh=fresh)])


def circuit_card(program: Program, truth: CircuitTruth, figures: Mapping[str, Knob]) -> Card:
    """What the program does and how, with the component of each step."""
    given: dict[str, Knob] = {
        "inputs": " ".join(map(str, truth.model.vocabulary)),
        "longest input": program.length,
        "causal": program.causal,
    }
    return Card(
        title=program.name,
        kind=f"compiled circuit, {program.family}",
        summary=program.summary,
        mechanism=truth.steps(),
        figures={**figures, **given},
    )
