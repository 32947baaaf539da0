"""Programs over sequences: what a transformer layer can do, written as expressions.

The language is RASP (Weiss, Goldberg and Yahav, *Thinking like transformers*, 2021) in the part that Tracr (Lindner et al.,
2023) showed how to compile. An expression stands for a sequence with one value per token; a selector stands for an attention
pattern. Expressions are compared by identity, so that two uses of one object are one variable of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

#: Numbers are exact: a mean of integers is a `Fraction`, and comparing two values never depends on rounding.
Value = str | int | Fraction
Predicate = Callable[[Value, Value], bool]


class Encoding(StrEnum):
    """How a variable lies in the residual stream: a direction for each value, or one direction scaled by the value."""

    CATEGORICAL = "categorical"
    NUMERICAL = "numerical"


@dataclass(frozen=True, eq=False, kw_only=True)
class SOp:
    """A sequence operator: one value at each token. `name` is how the truth calls the variable; made up where empty."""

    name: str = ""

    @property
    def inputs(self) -> tuple[SOp, ...]:
        """The expressions that this one is computed from."""
        return ()

    @property
    def encoding(self) -> Encoding:
        """Categorical unless the expression says otherwise."""
        return Encoding.CATEGORICAL


@dataclass(frozen=True, eq=False)
class Tokens(SOp):
    """The input itself."""


@dataclass(frozen=True, eq=False)
class Indices(SOp):
    """The place of each token: 0 for the first, BOS not counted."""


@dataclass(frozen=True, eq=False)
class Constant(SOp):
    """The same value at every token."""

    value: Value


@dataclass(frozen=True, eq=False)
class Map(SOp):
    """`function` of the value at each token.

    `numerical` chooses the encoding of the result; `values` declares what the function may return, and anything else that it
    returns is then an error.
    """

    function: Callable[[Value], Value | bool]
    source: SOp
    numerical: bool = field(default=False, kw_only=True)
    values: tuple[Value, ...] | None = field(default=None, kw_only=True)

    @property
    def inputs(self) -> tuple[SOp, ...]:
        return (self.source,)

    @property
    def encoding(self) -> Encoding:
        return Encoding.NUMERICAL if self.numerical else Encoding.CATEGORICAL


@dataclass(frozen=True, eq=False)
class SequenceMap(SOp):
    """`function` of the values that two sequences have at each token; see `Map` for the options."""

    function: Callable[[Value, Value], Value | bool]
    first: SOp
    second: SOp
    numerical: bool = field(default=False, kw_only=True)
    values: tuple[Value, ...] | None = field(default=None, kw_only=True)

    @property
    def inputs(self) -> tuple[SOp, ...]:
        return (self.first, self.second)

    @property
    def encoding(self) -> Encoding:
        return Encoding.NUMERICAL if self.numerical else Encoding.CATEGORICAL


class Selector:
    """Which tokens each token attends to: those for which every clause holds."""

    @property
    def clauses(self) -> tuple[Select, ...]:
        """The selections that all have to hold."""
        raise NotImplementedError

    def __and__(self, other: Selector) -> Selector:
        return Both(self.clauses + other.clauses)


@dataclass(frozen=True, eq=False)
class Select(Selector):
    """Token q attends to token k where `predicate(value of keys at k, value of queries at q)`; both are categorical.

    Functions of `operator` serve as predicates, read from the key's side: `operator.lt` selects the keys that are less than
    the query. In a causal program no token attends to a later one, whatever the predicate says.
    """

    keys: SOp
    queries: SOp
    predicate: Predicate

    @property
    def clauses(self) -> tuple[Select, ...]:
        return (self,)


@dataclass(frozen=True, eq=False)
class Both(Selector):
    """The conjunction of selections, made by `&`."""

    parts: tuple[Select, ...]

    @property
    def clauses(self) -> tuple[Select, ...]:
        return self.parts


@dataclass(frozen=True, eq=False)
class Aggregate(SOp):
    """What the selected tokens hold: the mean of a numerical sequence, or the value itself of a categorical one.

    A categorical sequence has no mean, so all the selected tokens have to hold the same value. Where nothing is selected the
    result is `default`, which the compiled head finds at BOS.
    """

    selector: Selector
    source: SOp
    default: Value = field(kw_only=True)

    @property
    def inputs(self) -> tuple[SOp, ...]:
        return (*_operands(self.selector), self.source)

    @property
    def encoding(self) -> Encoding:
        return self.source.encoding


@dataclass(frozen=True, eq=False)
class SelectorWidth(SOp):
    """How many tokens are selected."""

    selector: Selector
    numerical: bool = field(default=False, kw_only=True)

    @property
    def inputs(self) -> tuple[SOp, ...]:
        return _operands(self.selector)

    @property
    def encoding(self) -> Encoding:
        return Encoding.NUMERICAL if self.numerical else Encoding.CATEGORICAL


@dataclass(frozen=True, slots=True)
class Program:
    """An expression with the inputs it is defined on: up to `length` tokens of `vocabulary`.

    Attributes
    ----------
    output: a categorical expression; its value at each token is the program's answer there.
    causal: whether a token sees only itself and earlier ones.
    examples: pairs of input and output, written by hand.
    """

    name: str
    family: str
    summary: str
    output: SOp
    vocabulary: tuple[Value, ...]
    length: int
    causal: bool = False
    examples: tuple[tuple[Sequence[Value], Sequence[Value]], ...] = ()


def always(key: Value, query: Value) -> bool:
    """The predicate that selects every token."""
    del key, query
    return True


def plain(value: Value | bool | float) -> Value:
    """A value as the truth states it: booleans are 0 and 1, numbers exact, and a whole fraction is an integer.

    Raises TypeError for anything that is no text and no number.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float | Fraction):
        exact = Fraction(value).limit_denominator(10**6) if isinstance(value, float) else Fraction(value)
        return int(exact) if exact.denominator == 1 else exact
    raise TypeError(f"{value!r} is neither text nor a number")


def expressions(output: SOp) -> dict[SOp, str]:
    """Every expression that `output` is made from, inputs first, with a name of its own each."""
    ordered: list[SOp] = []

    def visit(expression: SOp) -> None:
        if any(expression is known for known in ordered):
            return
        for source in expression.inputs:
            visit(source)
        ordered.append(expression)

    visit(output)
    names: dict[SOp, str] = {}
    for expression in ordered:
        stem = expression.name or type(expression).__name__.lower()
        taken = set(names.values())
        numbered = (f"{stem}{number}" for number in range(2, len(ordered) + 2))
        names[expression] = stem if stem not in taken else next(name for name in numbered if name not in taken)
    return names


def _operands(selector: Selector) -> tuple[SOp, ...]:
    return tuple(side for clause in selector.clauses for side in (clause.keys, clause.queries))
