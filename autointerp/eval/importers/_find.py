"""FIND, strings: inputs with the outputs of a function, from `unit_test_data.json`; the functions' code is not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autointerp.eval._answers import PredictionsAnswer
from autointerp.eval.importers._reading import misfit, read_json
from autointerp.eval.importers._reference import Reference

_FORM = "a list of {`name`, `test_vec`: [[inputs, outputs], …], `correct_inx`: [1, …]}"


def read_find_strings(path: Path) -> list[Reference]:
    """The functions of a file: of each test, the one of its pairs that is the function's own (counted from 1).

    Raises InputError for a file of another form.
    """
    rows = read_json(path)
    try:
        return [_function(row) for row in rows]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise misfit(path, _FORM) from error


def _function(row: dict[str, Any]) -> Reference:
    inputs, outputs = [], []
    for (given, returned), right in zip(row["test_vec"], row["correct_inx"], strict=True):
        if not 1 <= right <= len(given):
            raise IndexError(right)
        inputs.append(str(given[right - 1]))
        outputs.append((str(returned[right - 1])[:400],))
    return Reference(str(row["name"]), "What does it return?", PredictionsAnswer(outputs=tuple(outputs)), tuple(inputs))
