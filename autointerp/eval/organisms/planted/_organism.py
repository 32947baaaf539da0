"""Organisms with planted features, and the null that has the layers of its host in another order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.eval.organisms._protocol import Card, Measured, Saved
from autointerp.eval.organisms.planted._checking import MOST_LOSS, loss, measured
from autointerp.eval.organisms.planted._host import Host
from autointerp.eval.organisms.planted._planting import Order
from autointerp.eval.organisms.planted._source import Source
from autointerp.eval.organisms.planted._truth import PlantedTruth
from autointerp.eval.organisms.planted._writing import DICTIONARY, write_network, write_organism
from autointerp.models import Subject


@dataclass(frozen=True, eq=False)
class PlantedOrganism:
    """A host with features planted in it; see `autointerp.eval.organisms.Organism`."""

    name: str
    card: Card
    host: Host
    module: Any
    source: Source
    planted: PlantedTruth
    noise: float

    def truth(self) -> PlantedTruth:
        """What was planted, and where."""
        return self.planted

    def subject(self) -> Subject:
        """The network, loaded as from any folder; kept once it is."""
        return self._opened[0]

    def dictionary(self) -> Dictionary:
        """The host's dictionary with the planted latents among the others."""
        return self._opened[1]

    def sample(self, count: int, *, seed: int, fresh: bool = False) -> list[str]:
        """Runs of lines of the corpus; see `Organism.sample`. Raises OrganismError where there are too few."""
        return self.host.texts.sample(count, seed=seed, fresh=fresh)

    def save(self, folder: Path) -> Saved:
        """See `Organism.save`. The dictionary is the folder `dictionary` in that of the network."""
        tokenizer = self.host.subject.tokenizer
        return write_organism(folder, self.name, self.module, tokenizer, self.source, self.planted.record(), self.card)

    def check(self, *, seed: int = 0, count: int = 1000) -> list[Measured]:
        """Agreement, densities, effects on the logits and the rise of the host's loss, on fresh texts."""
        texts = self.sample(count, seed=seed, fresh=True)
        figures, own = measured(self.subject(), self.dictionary(), self.planted, texts, noise=self.noise, seed=seed)
        rise = own / loss(self.host.subject, texts) - 1
        return [*figures, Measured("rise of the host's loss", rise, ceiling=MOST_LOSS)]

    @cached_property
    def _opened(self) -> tuple[Subject, Dictionary]:
        # Weights of a dictionary are read when they are needed, so the folder stays as long as the organism.
        folder = mkdtemp()
        finalize(self, rmtree, folder, ignore_errors=True)
        place = Path(folder) / self.name
        write_network(place, self.module, self.host.subject.tokenizer, self.source)
        subject = Subject.load(str(place))
        return subject, open_dictionary(str(place / DICTIONARY), subject)


@dataclass(frozen=True, eq=False)
class ShuffledLayers(PlantedOrganism):
    """The host with its layers in another order and its dictionary as it was: what is found in it was never there."""

    def check(self, *, seed: int = 0, count: int = 1000) -> list[Measured]:
        """How much worse than its host it is at its task."""
        texts = self.sample(count, seed=seed, fresh=True)
        rise = loss(self.subject(), texts) / loss(self.host.subject, texts) - 1
        return [Measured("rise of the host's loss", rise)]


def planted_card(order: Order, truth: PlantedTruth, host: Host) -> Card:
    """What was planted, in words."""
    kinds = Counter(latent.kind for latent in truth.latents)
    steps = [
        f"Latent {latent.index} ({latent.kind}, {latent.role}) is {latent.words()}; {latent.effect.words()}."
        for latent in truth.latents
    ]
    steps += [
        f"Latents {', '.join(map(str, numbers))} mean nothing: {kind}."
        for kind, numbers in truth.nulls.items()
        if numbers
    ]
    return Card(
        title=", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nulls",
        kind="planted features",
        summary=f"Latents with known functions and effects among {host.source.size} of a dictionary for {host.subject.name}.",
        mechanism=tuple(steps),
        figures={
            "seed": order.seed,
            "noise": order.noise,
            "density": "as the others'" if order.density is None else order.density,
            "strength": order.strength,
        },
    )
