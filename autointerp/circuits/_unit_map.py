"""Fitting the map of a causal model to units: components that were found to be one, and are taken or left together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._causal import CausalModel, Interchange, agreement, balanced, interchanges
from autointerp.circuits._task import Task

#: A map of explained components is left as it is from this accuracy on the pairs it is fitted to.
ENOUGH = 0.95
#: A component without a role has to raise the accuracy by more than this: it costs the explanation more than one with.
_WORTH = 0.02

Unit = tuple[str, ...]


def fitted_to_units(
    parts: Parts, model: CausalModel, task: Task, units: Mapping[str, Sequence[Unit]], others: Sequence[str] = ()
) -> CausalModel:
    """For each variable the units that agree best on a task, added one by one while that raises the balanced accuracy.

    Where that stays below `ENOUGH`, `others` are tried too, each on its own. A variable with neither units nor others keeps an
    empty map. Raises ProgramError where the program fails.
    """
    pairs = [one for pair in task.pairs for one in (pair, pair.swapped())]
    chosen = []
    for variable in model.variables:
        alone = replace(model, variables=(replace(variable, components=()),))
        tests = interchanges(parts, alone, pairs)
        moving = torch.tensor([test.moves for test in tests], dtype=torch.bool)

        def value(names: Unit, alone: CausalModel = alone, tests: Sequence[Interchange] = tests) -> float:
            trial = replace(alone, variables=(replace(alone.variables[0], components=names),))
            return balanced(agreement(parts, trial, pairs, tests), torch.tensor([t.moves for t in tests]))

        components: Unit = ()
        best = balanced(~moving, moving)
        own = units.get(variable.name, ()) if tests else ()
        singly = {unit: value(unit) for unit in own}
        for unit in sorted(singly, key=lambda unit: -singly[unit]):
            joined = tuple(dict.fromkeys((*components, *unit)))
            found = singly[unit] if not components else value(joined)
            if found > best or not components:
                best, components = found, joined
        for name in others if tests else ():
            if best >= ENOUGH:
                break
            if name not in components and (found := value((*components, name))) > best + _WORTH:
                best, components = found, (*components, name)
        chosen.append(replace(variable, components=components))
    return replace(model, variables=tuple(chosen))
