"""Files of the published forms, made by hand, and what is read out of them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from autointerp.errors import InputError
from autointerp.eval import CircuitAnswer, PredictionsAnswer
from autointerp.eval.importers import (
    component_of,
    read_agentic_interp_bench,
    read_find_strings,
    read_interp_bench,
    read_mib_circuit,
)


def role(hook: str, tag: str) -> dict[str, object]:
    return {"id": hook, "hook": hook, "role": {"tag": tag, "note": f"does {tag}"}, "labels": []}


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        ("blocks.0.mlp.hook_post", "m0"),
        ("blocks.3.hook_mlp_out", "m3"),
        ("blocks.1.attn.hook_result[2]", "a1.h2"),
        ("blocks.1.hook_q_input[:, :, 3]", "a1.h3"),
        ("blocks.12.hook_attn_out", "a12"),
        ("hook_embed", "input"),
        ("blocks.1.hook_resid_post", "logits"),
    ],
)
def test_hooks_are_components(hook: str, name: str) -> None:
    assert component_of(hook) == name


def test_roles_of_components(tmp_path: Path) -> None:
    parts = [role("blocks.0.mlp.hook_post", "INDICATOR"), role("blocks.1.attn.hook_result[2]", "AGGREGATOR")]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "case_3.json").write_text(json.dumps({"task": {}, "components": parts}))
    (reference,) = read_agentic_interp_bench(tmp_path)
    assert reference.name == "case_3"
    assert dict(reference.notes) == {"m0": "does INDICATOR", "a1.h2": "does AGGREGATOR"}
    assert reference.grade(reference.truth).score == 1.0
    half = reference.grade(CircuitAnswer(roles={"m0": "indicator", "a1.h2": "MOVER"}))
    assert (half.parts, half.success) == ({"role accuracy": 0.5}, False)
    with pytest.raises(InputError, match="case_3 is answered by a CircuitAnswer, not a PredictionsAnswer"):
        reference.grade(PredictionsAnswer())


def test_edges_of_a_circuit(tmp_path: Path) -> None:
    edges = [("hook_embed", "blocks.0.mlp.hook_pre"), ("blocks.0.mlp.hook_post", "blocks.1.attn.hook_q[1]")]
    (tmp_path / "edges.pkl").write_bytes(pickle.dumps(edges))
    reference = read_interp_bench(tmp_path)
    assert set(reference.truth.edges) == {"input->m0", "m0->a1.h1"}  # type: ignore[union-attr]
    assert reference.grade(reference.truth).score == 1.0
    # Of the pairs of a true edge and another, input->m0 is above both, m0->a1.h1 above the second alone.
    ranked = CircuitAnswer(edges={"input->m0": 3.0, "input->a1.h1": 2.0, "m0->a1.h1": 1.0})
    graded = reference.grade(ranked, ["input->a1.h1", "input->logits"])
    assert graded.parts == {"edge AUROC": 0.75}


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "edges.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(InputError, match=r"holds no plain list of edges: it asks for os\.system"):
        read_interp_bench(tmp_path)


def test_a_circuit_with_scores_is_an_answer(tmp_path: Path) -> None:
    edges = {
        "input->a0.h1<q>": {"score": -0.5, "in_graph": True},
        "input->a0.h1<v>": {"score": 0.25, "in_graph": True},
        "a0.h1->m0": {"in_graph": False},
        "m0->logits": True,
    }
    (tmp_path / "circuit.json").write_text(json.dumps({"cfg": {}, "nodes": {}, "edges": edges}))
    read = read_mib_circuit(tmp_path / "circuit.json").edges
    assert read == {"input->a0.h1": 0.5, "a0.h1->m0": 0.0, "m0->logits": 1.0}


def test_pairs_of_a_function(tmp_path: Path) -> None:
    tests = [[["ab", "cd"], ["ba", "cd"]], [["x", "xyz"], ["y", "zyx"]]]
    (tmp_path / "strings.json").write_text(json.dumps([{"name": "f0", "test_vec": tests, "correct_inx": [1, 2]}]))
    (reference,) = read_find_strings(tmp_path / "strings.json")
    assert reference.inputs == ("ab", "xyz")
    assert reference.truth == PredictionsAnswer(outputs=(("ba",), ("zyx",)))
    assert reference.grade(PredictionsAnswer(outputs=(("ba",),))).score == 0.5


def test_files_of_another_form_say_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "case_1.json"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"case_1\.json has another form: it should have `components`"):
        read_agentic_interp_bench(path)
    with pytest.raises(InputError, match="it should have `edges`"):
        read_mib_circuit(path)
    path.write_text('[{"name": "f"}]')
    with pytest.raises(InputError, match="it should have a list of"):
        read_find_strings(path)
    path.write_text("{")
    with pytest.raises(InputError, match="is no JSON file"):
        read_find_strings(path)
    with pytest.raises(InputError, match=r"has no annotations/case_\*\.json"):
        read_agentic_interp_bench(tmp_path / "annotations")
    with pytest.raises(InputError, match=r"edges\.pkl cannot be read: No such file"):
        read_interp_bench(tmp_path)
