"""A causal model as the source of a program that answers as it does: what an exact answer about behaviour looks like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from autointerp.eval.organisms.rasp import Attend, CausalModel, Encoding, Given, Lookup, Variable
from autointerp.eval.tasks._circuits import UNDEFINED

#: What a clause of an attention says of a query and a key; it may depend on a value that is undefined.
_FALSE, _UNKNOWN, _TRUE = 0, 1, 2


def source_of(model: CausalModel) -> str:
    """Python with a function `answer(tokens)` that returns the output at every token, as texts.

    Every variable is a list of indices into its values, -1 where it is undefined; tables end with a row and a column for that,
    which is where -1 points. Raises TypeError for variables that only damage brings about (votes and stand-ins).
    """
    names = {variable.name: f"v{number}" for number, variable in enumerate(model.variables)}
    lines = ["def answer(tokens):", "    n = len(tokens)"]
    for variable in model.variables:
        lines += [f"    {line}" for line in _lines(variable, model, names)]
    shown = [str(value) for value in model[model.output].values] + [UNDEFINED]
    return "\n".join([*lines, f"    return [{shown!r}[i] for i in {names[model.output]}]", ""])


def functions_of(model: CausalModel, strings: Iterable[str]) -> str:
    """The same with a function for each variable, named v0, v1 and so on in their order, as a causal model of a circuit has it.

    `answer` is what is said at the last token, as the network's vocabulary `strings` writes it.
    """
    written = {string.strip(): string for string in strings}
    names = {variable.name: f"v{number}" for number, variable in enumerate(model.variables)}
    functions = []
    for variable in model.variables:
        own = names[variable.name]
        parents = dict.fromkeys(names[parent] for parent, _ in variable.parents)
        body = [f"    {line}" for line in ["n = len(tokens)", *_lines(variable, model, names), f"return {own}"]]
        functions.append("\n".join([f"def {own}({', '.join(['tokens', *parents])}):", *body, ""]))
    output = names[model.output]
    shown = [written.get(str(value), str(value)) for value in model[model.output].values] + [UNDEFINED]
    return "\n".join([*functions, f"def answer({output}):\n    return {shown!r}[{output}[-1]]\n"])


def _lines(variable: Variable, model: CausalModel, names: dict[str, str]) -> list[str]:
    own = names[variable.name]
    match variable:
        case Given(origin="tokens"):
            known = {str(value): number for number, value in enumerate(model.vocabulary)}
            return [f"{own} = [{known!r}[t.strip()] for t in tokens]"]
        case Given(origin="indices"):
            return [f"{own} = list(range(n))"]
        case Given():
            return [f"{own} = [0] * n"]
        case Lookup(sources=(first,)):
            return [f"{own} = [{[row[0] for row in variable.table] + [-1]!r}[i] for i in {names[first]}]"]
        case Lookup(sources=(first, second)):
            table = _padded(variable.table, -1)
            return [f"{own} = [{table!r}[{names[first]}[i]][{names[second]}[i]] for i in range(n)]"]
        case Attend():
            return _attended(variable, model, names)
    raise TypeError(f"{variable.name} is no variable of an ordinary program")


def _attended(variable: Attend, model: CausalModel, names: dict[str, str]) -> list[str]:
    own, end = names[variable.name], "i + 1" if model.causal else "n"
    lines = []
    for number, clause in enumerate(variable.clauses):
        table = _padded([[_TRUE if held else _FALSE for held in row] for row in clause.table], _UNKNOWN)
        lines.append(f"c{number} = {table!r}")
    held = [
        f"c{number}[{names[clause.queries]}[i]][{names[clause.keys]}[j]]"
        for number, clause in enumerate(variable.clauses)
    ]
    surely = " and ".join(f"{one} == {_TRUE}" for one in held) or "True"
    maybe = " and ".join(f"{one} > {_FALSE}" for one in held) or "True"
    lines += [
        f"{own} = []",
        "for i in range(n):",
        f"    chosen = [j for j in range({end}) if {surely}]",
        f"    possible = [j for j in range({end}) if {maybe}]",
        f"    {own}.append(-1 if len(possible) > len(chosen) else {_chosen(variable, names)})",
    ]
    return (
        lines if not variable.source or variable.encoding is not Encoding.NUMERICAL else _means(variable, model) + lines
    )


def _chosen(variable: Attend, names: dict[str, str]) -> str:
    """An expression of the value over `chosen`, all of which are known."""
    if variable.source is None:
        return "len(chosen)"
    source = names[variable.source]
    if variable.encoding is Encoding.NUMERICAL:
        some = f"means.get(str(sum([whole[{source}[j]] for j in chosen])) + '/' + str(len(chosen)), -1)"
        some = f"(-1 if any([{source}[j] < 0 for j in chosen]) else {some})"
    else:
        some = f"({source}[chosen[0]] if all([{source}[j] == {source}[chosen[0]] for j in chosen]) else -1)"
    return f"{variable.default} if not chosen else {some}"


def _means(variable: Attend, model: CausalModel) -> list[str]:
    """Tables from a value to a whole number, and from a sum of these and their count to the index of the mean."""
    assert variable.source is not None
    numbers = [Fraction(value) for value in model[variable.source].values]
    unit = int(np.lcm.reduce([number.denominator for number in numbers]))
    whole = [int(number * unit) for number in numbers]
    means = {
        f"{mean * unit * count}/{count}": index
        for count in range(1, model.length + 1)
        for index, mean in enumerate([Fraction(value) for value in variable.values])
        if (mean * unit * count).denominator == 1
    }
    return [f"whole = {whole!r}", f"means = {means!r}"]


def _padded(table: Iterable[Sequence[int]], with_: int) -> list[list[int]]:
    rows = [[*row, with_] for row in table]
    return [*rows, [with_] * len(rows[0])]
