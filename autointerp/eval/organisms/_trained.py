"""Realism level 2: an ordinary small transformer, trained so that known components carry the variables of a program.

Interchange intervention training (Geiger et al. 2022) in its strict form (Gupta et al., *InterpBench*, 2024): the network
learns the answers, the answers under interventions on one component or two, and not to care about components that belong to
no variable. Besides, in the first part of the training, heads are shown what to attend to, and each component's variable has
to be readable from it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from autointerp.activations import cache_folder
from autointerp.errors import OrganismError
from autointerp.eval.organisms._circuit import CircuitTruth, role_of
from autointerp.eval.organisms._circuit_organism import CircuitOrganism, circuit_card
from autointerp.eval.organisms._keeping import cached, keep
from autointerp.eval.organisms._protocol import Component, Knob, Measured, Node
from autointerp.eval.organisms._saving import opaque_name
from autointerp.eval.organisms.rasp import SPECIAL, Compiled, Given, Ints, Program, shuffled
from autointerp.eval.organisms.training import Lessons, Plan, Schedule, draw_plan, train
from autointerp.eval.organisms.transformer import SmallTransformerForCausalLM
from autointerp.records import Site, SiteKind

#: Raised when anything changes that the weights depend on.
_VERSION = 1
#: By attempt, how many times as long the training takes: another start often is enough, more steps nearly always.
_ATTEMPTS = (1, 1, 2, 4)
#: Development inputs and interventions on which a network has to be half-way between what is demanded and perfect.
_TRIALS = 2000
#: Inputs to learn from: all of them up to so many, else so many at random.
_POOL = 50_000


def trained(
    name: str, program: Program, compiled: Compiled, seed: int, schedule: Schedule | None = None
) -> CircuitOrganism:
    """Train a network to the causal model of a compiled one, or take it from the cache.

    Raises OrganismError where accuracy and IIA stay below what an organism has to have.
    """
    missed = ""
    for attempt, longer in enumerate(_ATTEMPTS):
        random = np.random.default_rng([seed, 2, attempt])
        strings = shuffled(compiled, random).strings
        plan = draw_plan(compiled.model, len(strings), random)
        pace = schedule or Schedule.for_depth(plan.config.num_hidden_layers, longer)
        key = opaque_name(_VERSION, torch.__version__, plan.model, strings, seed, attempt, pace)
        place = cache_folder() / "organisms" / f"{key}.safetensors"
        module = cached(place, plan.config)
        if module is None:
            module = train(plan, _lessons(plan, strings, random), seed + attempt, pace)
            keep(place, module)
        figures: dict[str, Knob] = {"level": 2, "seed": seed}
        truth = _truth(plan, module, strings)
        organism = CircuitOrganism(name, circuit_card(program, truth, figures), truth, module, strings, False)
        measured = organism.measure(seed=seed, count=_TRIALS, fresh=False)
        missed = ", ".join(f"{figure.name} {figure.value:.3f}" for figure in measured if not _clear(figure))
        if not missed:
            return organism
    raise OrganismError(
        f"no network learned {program.name} well enough ({missed}): take another seed or a shorter length"
    )


def _clear(figure: Measured) -> bool:
    return figure.holds and (figure.floor is None or figure.value >= (1 + figure.floor) / 2)


def _lessons(plan: Plan, strings: tuple[str, ...], random: np.random.Generator) -> Lessons:
    model = plan.model

    def ids(values: tuple[object, ...]) -> Ints:
        return np.array([strings.index(str(value), len(SPECIAL)) for value in values], dtype=np.int64)

    pool = model.inputs(below=_POOL, otherwise=_POOL, random=random)
    return Lessons(plan, pool, ids(model.vocabulary), ids(model[model.output].values), random)


def _truth(plan: Plan, module: SmallTransformerForCausalLM, strings: tuple[str, ...]) -> CircuitTruth:
    components: Mapping[str, Component] = plan.components
    tokens = module.model.embeddings.tokens.weight.detach().double()
    positions = module.model.embeddings.positions.weight.detach().double()

    def component(variable: Given) -> Component:
        own = [strings.index(str(value), len(SPECIAL)) for value in plan.model.vocabulary]
        rows = {"tokens": tokens[own], "indices": positions[1:]}.get(variable.origin, tokens[own].mean(0, keepdim=True))
        return Component(Site(layer=0, kind=SiteKind.EMBED), codes=tuple(map(tuple, rows.tolist())))

    nodes = tuple(
        Node(v.name, role_of(v), component(v) if isinstance(v, Given) else components[v.name])
        for v in plan.model.variables
    )
    return CircuitTruth(plan.model, nodes, plan.unused)
