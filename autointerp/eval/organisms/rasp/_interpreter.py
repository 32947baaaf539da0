"""What a program means: evaluated on one input at a time, with exact numbers, straight from its expressions.

Nothing here is shared with the compiler beyond the language, so that the two can be held against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from autointerp.errors import OrganismError
from autointerp.eval.organisms.rasp._language import (
    Aggregate,
    Constant,
    Encoding,
    Indices,
    Map,
    Program,
    Selector,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
    Value,
    expressions,
    plain,
)


def interpret(program: Program, tokens: Sequence[Value]) -> tuple[Value, ...]:
    """The program's output on one input, a value per token. See `trace` for the errors."""
    return trace(program, tokens)[expressions(program.output)[program.output]]


def trace(program: Program, tokens: Sequence[Value]) -> dict[str, tuple[Value, ...]]:
    """The value of every variable at every token, by the variable's name.

    Raises OrganismError for an input that the program is not defined on, and where a categorical aggregate selects tokens that
    hold different values.
    """
    check_input(program, tokens)
    values: dict[SOp, tuple[Value, ...]] = {}
    names = expressions(program.output)
    for expression, name in names.items():
        values[expression] = tuple(plain(v) for v in _values(expression, name, program, tuple(tokens), values))
    return {name: values[expression] for expression, name in names.items()}


def check_input(program: Program, tokens: Sequence[Value]) -> None:
    """Raise OrganismError, with all the reasons, for an input that is empty, too long, or not of the vocabulary."""
    reasons = []
    if not tokens:
        reasons.append("it is empty")
    if len(tokens) > program.length:
        reasons.append(f"its {len(tokens)} tokens are more than the {program.length} that the program is made for")
    if unknown := sorted({str(t) for t in tokens if t not in program.vocabulary}):
        allowed = " ".join(map(str, program.vocabulary))
        reasons.append(f"{', '.join(unknown)} is not in the vocabulary ({allowed})")
    if reasons:
        raise OrganismError(f"{program.name} is not defined on this input: {'; '.join(reasons)}")


def _values(
    expression: SOp, name: str, program: Program, tokens: tuple[Value, ...], known: dict[SOp, tuple[Value, ...]]
) -> Sequence[Value | bool]:
    match expression:
        case Tokens():
            return tokens
        case Indices():
            return range(len(tokens))
        case Constant():
            return (expression.value,) * len(tokens)
        case Map():
            return [expression.function(x) for x in known[expression.source]]
        case SequenceMap():
            pairs = zip(known[expression.first], known[expression.second], strict=True)
            return [expression.function(x, y) for x, y in pairs]
        case SelectorWidth():
            return [len(row) for row in _selected(expression.selector, program, len(tokens), known)]
        case Aggregate():
            source = known[expression.source]
            rows = _selected(expression.selector, program, len(tokens), known)
            return [_aggregate(expression, name, [source[k] for k in row]) for row in rows]
    raise TypeError(f"{type(expression).__name__} is no expression of this language")


def _selected(
    selector: Selector, program: Program, length: int, known: dict[SOp, tuple[Value, ...]]
) -> list[list[int]]:
    """For each query the places of the keys that it selects."""
    return [
        [
            key
            for key in range(query + 1 if program.causal else length)
            if all(bool(c.predicate(known[c.keys][key], known[c.queries][query])) for c in selector.clauses)
        ]
        for query in range(length)
    ]


def _aggregate(expression: Aggregate, name: str, selected: list[Value]) -> Value:
    if not selected:
        return expression.default
    if expression.encoding is Encoding.NUMERICAL:
        return Fraction(sum(Fraction(x) for x in selected), len(selected))
    if len(set(selected)) > 1:
        found = ", ".join(sorted({str(x) for x in selected}))
        raise OrganismError(
            f"{name} selects tokens that hold different values ({found}), and a categorical sequence has no mean: "
            "narrow the selector, or make the sequence numerical"
        )
    return selected[0]
