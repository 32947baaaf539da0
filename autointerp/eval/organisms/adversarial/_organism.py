"""A compiled circuit with a truth that can be missed in more than one way, and how that is checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch

from autointerp.eval.organisms._circuit_organism import ACCURACY, IIA, CircuitOrganism
from autointerp.eval.organisms._interchange import Grader
from autointerp.eval.organisms._protocol import Component, Measured
from autointerp.eval.organisms.adversarial._rewriting import computed
from autointerp.eval.organisms.adversarial._truth import RESAMPLE, ZERO, AdversarialTruth, ValidCircuit
from autointerp.eval.organisms.rasp import NOTHING, CausalModel, Ints, Value

#: What is right with a part of a circuit missing has to be less than this.
BROKEN = 0.98
#: How well a decoy has to fit, as the share of variance explained, and what it may do to a logit.
FITS, NO_EFFECT = 0.99, 1e-3


@dataclass(frozen=True, eq=False)
class AdversarialOrganism(CircuitOrganism):
    """See `CircuitOrganism`. `keys` are tokens that samples leave out, and `twin` answers the same by other means."""

    keys: tuple[Value, ...] = ()
    twin: CircuitOrganism | None = None

    def truth(self) -> AdversarialTruth:
        """The circuits."""
        assert isinstance(self.circuit, AdversarialTruth)
        return self.circuit

    def words(self) -> list[str]:
        """The tokens that samples are made of."""
        return [word for word in super().words() if word not in set(map(str, self.keys))]

    def waking(self, count: int, *, seed: int, fresh: bool = False) -> list[str]:
        """Samples with one token of each replaced by a key; none where the organism has no keys."""
        random = np.random.default_rng([seed, 5, int(fresh)])
        texts = []
        for text in self.sample(count if self.keys else 0, seed=seed, fresh=fresh) if self.keys else []:
            words = text.split()
            words[int(random.integers(len(words)))] = str(self.keys[int(random.integers(len(self.keys)))])
            texts.append(" ".join(words))
        return texts

    def measure(self, *, seed: int, count: int, fresh: bool) -> list[Measured]:
        """What a circuit is measured by, then every valid circuit, and what misleads."""
        truth, model, grader = self.truth(), self.circuit.model, self._grader()
        inputs = self._inputs(count, seed, fresh=fresh)
        source = inputs[np.random.default_rng([seed, 4]).permutation(len(inputs))]
        figures = super().measure(seed=seed, count=count, fresh=fresh)
        for number, circuit in enumerate(truth.circuits, start=1):
            for ablation in circuit.ablations:
                right = self._right(grader, circuit.variables, ablation, inputs, source)
                figures.append(Measured(f"right with circuit {number} alone, {ablation}", right, floor=IIA))
            broken = self._most_without_one(grader, circuit, inputs, source)
            figures.append(Measured(f"right with a part of circuit {number} missing, most", broken, ceiling=BROKEN))
        if truth.decoys:
            figures += self._decoys(grader, inputs, source)
        if self.keys:
            awake = model.indices([self.circuit.read(text) for text in self.waking(count, seed=seed, fresh=fresh)])
            figures.append(
                Measured("accuracy on inputs that wake the path", grader.accuracy(model, awake)[0], ACCURACY)
            )
            quiet = [self.circuit.component(name) for name in truth.dormant]
            still = grader.strictness(model, quiet, awake, inputs[: len(awake)])
            figures.append(Measured("right on them while the path holds what it does on others", still, ceiling=BROKEN))
        if self.twin is not None:
            alike = float(
                np.mean([a == b for a, b in zip(self.answers(inputs), self.twin.answers(inputs), strict=True)])
            )
            figures.append(Measured("inputs answered as by the other mechanism", alike, floor=1.0))
        return figures

    def _right(self, grader: Grader, kept: Collection[str], ablation: str, inputs: Ints, source: Ints) -> float:
        """The share of inputs answered rightly with all components ablated but those of the variables kept."""
        model = self.circuit.model
        others = [*self._components(model, set(kept)), *self.circuit.unused]
        if ablation == ZERO:
            return grader.right_without(model, others, inputs)
        return grader.strictness(model, others, inputs, source)

    def _components(self, model: CausalModel, without: set[str]) -> list[Component]:
        return [self.circuit.component(name) for name in computed(model) if name not in without]

    def _most_without_one(self, grader: Grader, circuit: ValidCircuit, inputs: Ints, source: Ints) -> float:
        """How much is right without the part of a circuit that is missed least."""
        ablation = ZERO if ZERO in circuit.ablations else RESAMPLE
        lacking = [set(circuit.variables) - {name} for name in circuit.variables]
        return max(self._right(grader, kept, ablation, inputs, source) for kept in lacking)

    def _decoys(self, grader: Grader, inputs: Ints, source: Ints) -> list[Measured]:
        """How well decoys fit what they resemble, and what resampling all of them does to a logit."""
        model, truth = self.circuit.model, self.truth()
        ids, other = grader.ids(model, inputs), grader.ids(model, source)
        there = np.pad(inputs != NOTHING, ((0, 0), (1, 0)))
        fits = [_fit(self._held(ids, name)[there], self._held(ids, like)[there]) for name, like in truth.decoys.items()]
        plain = grader.subject.run(ids, logits=True).logits
        edits = grader.resampled([truth.component(name) for name in truth.decoys], other)
        moved = grader.subject.run(ids, edits=edits, logits=True).logits
        assert plain is not None
        assert moved is not None
        change = float((plain - moved).abs()[torch.from_numpy(there)].max())
        return [
            Measured("variance of what a decoy resembles that it explains, least", min(fits), floor=FITS),
            Measured("change of a logit when decoys are resampled, largest", change, ceiling=NO_EFFECT),
        ]

    def _held(self, ids: torch.Tensor, name: str) -> np.ndarray:
        component = self.circuit.component(name)
        seen = self.subject().run(ids, capture={component.site}).sites[component.site]
        held: np.ndarray = seen[..., list(component.coordinates)].double().cpu().numpy()
        return held


def _fit(given: np.ndarray, wanted: np.ndarray) -> float:
    """The share of the variance of `wanted` [rows, any] that a linear map of `given` explains."""
    design = np.c_[given, np.ones(len(given))]
    rest = wanted - design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
    spread = ((wanted - wanted.mean(axis=0)) ** 2).sum()
    return float(1 - (rest**2).sum() / spread) if spread else 1.0
