"""InterpBench: the edges of a semi-synthetic circuit, `edges.pkl` in the folder of each case.

A pickle can run anything when it is opened. This one is opened by a reader that makes lists, tuples, sets and text, and
refuses whatever else a file asks for.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from autointerp.errors import InputError
from autointerp.eval._answers import CircuitAnswer
from autointerp.eval.importers._names import component_of
from autointerp.eval.importers._reading import misfit
from autointerp.eval.importers._reference import Reference

EDGES = "edges.pkl"


def read_interp_bench(folder: Path) -> Reference:
    """The circuit of a case. Raises InputError where its edges are missing, in another form, or more than plain data."""
    path = folder / EDGES
    try:
        with path.open("rb") as file:
            edges = _Plain(file).load()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no plain list of edges: {error}") from error
    named = {f"{source}->{target}": 1.0 for source, target in _pairs(path, edges) if source != target}
    if not named:
        raise misfit(path, "at least one edge")
    return Reference(folder.name, "Which edges belong to the circuit?", CircuitAnswer(edges=named))


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _pairs(path: Path, edges: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(edges, list | tuple | set | frozenset):
        raise misfit(path, "a list of pairs of hooks")
    for edge in sorted(edges, key=repr):
        if not (isinstance(edge, list | tuple) and len(edge) == 2 and all(isinstance(hook, str) for hook in edge)):
            raise misfit(path, f"pairs of names of hooks, not {str(edge)[:60]}")
        yield component_of(edge[0]), component_of(edge[1])
