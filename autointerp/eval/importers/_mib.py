"""MIB, circuit localisation: a circuit as EAP-IG writes it, with a score for every edge; see its shared task's leaderboard."""

from __future__ import annotations

import math
import re
from pathlib import Path

from autointerp.eval._answers import CircuitAnswer
from autointerp.eval.importers._reading import misfit, read_json

_ROLE = re.compile(r"<[qkv]>$")
_FORM = "`edges`: names like a0.h1->m2 or input->a0.h1<q> with a `score`, `in_graph`, or both"


def read_mib_circuit(path: Path) -> CircuitAnswer:
    """An answer with the edges of a file; of the three ways into a head (q, k, v) the strongest counts.

    Edges are as sure as their scores are large; without scores those in the graph are 1 and the others 0. Raises InputError for
    a file of another form.
    """
    data = read_json(path)
    try:
        given = {str(name): _strength(value) for name, value in data["edges"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise misfit(path, _FORM) from error
    if not given or not all("->" in name and math.isfinite(value) for name, value in given.items()):
        raise misfit(path, _FORM)
    edges: dict[str, float] = {}
    for name, value in given.items():
        plain = _ROLE.sub("", name)
        edges[plain] = max(value, edges.get(plain, 0.0))
    return CircuitAnswer(edges=edges)


def _strength(value: object) -> float:
    if isinstance(value, dict):
        value = value["score"] if value.get("score") is not None else value["in_graph"]
    return abs(float(value))  # type: ignore[arg-type]
