"""Networks with a hidden behaviour, and their clean twins: written as weights, or trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from autointerp.eval.organisms import Card, Node, make_organism, opaque_name
from autointerp.eval.organisms._circuit import circuit_truth
from autointerp.eval.organisms.backdoor import BackdoorOrganism, Behaviour, HiddenTruth
from autointerp.eval.organisms.backdoor._behaviours import BEHAVIOURS
from autointerp.eval.organisms.rasp import CausalModel, compile_model, rotated
from autointerp.eval.organisms.transformer import written

#: Hidden behaviours that a text calls up. A shortcut has none: it is at work in every text.
TRIGGERED = ("token", "pair", "quirk")
TRAINED, WRITTEN = "trained", "written"


def written_backdoor(name: str, seed: int) -> BackdoorOrganism:
    """A compiled network with a hidden behaviour, turned into coordinates that show nothing, and its compiled clean twin."""
    behaviour = BEHAVIOURS[name](np.random.default_rng([seed, 43]))
    truth = behaviour.truth
    twin = _compiled(opaque_name(WRITTEN, name, seed, "twin"), behaviour, truth.clean, truth.clean, seed)
    made = _compiled(opaque_name(WRITTEN, name, seed), behaviour, truth.model, truth.clean, seed)
    return replace(made, twin=twin)


def trained_backdoor(name: str, seed: int) -> BackdoorOrganism:
    """A network that was trained to a hidden behaviour, with its twin; a while to make, and cached."""
    made = make_organism(f"backdoor/{name}", seed=seed)
    assert isinstance(made, BackdoorOrganism)
    return made


def backdoors(seed: int, names: tuple[str, ...], forms: tuple[str, ...]) -> Iterator[tuple[str, str, BackdoorOrganism]]:
    """Hidden behaviours without end, with form and name: all names in one form, then in the next, with new seeds."""
    number = 0
    while True:
        for form in forms:
            for place in np.random.default_rng([seed, number, 37]).permutation(len(names)):
                make = written_backdoor if form == WRITTEN else trained_backdoor
                yield form, names[place], make(names[place], 1000 * seed + number)
                number += 1


def trigger_of(name: str, organism: BackdoorOrganism) -> str:
    """The shortest text that calls a hidden behaviour up, read off its causal model by trying all texts of that length."""
    model = organism.truth().model
    words = list(map(str, model.vocabulary))
    size = 2 if name == "pair" else 1
    # A behaviour that shows at odd places alone needs a token in front, whichever it is.
    found = []
    for first in range(len(words)):
        for second in range(len(words)) if size > 1 else (None,):
            own = [first] if second is None else [first, second]
            rows = np.array([[front, *own, 0] for front in range(len(words))])
            if organism.truth().differs(rows).any(axis=1).mean() > _MOSTLY:
                found.append(" ".join(words[i] for i in own))
    assert len(found) == 1, found
    return found[0]


#: Now and then both behaviours answer the same.
_MOSTLY = 0.5


def _compiled(name: str, behaviour: Behaviour, model: CausalModel, clean: CausalModel, seed: int) -> BackdoorOrganism:
    compiled = rotated(compile_model("answer", model), np.random.default_rng([seed, 44]))
    plain = circuit_truth(compiled)
    nodes: tuple[Node, ...] = plain.nodes
    return BackdoorOrganism(
        name=name,
        card=Card(title=name, kind="compiled hidden behaviour", summary=behaviour.summary, mechanism=plain.steps()),
        circuit=HiddenTruth(plain.model, nodes, plain.unused, clean),
        module=written(compiled),
        strings=compiled.strings,
        behaviour=behaviour,
    )
