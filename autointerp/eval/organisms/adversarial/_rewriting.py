"""Causal models rewritten so that they mislead and still answer the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autointerp.eval.organisms.adversarial._truth import RESAMPLE, ZERO, ValidCircuit
from autointerp.eval.organisms.rasp import Attend, CausalModel, Encoding, Given, Lookup, Standby, Variable, Vote

#: Copies of which as many as `NEEDED` are enough: whatever one copy holds, the other two outvote it.
COPIES, NEEDED = 3, 2


@dataclass(frozen=True)
class Rewritten:
    """A causal model and what is to be known about it; see `AdversarialTruth`."""

    model: CausalModel
    circuits: tuple[ValidCircuit, ...]
    decoys: Mapping[str, str] = field(default_factory=dict)
    backups: Mapping[str, str] = field(default_factory=dict)
    dormant: tuple[str, ...] = ()


def replaceable(model: CausalModel) -> list[str]:
    """The variables that can be had twice: categorical ones that a component computes and that can differ."""
    return [
        v.name
        for v in model.variables
        if isinstance(v, Lookup | Attend) and v.encoding is Encoding.CATEGORICAL and len(v.values) > 1
    ]


def with_decoys(model: CausalModel, names: Sequence[str]) -> Rewritten:
    """Copies of these variables that nothing reads."""
    variables = list(model.variables)
    decoys: dict[str, str] = {}
    for name in names:
        decoy, route = _copy(model, name, "decoy")
        variables[_after(variables, name) : _after(variables, name)] = route
        decoys |= {copied.name: original for copied, original in zip(route, _route(model, name), strict=True)}
        assert decoy in decoys
    return Rewritten(
        replace(model, variables=tuple(variables)), (ValidCircuit(computed(model), (RESAMPLE, ZERO)),), decoys
    )


def with_redundancy(model: CausalModel, name: str) -> Rewritten:
    """Three copies of a variable, any two of which are enough."""
    routes = [_copy(model, name, str(number)) for number in range(1, COPIES + 1)]
    vote = Vote(name, model[name].values, tuple(copied for copied, _ in routes), NEEDED)
    rewritten = _in_place_of(model, name, [v for _, route in routes for v in route], vote)
    own = [[v.name for v in route] for _, route in routes]
    circuits = [
        _circuit(
            rewritten, {name for place, names in enumerate(own) if place == left for name in names}, (RESAMPLE, ZERO)
        )
        for left in range(COPIES)
    ]
    return Rewritten(rewritten, tuple(circuits))


def with_backup(model: CausalModel, name: str) -> Rewritten:
    """A reserve that computes the same as a variable, and is listened to only where that one writes nothing."""
    main, first = _copy(model, name, "main")
    reserve, second = _copy(model, name, "reserve")
    values = model[name].values
    standby = Standby(f"{name}.standby", values, main, reserve)
    vote = Vote(name, values, (main, standby.name), 1)
    rewritten = _in_place_of(model, name, [*first, *second, standby], vote)
    circuits = (
        _circuit(rewritten, {*(v.name for v in second), standby.name}, (RESAMPLE, ZERO)),
        _circuit(rewritten, {v.name for v in first}, (ZERO,)),
    )
    return Rewritten(rewritten, circuits, backups={standby.name: main})


def with_dormancy(model: CausalModel, awake: Sequence[str]) -> Rewritten:
    """Say of a model which of its variables (`awake`, in any order) matter on ordinary inputs; the model stays as it is."""
    dormant = tuple(name for name in computed(model) if name not in set(awake))
    return Rewritten(model, (_circuit(model, set(dormant), (RESAMPLE,)),), dormant=dormant)


def computed(model: CausalModel) -> tuple[str, ...]:
    """The variables that components compute."""
    return tuple(v.name for v in model.variables if not isinstance(v, Given))


def ancestors(model: CausalModel, name: str) -> set[str]:
    """A variable with all that it is computed from."""
    found = {name}
    for variable in reversed(model.variables):
        if variable.name in found:
            found |= {parent for parent, _ in variable.parents}
    return found


def _circuit(model: CausalModel, without: set[str], ablations: tuple[str, ...]) -> ValidCircuit:
    return ValidCircuit(tuple(name for name in computed(model) if name not in without), ablations)


def _route(model: CausalModel, name: str) -> list[str]:
    """A variable, behind the share that it is counted from where it is a count of its own."""
    variable = model[name]
    if not isinstance(variable, Lookup) or len(variable.sources) > 1:
        return [name]
    (source,) = variable.sources
    readers = [v.name for v in model.variables if any(parent == source for parent, _ in v.parents)]
    counted = isinstance(head := model[source], Attend) and head.source is None and readers == [name]
    return [source, name] if counted else [name]


def _copy(model: CausalModel, name: str, suffix: str) -> tuple[str, list[Variable]]:
    """A variable under another name, with the head of its own that counts for it; and that name."""
    route = _route(model, name)
    names = {old: f"{old}.{suffix}" for old in route}
    copies: list[Variable] = []
    for old in route:
        variable = replace(model[old], name=names[old])
        if isinstance(variable, Lookup):
            variable = replace(variable, sources=tuple(names.get(source, source) for source in variable.sources))
        copies.append(variable)
    return names[name], copies


def _after(variables: Sequence[Variable], name: str) -> int:
    return next(place for place, variable in enumerate(variables) if variable.name == name) + 1


def _in_place_of(model: CausalModel, name: str, copies: Sequence[Variable], vote: Vote) -> CausalModel:
    """The model with copies and their vote where one variable was."""
    gone = set(_route(model, name))
    variables: list[Variable] = []
    for variable in model.variables:
        if variable.name == name:
            variables += [*copies, vote]
        elif variable.name not in gone:
            variables.append(variable)
    return replace(model, variables=tuple(variables))
