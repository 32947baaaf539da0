"""Nothing that can be reached from a bench leads to held-out text."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autointerp.activations import Index, RefineView, TestView, TrainView
from autointerp.activations._sealed import Stored
from autointerp.agents import Gate, Report
from autointerp.programs import Predictor
from autointerp.records import Explanation, Verdict
from autointerp.study import Laboratory, explain
from autointerp.tools import Workbench
from tests.scoring.known import SINGLE
from tests.tools.benches import bench_of

_LEAVES = (
    str,
    bytes,
    int,
    float,
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    np.ndarray,
    torch.Tensor,
)


def parts(value: Any) -> Iterator[Any]:
    """What is stored in an object: items, attributes and slots."""
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from value
    if isinstance(value, types.MethodType):
        yield value.__self__
    yield from getattr(value, "__dict__", {}).values()
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if isinstance(kind.__dict__.get(name), types.MemberDescriptorType) and hasattr(value, name):
                yield getattr(value, name)


def reachable(root: Any) -> dict[int, Any]:
    found: dict[int, Any] = {}
    queue = [root]
    while queue:
        value = queue.pop()
        if id(value) in found:
            continue
        found[id(value)] = value
        if not isinstance(value, _LEAVES):
            queue += parts(value)
    return found


def kinds(root: Any) -> set[type]:
    return {type(value) for value in reachable(root).values()}


def test_the_search_finds_what_is_hidden(known: Laboratory) -> None:
    @dataclass(slots=True)
    class Hidden:
        inside: Any

    assert {RefineView, TestView} <= kinds([{"a": Hidden((known.index,))}])
    assert RefineView in kinds(types.SimpleNamespace(inner=Hidden([known.index.refine])))


def test_a_bench_holds_no_path_to_refine_or_test(known: Laboratory) -> None:
    found = kinds(bench_of(known, SINGLE))
    assert {Workbench, TrainView} <= found
    assert not found & {RefineView, TestView, Index, Laboratory}


def test_the_bench_that_a_study_hands_out_holds_none_either(laboratory: Laboratory) -> None:
    given: list[tuple[Workbench, Gate]] = []

    class Nosy:
        def explain(self, bench: Workbench, gate: Gate) -> Report:
            given.append((bench, gate))
            verdict = Verdict.INSUFFICIENT_EVIDENCE
            return Report(
                Explanation(summary="", fires_on="", promotes="", predictor=None, verdict=verdict, confidence=0.0)
            )

    with Predictor() as predictor:
        explain(laboratory, laboratory.feature(3), Nosy(), predictor)
    ((bench, _),) = given
    found = reachable(bench)
    assert not {type(value) for value in found.values()} & {RefineView, TestView, Index, Laboratory}
    names = {name for value in found.values() if isinstance(value, Stored) for name in value._arrays}
    assert {name.partition("/")[0] for name in names} >= {"train", "totals"}
    assert not [name for name in names if name.startswith(("refine/", "test/"))]
    held_out = [view.tokens for view in (laboratory.index.refine, laboratory.index.test)]
    assert not any(np.shares_memory(array, other) for array in held_out for other in _arrays(found))


def _arrays(found: dict[int, Any]) -> list[np.ndarray]:
    return [value for value in found.values() if isinstance(value, np.ndarray)]
