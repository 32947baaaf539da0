"""Causal models: a short program over named variables, a map from these to components, and the test of both together.

The program is Python for the sandbox: one function for each variable, in an order in which parents come first, whose
arguments are `tokens` (the texts of the prompt's tokens, BOS left out) and earlier variables; the last one is the answer.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._faithful import interval
from autointerp.circuits._pairs import Pair, prompts_of
from autointerp.circuits._patching import _replaced
from autointerp.circuits._task import Task
from autointerp.errors import ProgramError
from autointerp.models import At, Batch, Patch, sweep
from autointerp.records import Score, ScoreResult, Unscored
from autointerp.sandbox import Sandbox

TOKENS = "tokens"
#: Prompts that go into the sandbox at a time.
_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable's components, by the names of their sources, and whether it is held at the last token alone or at all."""

    name: str
    components: tuple[str, ...]
    last: bool = False


@dataclass(frozen=True, slots=True)
class CausalModel:
    """A program and the components of those of its variables that have some."""

    source: str
    variables: tuple[Variable, ...]

    def functions(self) -> dict[str, tuple[str, ...]]:
        """The arguments of every function, in the order of the program.

        Raises ProgramError for a source that is not such a program, or maps a variable that it does not have.
        """
        try:
            tree = ast.parse(self.source)
        except (SyntaxError, ValueError) as error:
            raise ProgramError(f"the causal model is no Python: {error}") from error
        found: dict[str, tuple[str, ...]] = {}
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef):
                raise ProgramError(f"line {node.lineno} of the causal model is no function: give one for each variable")
            arguments = tuple(argument.arg for argument in node.args.args)
            if unknown := set(arguments) - {TOKENS, *found}:
                raise ProgramError(f"{node.name} reads {sorted(unknown)[0]!r}, which no function before it computes")
            found[node.name] = arguments
        if not found:
            raise ProgramError("the causal model is empty: give a function for each variable, the answer last")
        if absent := [v.name for v in self.variables if v.name not in found]:
            raise ProgramError(f"the map names {absent[0]!r}, and the variables are {', '.join(found)}")
        return found

    def run(
        self, prompts: Sequence[Sequence[str]], forced: Sequence[Mapping[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """Every variable's value on each prompt, with some set by force. Raises ProgramError where the program fails."""
        lines = [self.source, "def run_(tokens, forced):", "    values_ = {}"]
        for name, arguments in self.functions().items():
            given = ", ".join(TOKENS if a == TOKENS else f"values_[{a!r}]" for a in arguments)
            lines.append(f"    values_[{name!r}] = forced[{name!r}] if {name!r} in forced else {name}({given})")
        lines += ["    return values_", "[run_(one[0], one[1]) for one in cases_]"]
        cases = [[list(p), dict(f)] for p, f in zip(prompts, forced or [{}] * len(prompts), strict=True)]
        found: list[dict[str, Any]] = []
        with Sandbox() as sandbox:
            for start in range(0, len(cases), _TOGETHER):
                some = cases[start : start + _TOGETHER]
                values = sandbox.execute("\n".join(lines), inputs={"cases_": some}).value
                if not isinstance(values, list) or len(values) != len(some):
                    raise ProgramError("the causal model does more than define functions")
                found += values
        return found


@dataclass(frozen=True, slots=True)
class Interchange:
    """One test: the pair whose clean prompt is the base and whose corrupted one the source, and what should be answered.

    `right` says whether the answer is still that of the base; `moves` whether the intervention changes it.
    """

    pair: int
    variable: str
    right: bool
    moves: bool


def interchanges(parts: Parts, model: CausalModel, pairs: Sequence[Pair]) -> list[Interchange]:
    """Every interchange of a mapped variable that changes its value, and what the program then answers.

    One whose answer is neither that of the base nor that of the source is left out: it cannot be read off their logits.
    """
    strings = parts.subject.strings
    texts = [[strings[i] for i in ids[1:]] for pair in pairs for ids in (pair.clean, pair.corrupted)]
    values = model.run(texts)
    answer = list(model.functions())[-1]
    wanted, cases = [], []
    for number in range(len(pairs)):
        base, other = values[2 * number], values[2 * number + 1]
        for variable in model.variables:
            if base[variable.name] != other[variable.name]:
                wanted.append((number, variable.name))
                cases.append((texts[2 * number], {variable.name: other[variable.name]}))
    after = model.run([text for text, _ in cases], [forced for _, forced in cases])
    found = []
    for (number, name), result in zip(wanted, after, strict=True):
        right, wrong = ({strings[i] for i in ids} for ids in (pairs[number].right, pairs[number].wrong))
        given = result[answer]
        if given in right or given in wrong:
            found.append(Interchange(number, name, given in right, given != values[2 * number][answer]))
    return found


def agreement(parts: Parts, model: CausalModel, pairs: Sequence[Pair], tests: Sequence[Interchange]) -> Tensor:
    """For each test whether the patched network answers as the program does, bool [tests]: the likelier of both answers."""
    variables = {variable.name: variable for variable in model.variables}
    found = torch.zeros(len(tests), dtype=torch.bool)
    for prompts in prompts_of(parts.subject, pairs):
        rows = {int(number): row for row, number in enumerate(prompts.rows)}
        own = [i for i, test in enumerate(tests) if test.pair in rows]
        if not own:
            continue
        ids = torch.cat([prompts.clean, prompts.corrupted])
        patches = []
        for i in own:
            row, variable = rows[tests[i].pair], variables[tests[i].variable]
            edits = []
            for name in variable.components:
                source = parts.graph.sources[parts.graph.source_numbers[name]]
                edit = _replaced(parts, source, len(prompts) + row)
                edits.append(replace(edit, positions=At((-1,))) if variable.last else edit)
            patches.append(Patch(row, tuple(edits)))
        logits = sweep(parts.subject, Batch(ids, torch.ones_like(ids, dtype=torch.bool)), patches).float().cpu()
        some = prompts.part(torch.tensor([rows[tests[i].pair] for i in own]))
        lowest = torch.full_like(logits, -torch.inf)
        best = [torch.where(answers > 0, logits, lowest).amax(1) for answers in (some.right, some.wrong)]
        answered = best[0] > best[1]
        found[torch.tensor(own)] = answered == torch.tensor([tests[i].right for i in own])
    return found


def iia(
    parts: Parts,
    model: CausalModel,
    task: Task,
    *,
    controls: Mapping[str, tuple[Parts, CausalModel]] | None = None,
    seed: int = 0,
) -> ScoreResult:
    """Interchange intervention accuracy (Geiger et al., 2021) on pairs, each read both ways round.

    A variable's components hold, in a run on the base, what they hold on the source; the network has to answer what the
    program answers with the variable's value exchanged. Tests that change the answer and tests that do not count one half
    each, so that a map to components that do nothing gets 0.5; `also` has the shares of each, and of each variable.

    `controls` are other networks with maps of their own, such as an untrained twin's.
    """
    pairs = [one for pair in task.pairs for one in (pair, pair.swapped())]
    try:
        tests = interchanges(parts, model, pairs)
        moving = torch.tensor([test.moves for test in tests], dtype=torch.bool)
        if not bool(moving.any()):
            return Unscored(name="IIA", reason="no exchange of a variable changes the answer on these prompts")
        hits = agreement(parts, model, pairs, tests)
        control = {
            name: balanced(agreement(other, its, pairs, tests), moving)
            for name, (other, its) in (controls or {}).items()
        }
        components = [replace(v, components=_drawn(parts, v, seed)) for v in model.variables]
        control["random components"] = balanced(
            agreement(parts, replace(model, variables=tuple(components)), pairs, tests), moving
        )
    except ProgramError as error:
        return Unscored(name="IIA", reason=str(error))
    owner = torch.tensor([test.pair // 2 for test in tests])

    def measure(drawn: Tensor) -> float:
        weight = torch.bincount(drawn, minlength=len(task))[owner].double()
        return balanced(hits, moving, weight)

    value = balanced(hits, moving)
    also = {"where the answer changes": float(hits[moving].float().mean())}
    if not bool(moving.all()):
        also["where it does not"] = float(hits[~moving].float().mean())
    for variable in model.variables:
        own = torch.tensor([test.variable == variable.name for test in tests])
        if bool(own.any()):
            also[variable.name] = float(hits[own].float().mean())
    low, high = interval(measure, len(task), seed=seed)
    return Score(
        name="IIA", value=value, ci=(min(low, value), max(high, value)), n=len(task), control=control, also=also
    )


def balanced(hits: Tensor, moving: Tensor, weight: Tensor | None = None) -> float:
    """The mean of the shares of hits where the answer changes and where it does not; of one where there is no other."""
    weight = torch.ones(len(hits), dtype=torch.float64) if weight is None else weight
    shares = []
    for kind in (moving, ~moving):
        total = float(weight[kind].sum())
        if total > 0:
            shares.append(float((weight[kind] * hits[kind].double()).sum()) / total)
    return sum(shares) / len(shares) if shares else float("nan")


def fitted(parts: Parts, model: CausalModel, task: Task, candidates: Mapping[str, Sequence[str]]) -> CausalModel:
    """The map that agrees best on a task: for each variable the components are chosen among its candidates.

    They are tried one by one, the best alone first, and one is added where that raises the balanced accuracy of the
    variable's own tests. Raises ProgramError where the program fails.
    """
    pairs = [one for pair in task.pairs for one in (pair, pair.swapped())]
    chosen = []
    for variable in model.variables:
        alone = replace(model, variables=(replace(variable, components=()),))
        tests = interchanges(parts, alone, pairs)
        moving = torch.tensor([test.moves for test in tests], dtype=torch.bool)
        best = balanced(~moving, moving)
        components: list[str] = []

        def value(names: Sequence[str], alone: CausalModel = alone, tests: Sequence[Interchange] = tests) -> float:
            trial = replace(alone, variables=(replace(alone.variables[0], components=tuple(names)),))
            return balanced(agreement(parts, trial, pairs, tests), torch.tensor([t.moves for t in tests]))

        own = candidates.get(variable.name, ()) if tests else ()
        singly = {name: value([name]) for name in own}
        for name in sorted(own, key=lambda name: -singly[name]):
            found = singly[name] if not components else value([*components, name])
            if found > best or not components:
                best, components = found, [*components, name]
        chosen.append(replace(variable, components=tuple(components)))
    return replace(model, variables=tuple(chosen))


def _drawn(parts: Parts, variable: Variable, seed: int) -> tuple[str, ...]:
    """As many components of the same kinds, drawn at random from those that are not the variable's."""
    source, found = random.Random(f"{variable.name} {seed}"), []
    for name in variable.components:
        kind = parts.graph.sources[parts.graph.source_numbers[name]].kind
        others = [
            one.name
            for one in parts.graph.sources
            if one.kind == kind and one.name not in variable.components and one.name not in found
        ]
        if others:
            found.append(source.choice(others))
    return tuple(found)
