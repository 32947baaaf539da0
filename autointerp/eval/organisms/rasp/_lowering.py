"""From expressions to a causal model: which values each variable can take, and its function as a table over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from autointerp.eval.organisms.rasp._causal import Attend, CausalModel, Clause, Given, Lookup, Variable
from autointerp.eval.organisms.rasp._language import (
    Aggregate,
    Constant,
    Encoding,
    Indices,
    Map,
    Program,
    Select,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
    Value,
    expressions,
    plain,
)

#: More means than this and a numerical variable has no usable steps between them.
_MOST_MEANS = 4096


@dataclass(frozen=True, slots=True)
class Lowered:
    """A causal model as good as could be made, and the reasons why it is not the program's, none if it is."""

    model: CausalModel
    reasons: tuple[str, ...]


def lower(program: Program) -> Lowered:
    """Give every expression of a program its values and its table.

    A selector width becomes two variables, since it takes two components: the share of attention that BOS keeps beside the
    selected tokens (`NAME.share`, a head), and the number that follows from it (`NAME`, an MLP).
    """
    names = expressions(program.output)
    work = _Lowering(program, names)
    for expression in names:
        work.add(expression)
    if program.output.encoding is not Encoding.CATEGORICAL:
        work.reasons.append(f"the output {names[program.output]} is numerical: make it categorical with a Map")
    model = CausalModel(
        variables=tuple(work.variables),
        output=names[program.output],
        vocabulary=program.vocabulary,
        length=program.length,
        causal=program.causal,
    )
    return Lowered(model, tuple(dict.fromkeys(work.reasons)))


@dataclass(slots=True)
class _Lowering:
    """The variables so far, and what was found wrong with them."""

    program: Program
    names: dict[SOp, str]
    variables: list[Variable] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def add(self, expression: SOp) -> None:
        name = self.names[expression]
        match expression:
            case Tokens():
                self.variables.append(Given(name, "tokens", self.program.vocabulary))
            case Indices():
                self.variables.append(Given(name, "indices", tuple(range(self.program.length))))
            case Constant():
                self.variables.append(Given(name, "constant", (plain(expression.value),)))
            case Map() | SequenceMap():
                self._add_lookup(expression, name)
            case SelectorWidth():
                self._add_width(expression, name)
            case Aggregate():
                self._add_aggregate(expression, name)
            case _:
                self.reasons.append(f"{type(expression).__name__} is no expression of this language")

    def _values(self, expression: SOp) -> tuple[Value, ...]:
        name = self.names[expression]
        return next(variable.values for variable in self.variables if variable.name == name)

    def _add_lookup(self, expression: Map | SequenceMap, name: str) -> None:
        first = self._values(expression.inputs[0])
        if isinstance(expression, SequenceMap):
            function, second = expression.function, self._values(expression.second)
            rows = [[self._call(name, function, x, y) for y in second] for x in first]
        else:
            rows = [[self._call(name, expression.function, x)] for x in first]
        found = list(dict.fromkeys(value for row in rows for value in row if value is not None))
        if expression.values is not None:
            declared = tuple(plain(value) for value in expression.values)
            if outside := [value for value in found if value not in declared]:
                self.reasons.append(
                    f"{name} returns {_listed(outside)}, outside its declared values {_listed(declared)}"
                )
            found = [*declared, *outside]
        if expression.encoding is Encoding.NUMERICAL:
            found = self._numbers(name, found)
        # A function that fails on everything is reported; what follows needs a value all the same.
        values = _ordered(found) or (0,)
        table = tuple(tuple(values.index(v) if v in values else 0 for v in row) for row in rows)
        sources = tuple(self.names[source] for source in expression.inputs)
        self.variables.append(Lookup(name, expression.encoding, values, sources, table))

    def _add_width(self, expression: SelectorWidth, name: str) -> None:
        widths = tuple(range(self.program.length + 1))
        shares = tuple(plain(Fraction(1, 1 + width)) for width in widths)
        share = self._free(f"{name}.share")
        clauses = self._clauses(name, expression.selector.clauses)
        self.variables.append(Attend(share, Encoding.NUMERICAL, shares, clauses, None, 0))
        table = tuple((width,) for width in widths)
        self.variables.append(Lookup(name, expression.encoding, widths, (share,), table))

    def _add_aggregate(self, expression: Aggregate, name: str) -> None:
        source, default = self._values(expression.source), plain(expression.default)
        if expression.encoding is Encoding.NUMERICAL:
            (default,) = self._numbers(name, [default]) or [0]
            values = self._means(name, self._numbers(name, list(source)), default)
        else:
            # The source's values first: a head that moves a value keeps its index.
            values = tuple(dict.fromkeys((*source, default)))
        clauses = self._clauses(name, expression.selector.clauses)
        origin = self.names[expression.source]
        self.variables.append(Attend(name, expression.encoding, values, clauses, origin, values.index(default)))

    def _clauses(self, name: str, selects: tuple[Select, ...]) -> tuple[Clause, ...]:
        clauses = []
        for select in selects:
            for side, label in ((select.keys, "keys"), (select.queries, "queries")):
                if side.encoding is not Encoding.CATEGORICAL:
                    self.reasons.append(
                        f"{name} selects by numerical {label}, {self.names[side]}: make them categorical with a Map"
                    )
            keys, queries = self._values(select.keys), self._values(select.queries)
            table = tuple(tuple(bool(self._call(name, select.predicate, k, q)) for k in keys) for q in queries)
            if not any(map(any, table)):
                self.reasons.append(f"{name} has an empty selector: its predicate holds for no key and query")
            clauses.append(Clause(self.names[select.queries], self.names[select.keys], table))
        return tuple(clauses)

    def _call(self, name: str, function: Callable[..., Value | bool], *arguments: Value) -> Value | None:
        try:
            return plain(function(*arguments))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            self.reasons.append(f"{name} fails on {_listed(arguments)}: {type(error).__name__}: {error}")
            return None

    def _numbers(self, name: str, values: list[Value]) -> list[Value]:
        if words := [value for value in values if isinstance(value, str)]:
            self.reasons.append(f"{name} is numerical, and {_listed(words)} is no number")
        return [value for value in values if not isinstance(value, str)]

    def _means(self, name: str, values: list[Value], default: Value) -> tuple[Value, ...]:
        means: set[Fraction] = {Fraction(default)}
        sums = {Fraction(0)}
        for count in range(1, self.program.length + 1):
            sums = {total + Fraction(value) for total in sums for value in values}
            means |= {total / count for total in sums}
            if len(means) > _MOST_MEANS:
                self.reasons.append(f"{name} can take more than {_MOST_MEANS} values: use fewer or closer numbers")
                break
        return _ordered([plain(mean) for mean in means])

    def _free(self, name: str) -> str:
        taken = {*self.names.values(), *(variable.name for variable in self.variables)}
        while name in taken:
            name += "_"
        return name


def _ordered(values: list[Value]) -> tuple[Value, ...]:
    """Numbers by size before texts in the order found."""
    numbers = sorted({Fraction(v) for v in values if not isinstance(v, str)})
    return (*(plain(number) for number in numbers), *dict.fromkeys(v for v in values if isinstance(v, str)))


def _listed(values: object) -> str:
    return ", ".join(str(value) for value in values) if isinstance(values, list | tuple) else str(values)
