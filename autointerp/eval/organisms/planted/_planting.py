"""Planting: from a host and what is asked for to a network, a dictionary and their truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autointerp.eval.organisms._saving import opaque_name
from autointerp.eval.organisms.planted._effects import Effect, draw_effect
from autointerp.eval.organisms.planted._features import Latent, Wish, draw_all
from autointerp.eval.organisms.planted._function import Part
from autointerp.eval.organisms.planted._host import Floats, Host
from autointerp.eval.organisms.planted._machine import LEVELS, Tables
from autointerp.eval.organisms.planted._rows import RowMaker, Rows
from autointerp.eval.organisms.planted._source import Source
from autointerp.eval.organisms.planted._truth import PlantedLatent, PlantedTruth
from autointerp.eval.organisms.planted._values import Values, valued
from autointerp.eval.organisms.planted.kinds import KINDS
from autointerp.eval.organisms.planted.network import ExtendedConfig, ExtendedForCausalLM, Extension

#: Densities that are drawn where none is asked for: rare enough to cost little, frequent enough to be measured.
_RAREST, _DENSEST = 0.003, 0.02
#: By how much logits move at the mean activation where nothing is asked for.
STRENGTH = 2.0
NOISE, DEAD, SHUFFLED = "noise", "dead", "shuffled"


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes
    ----------
    kinds: one feature of each of these is planted, and of a name that occurs twice, two.
    nulls: how many latents there are of each kind of null.
    noise: how much of the correlation of activations with the truth is to be missing.
    density: how often features are to be active; None for as often as the dictionary's other latents are.
    strength: by how much logits move at a latent's mean activation.
    """

    kinds: tuple[str, ...]
    seed: int
    nulls: int = 2
    noise: float = 0.05
    density: float | None = None
    strength: float = STRENGTH


@dataclass(frozen=True, eq=False)
class Planted:
    """The network, the dictionary with the planted latents, and what they are."""

    module: ExtendedForCausalLM
    dictionary: Source
    truth: PlantedTruth


@dataclass(frozen=True, eq=False)
class _Unit:
    """A latent that the network writes, with all that was drawn for it; `feature` is the number of its feature."""

    latent: Latent
    feature: int
    values: Values


def plant(host: Host, order: Order, *, modest: bool = False) -> Planted:
    """Plant what is asked for; if `modest`, where the stream varies little, which costs the host less and shows more.

    Raises OrganismError for densities that cannot be had, and for more latents than there is room for.
    """
    units = _units(host, order)
    random = np.random.default_rng([order.seed, 13])
    maker = RowMaker(host, random)
    rows = maker.planted(np.array([unit.latent.density for unit in units]), modest=modest)
    densities = random.choice([pattern.density for pattern in host.patterns], size=order.nulls)
    everything = rows.joined(maker.noise(densities)).joined(maker.dead(order.nulls))
    places = random.permutation(host.source.size + len(everything.b_enc))
    number = np.argsort(places)[host.source.size :].tolist()
    extended = host.source.extended(
        {
            "encoder": everything.encoder,
            "decoder": everything.decoder,
            "b_enc": everything.b_enc,
            "threshold": everything.threshold,
        },
        places,
        opaque_name("planted", host.subject.fingerprint, order),
    )
    effects, effect_rows = _effects(host, order, units, rows, random)
    keys = random.integers(1, 2**62, size=len(units))
    module = _module(host, units)
    _fill(module.extension, host, units, rows, effect_rows, keys)
    latents = tuple(
        _planted_latent(unit, number[i], effects[i], rows.decoder[i])
        for i, unit in enumerate(units)
        if unit.latent.kind != SHUFFLED
    )
    nulls = {
        SHUFFLED: tuple(number[i] for i, unit in enumerate(units) if unit.latent.kind == SHUFFLED),
        NOISE: tuple(number[len(units) : len(units) + order.nulls]),
        DEAD: tuple(number[len(units) + order.nulls :]),
    }
    assert host.source.place is not None
    truth = PlantedTruth(latents, nulls, host.source.place, _tokens(host))
    return Planted(module, extended, truth)


def _units(host: Host, order: Order) -> list[_Unit]:
    """What is asked for, drawn, and the latents whose activations are another's on other text."""
    random = np.random.default_rng([order.seed, 12])
    usual = [pattern.density for pattern in host.patterns]
    wishes = [
        Wish(name, KINDS[name], order.density or float(np.clip(random.choice(usual), _RAREST, _DENSEST)))
        for name in order.kinds
    ]
    drawn = draw_all(wishes, host.sample, order.seed) if wishes else []
    drawn += [[_shuffled(host, random)] for _ in range(order.nulls)]
    units = []
    for feature, latents in enumerate(drawn):
        for latent in latents:
            template = host.patterns[int(random.integers(len(host.patterns)))].activations
            values = valued(template, latent.shares, order.noise, known=latent.tables is not None)
            units.append(_Unit(latent, feature, values))
    return units


def _shuffled(host: Host, random: np.random.Generator) -> Latent:
    density = host.patterns[int(random.integers(len(host.patterns)))].density
    shares = np.full(1 + LEVELS, density / LEVELS)
    shares[0] = 1 - density
    part = Part(None, "another latent's activations, each at another token", idle=True)
    return Latent(SHUFFLED, part, None, shares)


def _effects(
    host: Host, order: Order, units: Sequence[_Unit], rows: Rows, random: np.random.Generator
) -> tuple[list[Effect], list[Floats]]:
    effects, found = [], []
    for unit, direction in zip(units, rows.decoder, strict=True):
        idle = unit.latent.part.idle
        strength = 0.0 if idle else order.strength
        effect, row = draw_effect(direction, host.lens, unit.values.mean, unit.latent.density, strength, random)
        effects.append(Effect((), 0.0, 0.0) if idle else effect)
        found.append(row)
    return effects, found


def _module(host: Host, units: Sequence[_Unit]) -> ExtendedForCausalLM:
    """The host with an extension that is still empty."""
    inner = host.subject.module
    network: dict[str, Any] = json.loads(inner.config.to_json_string(use_diff=False))
    network["architectures"] = [type(inner).__name__]
    network.pop("_name_or_path", None)
    config = ExtendedConfig(
        network=network,
        depth=host.source.depth,
        units=len(units),
        cells=sum(_cells(unit.latent.tables) for unit in units),
        bos_token_id=host.subject.bos,
        pad_token_id=host.subject.padding,
    )
    with torch.random.fork_rng(devices=[]):
        module = ExtendedForCausalLM(config)
    module.network.load_state_dict(inner.state_dict())
    return module.eval().requires_grad_(False)  # type: ignore[no-any-return]


def _cells(tables: Tables | None) -> int:
    return 1 if tables is None else tables.states.size


def _fill(
    extension: Extension, host: Host, units: Sequence[_Unit], rows: Rows, effects: Sequence[Floats], keys: Any
) -> None:
    """Give an extension its tables and weights."""
    first = 0
    for number, unit in enumerate(units):
        tables = unit.latent.tables
        size = _cells(tables)
        extension.first[number], extension.sizes[number] = first, 1 if tables is None else tables.states.shape[1]
        if tables is not None:
            extension.classes[number] = torch.from_numpy(tables.classes)
            extension.following[first : first + size] = torch.from_numpy(tables.states.ravel())
            extension.level[first : first + size] = torch.from_numpy(tables.levels.ravel())
        first += size
        extension.quantiles[number] = torch.from_numpy(unit.values.quantiles)
        extension.cumulated[number] = torch.from_numpy(np.cumsum(unit.values.shares))
        extension.redrawn[number] = unit.values.resampled
    source = host.source
    overlaps = rows.encoder @ rows.decoder.T
    for name, values in (
        ("keys", keys),
        ("reading", rows.encoder),
        ("bias", source.offsets(rows.encoder, rows.b_enc)),
        ("threshold", rows.threshold),
        ("direction", rows.decoder),
        # Rounding leaves a little of one latent in what another reads, which is made up for here.
        ("writing", np.linalg.inv(overlaps).T @ rows.decoder),
        ("effect", np.stack(effects)),
    ):
        getattr(extension, name).copy_(torch.from_numpy(np.asarray(values)))


def _planted_latent(unit: _Unit, index: int, effect: Effect, direction: Floats) -> PlantedLatent:
    known = unit.latent.part.function is not None
    return PlantedLatent(
        index=index,
        feature=unit.feature,
        kind=unit.latent.kind,
        role=unit.latent.part.role,
        function=unit.latent.part.function,
        amounts=tuple(unit.values.middle.tolist()),
        density=unit.latent.density,
        agreement=unit.values.agreement if known else None,
        effect=effect,
        direction=tuple(direction.tolist()),
    )


def _tokens(host: Host) -> Any:
    strings, encode = host.subject.strings, host.subject.encode
    return lambda text: [strings[i] for i in encode(text)]
