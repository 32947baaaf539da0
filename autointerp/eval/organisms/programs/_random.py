"""Programs drawn at random: as deep and as wide as asked for, and with no variable that does not matter."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import numpy as np

from autointerp.errors import OrganismError
from autointerp.eval.organisms.programs._entry import Inputs, shifted
from autointerp.eval.organisms.rasp import (
    NOTHING,
    Aggregate,
    CausalModel,
    Forced,
    Given,
    Indices,
    Ints,
    Map,
    Predicate,
    Program,
    Select,
    Selector,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
    Value,
    compile_program,
    interpret,
    lower,
)

_LETTERS = "abcd"
_ATTEMPTS = 200
_LARGEST_TABLE = 48
_PROBES = 48


def random_program(seed: int, *, depth: int = 2, width: int = 2, length: int = 5) -> Program:
    """A program of `depth` rounds of `width` operations each; an operation of a round uses a result of the round before.

    The answer depends on every variable: for each there is an input on which another value of it changes the answer. Raises
    OrganismError where none such is found within the compiler's limits.
    """
    for attempt in range(_ATTEMPTS):
        random = Random(f"{seed} {depth} {width} {length} {attempt}")
        program = _draw(random, seed, depth, width, length)
        if program is not None and _sound(program, random):
            return program
    raise OrganismError(
        f"no random program of depth {depth}, width {width} and length {length} was found in {_ATTEMPTS} draws: make it smaller"
    )


@dataclass(slots=True)
class _Draft:
    """What a program is drawn from: its inputs, and the values of what there is so far."""

    random: Random
    inputs: Inputs
    causal: bool
    values: dict[SOp, tuple[Value, ...]] = field(default_factory=dict)

    def add(self, expression: SOp, values: tuple[Value, ...]) -> SOp:
        self.values[expression] = values
        return expression

    def map(self, x: SOp) -> SOp | None:
        size = self.random.randint(2, 4)
        function = {value: self.random.randrange(size) for value in self.values[x]}
        found = tuple(sorted(set(function.values())))
        return self.add(Map(function.__getitem__, x), found) if len(found) > 1 else None

    def pair(self, x: SOp) -> SOp | None:
        """A random table in which neither argument is idle."""
        others = [v for v in self.values if v is not x]
        if not others:
            return None
        y = self.random.choice(others)
        first, second = self.values[x], self.values[y]
        if len(first) * len(second) > _LARGEST_TABLE:
            return None
        size = self.random.randint(2, 4)
        rows = {a: {b: self.random.randrange(size) for b in second} for a in first}
        columns = {tuple(row[b] for row in rows.values()) for b in second}
        if len({tuple(row.values()) for row in rows.values()}) < 2 or len(columns) < 2:
            return None
        found = tuple(sorted({value for row in rows.values() for value in row.values()}))
        return self.add(SequenceMap(lambda a, b: rows[a][b], x, y), found)

    def shift(self, x: SOp) -> SOp | None:
        by = self.random.choice((1, 2) if self.causal else (1, 2, -1))
        default = self.random.choice(self.values[x])
        return self.add(shifted(self.inputs, x, by, default, ""), self.values[x])

    def at(self, x: SOp) -> SOp | None:
        place, default = self.random.randrange(2), self.random.choice(self.values[x])
        chosen = Select(self.inputs.indices, self.inputs.tokens, lambda k, _: k == place)
        return self.add(Aggregate(chosen, x, default=default), self.values[x])

    def count(self, x: SOp) -> SOp | None:
        selector = self._selector(x)
        return self.add(SelectorWidth(selector), tuple(range(self.inputs.longest + 1)))

    def share(self, x: SOp) -> SOp | None:
        """Whether the mean of a property over the selected tokens reaches a threshold."""
        values = self.values[x]
        has = set(self.random.sample(values, self.random.randint(1, len(values) - 1)))
        bit = Map(lambda v: v in has, x, numerical=True)
        least = self.random.choice([Fraction(1, 3), Fraction(1, 2), Fraction(2, 3), Fraction(1)])
        mean = Aggregate(self._selector(self.inputs.tokens), bit, default=self.random.randrange(2))
        return self.add(Map(lambda m: Fraction(m) >= least, mean), (0, 1))

    def find(self, x: SOp) -> SOp | None:
        """What the first token has whose own `x` is this token's `y`."""
        y = self.random.choice([v for v in self.values if set(self.values[v]) & set(self.values[x])])
        same = Select(x, x, operator.eq) & Select(self.inputs.indices, self.inputs.indices, operator.le)
        number = SelectorWidth(same)
        chosen = Select(x, y, operator.eq) & Select(number, self.inputs.tokens, lambda k, _: k == 1)
        source = self.inputs.tokens
        return self.add(Aggregate(chosen, source, default=self.values[source][0]), self.values[source])

    def _selector(self, x: SOp) -> Selector:
        queries = self.random.choice([x, self.inputs.tokens])
        selector: Selector = Select(x, queries, self._predicate(self.values[x], self.values[queries]))
        if self.random.random() < 0.4:
            order = self.random.choice([operator.le, operator.lt] if self.causal else [operator.le, operator.gt])
            selector = selector & Select(self.inputs.indices, self.inputs.indices, order)
        return selector

    def _predicate(self, keys: tuple[Value, ...], queries: tuple[Value, ...]) -> Predicate:
        if self.random.random() < 0.3 and set(keys) & set(queries):
            return self.random.choice([operator.eq, operator.ne])
        holds = {(k, q) for k in keys for q in queries if self.random.random() < 0.4}
        holds.add((self.random.choice(keys), self.random.choice(queries)))
        return lambda k, q: (k, q) in holds


def _draw(random: Random, seed: int, depth: int, width: int, length: int) -> Program | None:
    """One try; None where it came out too large or with something in it that never changes."""
    vocabulary = tuple(_LETTERS[: random.randint(2, 4)])
    inputs = Inputs(Tokens(name="tokens"), Indices(name="indices"), length)
    draft = _Draft(random, inputs, random.random() < 0.5)
    newest = [draft.add(inputs.tokens, vocabulary)]
    operations: tuple[Callable[[SOp], SOp | None], ...] = (
        draft.map,
        draft.pair,
        draft.shift,
        draft.at,
        draft.count,
        draft.count,
        draft.share,
        draft.find,
    )
    for _ in range(depth):
        drawn = [random.choice(operations)(random.choice(newest)) for _ in range(width)]
        if any(expression is None for expression in drawn):
            return None
        newest = [expression for expression in drawn if expression is not None]
    output = newest[0]
    for other in newest[1:]:
        joined = _joined(draft, output, other)
        if joined is None:
            return None
        output = joined
    summary = f"A program drawn at random: {depth} rounds of {width} operations."
    return Program(f"random-{seed}", "random", summary, output, vocabulary, length, draft.causal)


def _joined(draft: _Draft, first: SOp, second: SOp) -> SOp | None:
    rest = {v: values for v, values in draft.values.items() if v is not second}
    draft.values = {first: draft.values[first], second: draft.values[second]}
    joined = draft.pair(first)
    draft.values = {**rest, **draft.values}
    return joined


def _sound(program: Program, random: Random) -> bool:
    """Whether it is well defined, compiles, and has no variable that never matters."""
    texts = [
        tuple(random.choice(program.vocabulary) for _ in range(random.randint(1, program.length)))
        for _ in range(_PROBES)
    ]
    try:
        compile_program(program)
        answers = {interpret(program, text) for text in texts}
    except OrganismError:
        return False
    if len({value for answer in answers for value in answer}) < 2:
        return False
    model = lower(program).model
    return all(
        _matters(model, variable.name, model.indices(texts))
        for variable in model.variables
        if not isinstance(variable, Given)
    )


def _matters(model: CausalModel, name: str, tokens: Ints) -> bool:
    clean = model.solve(tokens)
    everywhere = tokens != NOTHING
    for value in range(len(model[name].values)):
        forced = model.solve(tokens, {name: Forced(everywhere, np.full_like(tokens, value))})[model.output]
        if ((forced != clean[model.output]) & (forced != NOTHING)).any():
            return True
    return False
