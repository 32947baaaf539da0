"""A program as a causal model: variables, their parents, a table for each, and what follows when some are set by force.

This is the truth that a compiled organism is graded by. It holds data only (no functions), so it is written to a file and read
back whole, and it runs on many inputs at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from autointerp.errors import OrganismError
from autointerp.eval.organisms.rasp._language import Encoding, Value

Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

#: The index of a value that is not there: beyond the end of an input, or undefined.
NOTHING = -1
#: In a `Forced`: the component writes nothing at all, as under zero ablation. A `Standby` and a `Vote` can tell.
SILENT = -2
_FALSE, _UNKNOWN, _TRUE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Given:
    """A variable that the input itself gives: `origin` is tokens, indices, or constant."""

    name: str
    origin: str
    values: tuple[Value, ...]

    @property
    def encoding(self) -> Encoding:
        """Always categorical."""
        return Encoding.CATEGORICAL

    @property
    def parents(self) -> tuple[tuple[str, str], ...]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """A function of one or two variables at the same token.

    `table` holds indices into `values`: by the index of the first source, then by that of the second.
    """

    name: str
    encoding: Encoding
    values: tuple[Value, ...]
    sources: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]

    @property
    def parents(self) -> tuple[tuple[str, str], ...]:
        """Pairs of parent and the role that it plays here."""
        return tuple((source, "input") for source in self.sources)


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition on a query and a key; `table[q][k]` by the indices of their values."""

    queries: str
    keys: str
    table: tuple[tuple[bool, ...], ...]


@dataclass(frozen=True, slots=True)
class Attend:
    """What the tokens that meet every clause hold: their mean if numerical, their common value if categorical.

    With no `source` it is the share of attention that BOS keeps, 1 / (1 + number selected). `default` is the index of the value
    where nothing is selected.
    """

    name: str
    encoding: Encoding
    values: tuple[Value, ...]
    clauses: tuple[Clause, ...]
    source: str | None
    default: int

    @property
    def parents(self) -> tuple[tuple[str, str], ...]:
        """Pairs of parent and the role that it plays here."""
        roles = [pair for clause in self.clauses for pair in ((clause.queries, "query"), (clause.keys, "key"))]
        if self.source is not None:
            roles.append((self.source, "value"))
        return tuple(dict.fromkeys(roles))


@dataclass(frozen=True, slots=True)
class Vote:
    """The value that at least `needed` of the sources hold, which all take the same values; undefined where none has."""

    name: str
    values: tuple[Value, ...]
    sources: tuple[str, ...]
    needed: int

    @property
    def encoding(self) -> Encoding:
        """Always categorical."""
        return Encoding.CATEGORICAL

    @property
    def parents(self) -> tuple[tuple[str, str], ...]:
        """Pairs of parent and the role that it plays here."""
        return tuple((source, "input") for source in self.sources)


@dataclass(frozen=True, slots=True)
class Standby:
    """What `reserve` holds where `main` writes nothing; nothing where `main` writes a value, whichever it is."""

    name: str
    values: tuple[Value, ...]
    main: str
    reserve: str

    @property
    def encoding(self) -> Encoding:
        """Always categorical."""
        return Encoding.CATEGORICAL

    @property
    def parents(self) -> tuple[tuple[str, str], ...]:
        """Pairs of parent and the role that it plays here."""
        return ((self.main, "gate"), (self.reserve, "input"))


Variable = Given | Lookup | Attend | Vote | Standby


@dataclass(frozen=True, slots=True)
class Forced:
    """A variable set by force: where (bool [inputs, tokens]) and to which values (indices or SILENT, int [inputs, tokens])."""

    where: Bools
    values: Ints


@dataclass(frozen=True)
class CausalModel:
    """Variables in an order in which parents come first, and which of them is the output."""

    variables: tuple[Variable, ...]
    output: str
    vocabulary: tuple[Value, ...]
    length: int
    causal: bool

    @cached_property
    def by_name(self) -> dict[str, Variable]:
        """The variables by name."""
        return {variable.name: variable for variable in self.variables}

    def __getitem__(self, name: str) -> Variable:
        return self.by_name[name]

    def indices(self, inputs: Iterable[Sequence[Value]]) -> Ints:
        """Inputs as indices into the vocabulary, int [inputs, longest], NOTHING beyond their ends.

        Raises OrganismError for a value outside the vocabulary and for an input that is empty or too long.
        """
        known = {value: i for i, value in enumerate(self.vocabulary)}
        rows = [list(tokens) for tokens in inputs]
        reasons = [f"{str(t)!r} is not in the vocabulary" for t in {t for r in rows for t in r} if t not in known]
        reasons += [
            f"{n} tokens are not 1 to {self.length}" for n in {len(r) for r in rows} if not 0 < n <= self.length
        ]
        if reasons:
            raise OrganismError(f"the inputs are not those of the program: {'; '.join(sorted(reasons))}")
        filled = np.full((len(rows), max(map(len, rows))), NOTHING, dtype=np.int64)
        for place, row in enumerate(rows):
            filled[place, : len(row)] = [known[t] for t in row]
        return filled

    def inputs(self, *, below: int, otherwise: int, random: np.random.Generator) -> Ints:
        """Every input there is, as from `indices`, if there are fewer than `below`; else `otherwise` many at random."""
        lengths, count = range(1, self.length + 1), len(self.vocabulary)
        if sum(count**length for length in lengths) < below:
            rows = [row for length in lengths for row in itertools.product(range(count), repeat=length)]
            return np.array([row + (NOTHING,) * (self.length - len(row)) for row in rows], dtype=np.int64)
        drawn = random.integers(count, size=(otherwise, self.length))
        ends = random.integers(1, self.length + 1, size=(otherwise, 1))
        return np.where(np.arange(self.length)[None, :] < ends, drawn, NOTHING)

    def solve(self, tokens: Ints, forced: Mapping[str, Forced] | None = None) -> dict[str, Ints]:
        """The index of every variable's value, int [inputs, tokens] each, under the interventions of `forced`.

        `tokens` as from `indices`. NOTHING stands beyond the end of an input, and where a value is undefined: a categorical
        aggregate over tokens that hold different values, which a program avoids and an intervention may bring about, and
        whatever depends on it.
        """
        there = tokens != NOTHING
        solved: dict[str, Ints] = {}
        silent: dict[str, Bools] = {}
        for variable in self.variables:
            match variable:
                case Vote():
                    found = _voted(variable, solved, silent)
                case Standby():
                    found = _stood_by(variable, solved, silent)
                case _:
                    found = self._solve(variable, tokens, there, solved)
            found = np.where(there, found, NOTHING)
            if forced and variable.name in forced:
                by_force = forced[variable.name]
                found = np.where(there & by_force.where, by_force.values, found)
            silent[variable.name] = found == SILENT
            solved[variable.name] = np.where(found == SILENT, NOTHING, found)
        return solved

    def values(self, tokens: Sequence[Value]) -> dict[str, tuple[Value | None, ...]]:
        """The value of every variable at every token of one input; None where it is undefined."""
        solved = self.solve(self.indices([tokens]))
        return {
            name: tuple(None if i == NOTHING else self[name].values[i] for i in found[0])
            for name, found in solved.items()
        }

    def _solve(self, variable: Given | Lookup | Attend, tokens: Ints, there: Bools, solved: Mapping[str, Ints]) -> Ints:
        match variable:
            case Given(origin="tokens"):
                return tokens
            case Given(origin="indices"):
                return np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
            case Given():
                return np.zeros_like(tokens)
            case Lookup():
                table = np.pad(np.array(variable.table), ((0, 1), (0, 1)), constant_values=NOTHING)
                first = solved[variable.sources[0]]
                second = solved[variable.sources[1]] if len(variable.sources) > 1 else np.where(first < 0, first, 0)
                found: Ints = table[first, second]
                return found
            case Attend():
                return self._attend(variable, there, solved)

    def _attend(self, variable: Attend, there: Bools, solved: Mapping[str, Ints]) -> Ints:
        length = there.shape[1]
        # Kleene's three values: a clause that is surely false decides, whatever the undefined ones are.
        holds = np.broadcast_to(np.where(there[:, None, :], _TRUE, _FALSE), (len(there), length, length))
        if self.causal:
            holds = np.where(np.tri(length, dtype=bool), holds, _FALSE)
        for clause in variable.clauses:
            table = np.where(np.array(clause.table), _TRUE, _FALSE)
            table = np.pad(table, ((0, 1), (0, 1)), constant_values=_UNKNOWN)
            holds = np.minimum(holds, table[solved[clause.queries][:, :, None], solved[clause.keys][:, None, :]])
        chosen = holds == _TRUE
        count = chosen.sum(axis=2)
        if variable.source is None:
            found = count
        elif variable.encoding is Encoding.NUMERICAL:
            found = self._mean(variable, chosen, count, solved[variable.source])
        else:
            source = np.broadcast_to(solved[variable.source][:, None, :], chosen.shape)
            low = np.where(chosen, source, len(variable.values)).min(axis=2)
            high = np.where(chosen, source, NOTHING).max(axis=2)
            # The source's values come first among the head's, so an index means the same in both.
            found = np.where(low == high, low, NOTHING)
        found = np.where((count == 0) & (variable.source is not None), variable.default, found)
        unknown: Ints = np.where((holds == _UNKNOWN).any(axis=2), NOTHING, found)
        return unknown

    def _mean(self, variable: Attend, chosen: Bools, count: Ints, source: Ints) -> Ints:
        assert variable.source is not None
        numbers = [Fraction(v) for v in self[variable.source].values]
        unit = int(np.lcm.reduce([n.denominator for n in numbers]))
        whole = np.array([*(int(n * unit) for n in numbers), 0])
        total = np.where(chosen, whole[source][:, None, :], 0).sum(axis=2)
        undefined = (chosen & (source == NOTHING)[:, None, :]).any(axis=2)
        index = {Fraction(v): i for i, v in enumerate(variable.values)}
        found = np.full(count.shape, NOTHING)
        for many, much in {(int(c), int(t)) for c, t in zip(count.ravel(), total.ravel(), strict=True) if c > 0}:
            found[(count == many) & (total == much)] = index[Fraction(much, many * unit)]
        return np.where(undefined, NOTHING, found)

    def renamed(self, names: Mapping[Value, Value]) -> CausalModel:
        """The same model with other values in the place of those in `names`, wherever they occur."""

        def rename(values: tuple[Value, ...]) -> tuple[Value, ...]:
            return tuple(names.get(value, value) for value in values)

        variables = tuple(replace(variable, values=rename(variable.values)) for variable in self.variables)
        return replace(self, variables=variables, vocabulary=rename(self.vocabulary))


def _voted(variable: Vote, solved: Mapping[str, Ints], silent: Mapping[str, Bools]) -> Ints:
    held = np.stack([solved[source] for source in variable.sources])
    quiet = np.stack([silent[source] for source in variable.sources])
    votes = np.stack([(held == value).sum(axis=0) for value in range(len(variable.values))])
    chosen = votes >= variable.needed
    # What an undefined source holds, nobody can say.
    decided = (chosen.sum(axis=0) == 1) & ~((held == NOTHING) & ~quiet).any(axis=0)
    found: Ints = np.where(decided, chosen.argmax(axis=0), NOTHING)
    return found


def _stood_by(variable: Standby, solved: Mapping[str, Ints], silent: Mapping[str, Bools]) -> Ints:
    main, idle = solved[variable.main], silent[variable.main]
    reserve = np.where(silent[variable.reserve], SILENT, solved[variable.reserve])
    found: Ints = np.where(idle, reserve, np.where(main == NOTHING, NOTHING, SILENT))
    return found
