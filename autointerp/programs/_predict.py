"""Running a program on texts, in the sandbox, with its output checked."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any

from autointerp.errors import ProgramError
from autointerp.programs._reading import FIELDS, read
from autointerp.records import Program
from autointerp.sandbox import Limits, Sandbox

#: A reading of one token is a few hundred bytes on its way into the sandbox, so texts go there a few at a time.
_TEXTS_PER_CALL = 64
#: `read` runs in this process at the program's request, and a line is repeated in the reading of each of its tokens.
_READ_TOKENS, _READ_CHARACTERS = 4096, 32_768
#: The source too is parsed in this process; a hundred lines are a tenth of this.
_SOURCE_CHARACTERS = 100_000


def predict(
    program: Program, texts: Sequence[Sequence[str]], *, sandbox: Sandbox | None = None, limits: Limits | None = None
) -> list[list[float]]:
    """The program's activations on `texts`, each a list of token strings; one float per token.

    Raises ProgramError where the program fails, passes its limits, or returns anything but one finite number per token.
    """
    if sandbox is None:
        with Sandbox(limits) as fresh:
            return predict(program, texts, sandbox=fresh)
    if len(program.source) > _SOURCE_CHARACTERS:
        raise ProgramError(f"the source has {len(program.source)} characters; at most {_SOURCE_CHARACTERS} are run")
    reader = _reader_for(program)
    results: list[list[float]] = []
    for start in range(0, len(texts), _TEXTS_PER_CALL):
        chunk = [list(text) for text in texts[start : start + _TEXTS_PER_CALL]]
        code = f"{program.source}\n[predict(text) for text in texts_]"
        output = sandbox.run(code, inputs={"texts_": chunk}, functions={"read": reader})
        if not isinstance(output, list) or len(output) != len(chunk):
            raise ProgramError("the source does more than define predict: it hides the call that comes after it")
        results.extend(_checked(values, len(text)) for values, text in zip(output, chunk, strict=True))
    return results


def _reader_for(program: Program) -> Callable[[object], list[dict[str, Any]]]:
    """`read` as the program sees it: with the fields that its source names.

    Carrying a field into the sandbox costs more than computing it, and a program uses a few of the two dozen.
    """
    try:
        with warnings.catch_warnings():
            # What Python has to say about the style of the source is nothing for the reader of our output.
            warnings.simplefilter("ignore")
            nodes = ast.walk(ast.parse(program.source))
        named = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        named = set(FIELDS)
    fields = [field for field in FIELDS if field in named]

    def reader(tokens: object) -> list[dict[str, Any]]:
        return [{field: row[field] for field in fields} for row in read_bounded(tokens)]

    return reader


def read_bounded(tokens: object) -> list[dict[str, Any]]:
    """`read` for callers that nobody trusts: raises TypeError for what is no list of texts, ValueError for too much of it."""
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise TypeError("read takes a list of token strings")
    if len(tokens) > _READ_TOKENS or sum(map(len, tokens)) > _READ_CHARACTERS:
        raise ValueError(f"read takes at most {_READ_TOKENS} tokens of {_READ_CHARACTERS} characters together")
    return _read_once(tuple(tokens))


@lru_cache(maxsize=256)
def _read_once(tokens: tuple[str, ...]) -> list[dict[str, Any]]:
    """A few programs are run on the same few texts, one after the other."""
    return read(list(tokens))


def _checked(values: object, expected: int) -> list[float]:
    if not isinstance(values, list) or len(values) != expected:
        found = f"{len(values)} values" if isinstance(values, list) else type(values).__name__
        raise ProgramError(f"predict returned {found} for a text of {expected} tokens; it must return one per token")
    numbers: list[float] = []
    for value in values:
        number = _finite(value)
        if number is None:
            raise ProgramError(f"predict returned {_shown(value)}; every activation must be a finite number")
        numbers.append(number)
    return numbers


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _shown(value: object) -> str:
    """A value for a message. Only of simple ones is the text short: a list may be deep, an integer too long to print."""
    if isinstance(value, str):
        return repr(value[:40])
    return (
        repr(value) if isinstance(value, (bool, float)) or value is None else f"a value of type {type(value).__name__}"
    )


class Predictor:
    """Programs run one after the other in one open sandbox: what a scorer keeps while it grades an explanation."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._sandbox = Sandbox(limits)

    def __enter__(self) -> Predictor:
        self._sandbox.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sandbox.__exit__(kind, error, trace)

    def __call__(self, program: Program, texts: Sequence[Sequence[str]]) -> list[list[float]]:
        """As `predict`."""
        return predict(program, texts, sandbox=self._sandbox)
