"""Finding organisms: every kind that is registered, and its organisms by name."""

from __future__ import annotations

from typing import Any

from autointerp._plugins import load_all, load_one, plugin_names
from autointerp.errors import OrganismError
from autointerp.eval.organisms._protocol import Knob, Organism, OrganismKind

GROUP = "autointerp.organisms"


def kinds() -> dict[str, OrganismKind]:
    """The kinds by name. Raises PluginError where one fails to load."""
    return {name: kind() for name, kind in load_all(GROUP).items()}


def list_organisms() -> dict[str, str]:
    """One line about each organism, by its full name, `KIND/NAME`."""
    return {f"{label}/{name}": kind.describe(name) for label, kind in kinds().items() for name in kind.names()}


def make_organism(full_name: str, *, seed: int, **knobs: Knob) -> Organism:
    """Make an organism by its full name.

    Raises OrganismError for a name that is none, a knob that its kind does not have, or one of the wrong type.
    """
    known = plugin_names(GROUP)
    label, _, name = full_name.partition("/")
    if label not in known:
        raise OrganismError(f"no organism {full_name!r}: a name is KIND/NAME, and the kinds are {', '.join(known)}")
    kind: OrganismKind = load_one(GROUP, label)()
    reasons = []
    for knob, value in knobs.items():
        if knob not in kind.knobs:
            reasons.append(f"no knob {knob!r} (there are {', '.join(kind.knobs) or 'none'})")
        elif not _fits(value, kind.knobs[knob]):
            reasons.append(f"{knob} is {value!r} and not a {type(kind.knobs[knob]).__name__}")
    if reasons:
        raise OrganismError(f"{full_name} cannot be made so: {'; '.join(reasons)}")
    return kind.make(name, seed=seed, **knobs)


def _fits(value: Knob, usual: Any) -> bool:
    if usual is None:
        return True
    if isinstance(usual, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(usual)
