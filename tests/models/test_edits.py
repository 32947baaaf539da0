"""Edits as data: what is written comes back, and what they do to activations is what the same hook does."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models import At, Edit, Marked, Objective, Operation, Subject, TokenIs
from autointerp.records import Site, SiteKind
from tests.models.plain import plain_run

TEXTS = ("def f(a):\n    return a\n", "for i in range(9): print(i, 'x')", "import re\nclass Node:\n    pass\n")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def site(layer: int, kind: str) -> Site:
    return Site(layer=layer, kind=SiteKind(kind))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def ids(subject: Subject) -> Tensor:
    texts = [[subject.bos, *subject.encode(text)] for text in TEXTS]
    return subject.pad([text[: min(map(len, texts))] for text in texts])


def as_json(data: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(data))


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    operation = draw(st.sampled_from(Operation))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    if operation is Operation.RESAMPLE:
        value = torch.randint(0, 9, shape[:1])
    else:
        value = torch.randn(shape).to(draw(st.sampled_from(DTYPES)))
    mask = torch.rand(2, 3) > 0.5
    where = draw(st.sampled_from([None, mask, Marked(mask), At([0, -1]) & ~TokenIs([3])]))
    rows = draw(st.none() | st.lists(st.integers(0, 5), max_size=3).map(tuple))
    part = draw(st.none() | st.tuples(st.integers(0, 4), st.integers(5, 9)))
    kind = draw(st.sampled_from(SiteKind))
    return Edit(Site(layer=draw(st.integers(0, 40)), kind=kind), operation, value, where, rows, part)


@settings(max_examples=100, deadline=None)
@given(edits())
def test_an_edit_is_plain_data(edit: Edit) -> None:
    again = Edit.from_dict(as_json(edit.to_dict()))
    assert again.to_dict() == edit.to_dict()
    assert (again.site, again.operation, again.rows, again.part) == (edit.site, edit.operation, edit.rows, edit.part)
    assert again.value.dtype == edit.value.dtype
    assert torch.equal(again.value, edit.value)


def test_no_bit_is_lost() -> None:
    value = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45, 0.1])
    again = Edit.from_dict(as_json(Edit(site(0, "embed"), Operation.SET, value).to_dict())).value
    assert torch.equal(again.view(torch.int32), value.view(torch.int32))
    transposed = noise(3, 4).T
    assert torch.equal(Edit.from_dict(Edit(site(0, "embed"), Operation.SET, transposed).to_dict()).value, transposed)


def test_an_objective_is_plain_data() -> None:
    for objective in (
        Objective(noise(5)),
        Objective(noise(2, 3, 5), site(1, "mlp_out"), At([-1])),
        Objective(noise(5), None, torch.tensor([[True, False]])),
    ):
        again = Objective.from_dict(as_json(objective.to_dict()))
        assert again.to_dict() == objective.to_dict()
        assert again.site == objective.site
    with pytest.raises(ModelError, match="not an objective"):
        Objective.from_dict({"weights": {"dtype": "float32", "shape": [], "base64": "AAAAAA=="}})


@pytest.mark.parametrize(
    "change",
    [
        {"site": {"layer": -1, "kind": "embed"}},
        {"site": None},
        {"operation": "delete"},
        {"value": {"dtype": "float32", "shape": [2], "base64": "AAAA"}},
        {"value": {"dtype": "float32", "shape": [1], "base64": "AA!A"}},
        {"value": {"dtype": "complex", "shape": [1], "base64": "AAAA"}},
        {"value": None},
        {"positions": {"positions": "Nowhere"}},
        {"rows": ["a"]},
        {"part": [3]},
        {"part": [3, 3]},
    ],
)
def test_what_is_no_edit_is_refused(change: dict[str, Any]) -> None:
    data = Edit(site(0, "embed"), Operation.ADD, torch.zeros(1)).to_dict()
    assert Edit.from_dict(data).to_dict() == data
    with pytest.raises(ModelError) as caught:
        Edit.from_dict(data | change)
    assert "\n" not in str(caught.value)
    for name in change:
        with pytest.raises(ModelError):
            Edit.from_dict({key: value for key, value in data.items() if key != name})


@pytest.mark.parametrize("value", [torch.zeros(1), torch.zeros(2, 2, dtype=torch.int64)])
def test_resampling_takes_numbers_of_texts(value: Tensor) -> None:
    with pytest.raises(ModelError, match=r"int64 \[batch\]"):
        Edit(site(0, "embed"), Operation.RESAMPLE, value)


def test_positions_are_data_and_no_closure() -> None:
    with pytest.raises(ModelError, match="positions are a selection such as At"):
        Edit(site(0, "embed"), Operation.ADD, torch.zeros(1), lambda text: text)


@pytest.mark.parametrize("kind", ["resid_pre", "mlp_hidden", "head_out", "resid_post"])
@pytest.mark.parametrize("somewhere", [False, True])
def test_resampling_puts_in_what_another_text_has_there(
    subject: Subject, ids: Tensor, kind: str, somewhere: bool
) -> None:
    where, value = site(1, kind), torch.tensor([1, 2, 0])
    mask = noise(*ids.shape, seed=1) > 0 if somewhere else torch.ones_like(ids, dtype=torch.bool)
    _, logits = plain_run(subject.module, ids, edits=[(where, lambda x: torch.where(mask[..., None], x[value], x))])
    edit = Edit(where, Operation.RESAMPLE, value, mask if somewhere else None)
    torch.testing.assert_close(subject.run(ids, edits=[edit], logits=True).logits, logits, **CLOSE)


def test_resampling_takes_what_was_there_before_any_edit(subject: Subject, ids: Tensor) -> None:
    where, shift = site(1, "mlp_out"), noise(32)
    _, logits = plain_run(subject.module, ids, edits=[(where, lambda x: x[[1, 1, 1]] * 2)])
    given = [
        Edit(where, Operation.ADD, shift),
        Edit(where, Operation.RESAMPLE, torch.tensor(1)),
        Edit(where, Operation.SCALE, torch.tensor(2.0)),
    ]
    torch.testing.assert_close(subject.run(ids, edits=given, logits=True).logits, logits, **CLOSE)


@pytest.mark.parametrize("operation", [Operation.SET, Operation.ADD, Operation.SCALE, Operation.PROJECT_OUT])
def test_rows_and_part_limit_an_edit(subject: Subject, ids: Tensor, operation: Operation) -> None:
    where, value, rows, part = site(1, "head_out"), noise(2, 1, 8, seed=2), (2, 0), (8, 16)

    def change(x: Tensor) -> Tensor:
        x = x.clone()
        for number, row in enumerate(rows):
            old, v = x[row, :, 8:16], value[number]
            x[row, :, 8:16] = {
                "set": v.expand_as(old),
                "add": old + v,
                "scale": old * v,
                "project_out": old - (old @ v.T) * v / v.square().sum(),
            }[operation]
        return x

    seen, logits = plain_run(subject.module, ids, capture=[where], edits=[(where, change)])
    run = subject.run(ids, capture=[where], edits=[Edit(where, operation, value, None, rows, part)], logits=True)
    torch.testing.assert_close(run.sites[where], seen[where], **CLOSE)
    torch.testing.assert_close(run.logits, logits, **CLOSE)


def test_rows_with_positions_and_values_of_their_own(subject: Subject, ids: Tensor) -> None:
    where, tokens = site(0, "resid_post"), ids.shape[1]
    value, mask = noise(2, tokens, 32, seed=3), noise(2, tokens, seed=4) > 0

    def change(x: Tensor) -> Tensor:
        x = x.clone()
        x[[2, 1]] = torch.where(mask[..., None], x[[2, 1]] + value, x[[2, 1]])
        return x

    _, logits = plain_run(subject.module, ids, edits=[(where, change)])
    edit = Edit(where, Operation.ADD, value, Marked(mask), rows=(2, 1))
    torch.testing.assert_close(subject.run(ids, edits=[edit], logits=True).logits, logits, **CLOSE)


def test_a_batch_in_which_each_row_has_an_edit_of_its_own(subject: Subject, ids: Tensor) -> None:
    shift, gain = noise(32, seed=5), noise(32, seed=6)
    given = [
        Edit(site(0, "mlp_out"), Operation.ADD, shift, At([-1]), rows=(0,)),
        Edit(site(0, "mlp_out"), Operation.SCALE, gain, At([2]), rows=(1,)),
        Edit(site(1, "attn_out"), Operation.SET, shift, None, rows=(2,)),
        Edit(site(0, "mlp_out"), Operation.SCALE, gain, None, rows=(0,)),
    ]
    together = subject.run(ids, edits=given, logits=True).logits
    for row in range(3):
        own = [Edit(e.site, e.operation, e.value, e.positions) for e in given if e.rows == (row,)]
        alone = subject.run(ids[row : row + 1], edits=own, logits=True).logits
        torch.testing.assert_close(together[row : row + 1], alone, **CLOSE)


def eager_logits(subject: Subject, ids: Tensor, layer: int, change: Any) -> Tensor:
    """Logits of a run whose attention at a layer is changed after the softmax: attention done by hand in a hook."""
    module = subject.module
    attention = module.model.layers[layer].self_attn
    seen: dict[str, Tensor] = {}
    handles = [
        part.register_forward_hook(lambda _, __, out, name=name: seen.__setitem__(name, out))
        for name, part in (("q", attention.q_proj), ("k", attention.k_proj), ("v", attention.v_proj))
    ]

    def mixed(_: Any, args: tuple[Tensor, ...]) -> tuple[Tensor]:
        from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

        batch, tokens = ids.shape
        q, k, v = (seen[name].view(batch, tokens, -1, 8).transpose(1, 2) for name in "qkv")
        cos, sin = module.model.rotary_emb(q, torch.arange(tokens)[None])
        q, k = apply_rotary_pos_emb(q, k, cos, sin)
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        scores = (q @ k.transpose(2, 3)) * attention.scaling
        scores = scores.masked_fill(torch.ones(tokens, tokens).triu(1).bool(), float("-inf"))
        pattern = change(scores.softmax(-1))
        return ((pattern @ v).transpose(1, 2).reshape(batch, tokens, -1),)

    handles.append(attention.o_proj.register_forward_pre_hook(mixed))
    try:
        with torch.no_grad():
            logits: Tensor = module(ids).logits
    finally:
        for handle in handles:
            handle.remove()
    return logits


@pytest.mark.parametrize("operation", [Operation.SET, Operation.ADD, Operation.SCALE, Operation.RESAMPLE])
def test_positions_of_a_pattern_are_queries_and_its_parts_are_heads(
    subject: Subject, ids: Tensor, operation: Operation
) -> None:
    where, tokens = site(1, "pattern"), ids.shape[1]
    value = torch.tensor([2, 0, 1]) if operation is Operation.RESAMPLE else noise(2, tokens, tokens, seed=7)

    def change(x: Tensor) -> Tensor:
        old, x = x[:, 1:3, 4], x.clone()
        v = old[value] if operation is Operation.RESAMPLE else value[:, 4]
        x[:, 1:3, 4] = {"set": v.expand_as(old), "add": old + v, "scale": old * v, "resample": v}[operation]
        return x

    edit = Edit(where, operation, value, At([4]), part=(1, 3))
    run = subject.run(ids, edits=[edit], logits=True)
    torch.testing.assert_close(run.logits, eager_logits(subject, ids, 1, change), rtol=1e-5, atol=2e-5)
    assert not torch.allclose(run.logits, subject.run(ids, logits=True).logits, atol=1e-2)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Edit(site(1, "mlp_out"), Operation.SET, torch.ones(32), None, (3,)), "rows (3,) of 3 texts"),
        (Edit(site(1, "mlp_out"), Operation.SET, torch.ones(4), None, None, (30, 34)), "part (30, 34) of 32"),
        (Edit(site(1, "mlp_out"), Operation.SET, torch.ones(5), None, None, (0, 4)), "width (5,) instead of (4,)"),
        (Edit(site(1, "mlp_out"), Operation.RESAMPLE, torch.tensor([0, 1, 3]), At([0])), "are 0 to 2"),
        (Edit(site(1, "mlp_out"), Operation.RESAMPLE, torch.tensor([0, 1])), "does not fit"),
        (Edit(site(1, "mlp_out"), Operation.RESAMPLE, torch.tensor([0, 1, 7])), "does not fit"),
        (Edit(site(1, "mlp_out"), Operation.PROJECT_OUT, torch.ones(1)), "does not fit"),
        (Edit(site(1, "mlp_out"), Operation.PROJECT_OUT, torch.ones(1), At([0])), "width (1,) instead of (32,)"),
        (Edit(site(1, "mlp_out"), Operation.ADD, torch.ones(3, 5, 32), At([0])), "not of the texts' shape"),
        (Edit(site(1, "mlp_out"), Operation.ADD, torch.ones(1, 1, 1, 32), At([0])), "does not fit"),
    ],
)
def test_a_misfit_says_what_is_wrong(subject: Subject, ids: Tensor, edit: Edit, reason: str) -> None:
    with pytest.raises(ModelError, match=r"the edit at mlp_out.1 does not fit") as caught:
        subject.run(ids, edits=[edit], logits=True)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_examples_of_the_documentation_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "docs" / "interventions.md"
    script = tmp_path / "example.py"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    script.write_text("\n".join(blocks), encoding="utf-8")
    names = runpy.run_path(str(script))
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "torch.Size([2]) torch.Size([2, 13, 256])"
    assert printed[3] == "torch.Size([4, 8, 6])"
    subject, pair, effects = names["subject"], names["pair"], names["effects"]
    clean = subject.run(pair[:1], logits=True).logits[0, -1, names["place"]]
    torch.testing.assert_close(effects[0], clean, rtol=1e-4, atol=1e-4)
    rows = re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert rows == list(Operation)
