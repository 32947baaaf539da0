"""Running a program on texts, in the sandbox, with its output checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType

from autointerp.errors import ProgramError
from autointerp.programs._reading import read
from autointerp.records import Program
from autointerp.sandbox import Limits, Sandbox

#: A reading of one token is a few hundred bytes on its way into the sandbox, so texts go there a few at a time.
_TEXTS_PER_CALL = 64


def predict(
    program: Program, texts: Sequence[Sequence[str]], *, sandbox: Sandbox | None = None, limits: Limits | None = None
) -> list[list[float]]:
    """The program's activations on `texts`, each a list of token strings; one float per token.

    Raises ProgramError where the program fails, passes its limits, or returns anything but one finite number per token.
    """
    if sandbox is None:
        with Sandbox(limits) as fresh:
            return predict(program, texts, sandbox=fresh)
    results: list[list[float]] = []
    for start in range(0, len(texts), _TEXTS_PER_CALL):
        chunk = [list(text) for text in texts[start : start + _TEXTS_PER_CALL]]
        code = f"{program.source}\n[predict(text) for text in texts_]"
        output = sandbox.run(code, inputs={"texts_": chunk}, functions={"read": read})
        results.extend(_checked(values, len(text)) for values, text in zip(output, chunk, strict=True))
    return results


def _checked(values: object, expected: int) -> list[float]:
    if not isinstance(values, list) or len(values) != expected:
        found = f"{len(values)} values" if isinstance(values, list) else type(values).__name__
        raise ProgramError(f"predict returned {found} for a text of {expected} tokens; it must return one per token")
    numbers: list[float] = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ProgramError(f"predict returned {str(value)[:40]!r}; every activation must be a finite number")
        numbers.append(float(value))
    return numbers


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
