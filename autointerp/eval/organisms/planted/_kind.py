"""Planted features as a kind of organism: what an entry point names."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import numpy as np
from torch import nn

from autointerp.errors import OrganismError
from autointerp.eval.organisms._protocol import Card, Knob
from autointerp.eval.organisms._saving import opaque_name
from autointerp.eval.organisms.planted._checking import MOST_LOSS, loss
from autointerp.eval.organisms.planted._host import Host
from autointerp.eval.organisms.planted._organism import PlantedOrganism, ShuffledLayers, planted_card
from autointerp.eval.organisms.planted._planting import STRENGTH, Order, plant
from autointerp.eval.organisms.planted._source import BUNDLED
from autointerp.eval.organisms.planted._truth import PlantedTruth
from autointerp.eval.organisms.planted.kinds import KINDS
from autointerp.models import Subject

MIXED, NULLS, LAYERS = "mixed", "nulls", "shuffled_layers"
DECOY = "decoy"
_OTHERS = {
    MIXED: "One feature of every kind that has an effect.",
    NULLS: "No feature at all: noise, dead latents, and activations on other text than they belong to.",
    LAYERS: "The host with its layers in another order, which computes nothing that its dictionary knows.",
}
#: Texts on which the cost to the host is measured before an organism is handed out.
_TRIED = 96
#: How much of what it may cost it may cost there, so that it costs no more elsewhere.
_SAFE = 0.8
_RANGES = {"noise": (0.0, 0.5), "strength": (0.05, 20.0), "count": (1, 32), "nulls": (0, 64)}


class PlantedFeatures:
    """Features planted in a model.

    Knobs: `noise` (how much of the correlation of activations with the truth is missing), `density` (the share of positions at
    which a feature is active; of a negated one, silent), `strength` (by how much a latent moves logits at its mean activation),
    `count` (features of each kind), `nulls` (latents of each kind of null), and where: `host` (a model as `Subject.load` takes
    it), `dictionary` (a SAELens folder on its stream) and `corpus` (as `open_corpus` takes it).
    """

    knobs: Mapping[str, Knob | None] = {
        "noise": 0.05,
        "density": None,
        "strength": STRENGTH,
        "count": None,
        "nulls": 2,
        "host": "pystdlib",
        "dictionary": BUNDLED,
        "corpus": "stdlib",
    }

    def names(self) -> tuple[str, ...]:
        """Every kind of feature, all of them together, and the nulls."""
        return (*KINDS, *_OTHERS)

    def describe(self, name: str) -> str:
        """One line about an organism."""
        _known(name)
        return _OTHERS[name] if name in _OTHERS else KINDS[name].summary

    def make(self, name: str, *, seed: int, **knobs: Knob) -> PlantedOrganism:
        """Plant features by name.

        Raises OrganismError for an unknown name, and with every reason at once for knobs out of range, for a host and a
        dictionary in which nothing can be planted, and for densities that no function reaches; also where the effects would
        cost the host more than 2% of its loss.
        """
        _known(name)
        settings = {**self.knobs, **knobs}
        order = _order(name, seed, settings)
        host = _host(str(settings["host"]), str(settings["dictionary"]), str(settings["corpus"]))
        return plant_in(host, order) if name != LAYERS else shuffled_layers(host, seed)


def plant_in(host: Host, order: Order) -> PlantedOrganism:
    """Plant what is asked for in a host, which `Host.open` makes of any causal subject. Raises OrganismError; see `make`."""
    name = opaque_name("planted", host.subject.fingerprint, order)
    texts = host.texts.sample(_TRIED, seed=order.seed, fresh=False)
    before = loss(host.subject, texts)
    for modest in (False, True):
        planted = plant(host, order, modest=modest)
        card = planted_card(order, planted.truth, host)
        organism = PlantedOrganism(name, card, host, planted.module, planted.dictionary, planted.truth, order.noise)
        rise = loss(organism.subject(), texts) / before - 1
        if rise <= _SAFE * MOST_LOSS:
            return organism
    raise OrganismError(
        f"these features would raise the loss of {host.subject.name} by {rise:.1%} on the texts that it is tried on, at most"
        f" {_SAFE * MOST_LOSS:.1%} is allowed there: lower strength, density or count"
    )


def shuffled_layers(host: Host, seed: int) -> ShuffledLayers:
    """The host with its layers in another order. Raises OrganismError for a host of one layer."""
    paths = host.subject._layout.anatomy.blocks
    if len(paths) < 2:
        raise OrganismError(f"{host.subject.name} has {len(paths)} layers: there is no other order of them")
    module = deepcopy(host.subject.module)
    random = np.random.default_rng([seed, 19])
    order = random.permutation(len(paths))
    while (order == np.arange(len(paths))).all():
        order = random.permutation(len(paths))
    blocks = [module.get_submodule(paths[i]) for i in order.tolist()]
    for path, block in zip(paths, blocks, strict=True):
        parent, _, last = path.rpartition(".")
        _replace(module.get_submodule(parent), last, block)
    assert host.source.place is not None
    truth = PlantedTruth((), {"shuffled layers": tuple(range(host.source.size))}, host.source.place, _no_tokens)
    card = Card(
        title="shuffled layers",
        kind="null",
        summary=_OTHERS[LAYERS],
        mechanism=(f"Layer {', '.join(map(str, order.tolist()))} of {host.subject.name}, one after the other.",),
        figures={"seed": seed},
    )
    name = opaque_name(LAYERS, host.subject.fingerprint, seed)
    return ShuffledLayers(name, card, host, module, host.source, truth, 0.0)


def _replace(parent: Any, name: str, block: nn.Module) -> None:
    parent[int(name)] = block


def _no_tokens(text: str) -> list[str]:
    del text
    return []


def _known(name: str) -> None:
    if name not in KINDS and name not in _OTHERS:
        raise OrganismError(f"no planted features {name!r}: there are {', '.join((*KINDS, *_OTHERS))}")


def _order(name: str, seed: int, settings: Mapping[str, Any]) -> Order:
    reasons = []
    for knob, (least, most) in _RANGES.items():
        value = settings[knob]
        if value is not None and not least <= value <= most:
            reasons.append(f"{knob} is {value}, and has to be from {least} to {most}")
    density = settings["density"]
    if density is not None and not (isinstance(density, int | float) and 0 < density < 1):
        reasons.append(
            f"density is {density}, and no latent is active at another share of positions than between 0 and 1"
        )
    if reasons:
        raise OrganismError(f"no planted features with these knobs: {'; '.join(reasons)}")
    count = settings["count"] or (1 if name == MIXED else 4)
    kinds = tuple(kind for kind in KINDS if kind != DECOY) if name == MIXED else (name,) if name in KINDS else ()
    nulls = max(1, settings["nulls"]) if name == NULLS else settings["nulls"]
    return Order(
        kinds=tuple(kind for kind in kinds for _ in range(count)),
        seed=seed,
        nulls=nulls,
        noise=float(settings["noise"]),
        density=None if density is None else float(density),
        strength=float(settings["strength"]),
    )


@lru_cache(maxsize=2)
def _host(model: str, dictionary: str, corpus: str) -> Host:
    """Kept, since what a host does on its sample is the same for every seed."""
    return Host.open(Subject.load(model), dictionary, corpus)
