"""What each tool finds, against the same computed with plain torch hooks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autointerp.dictionaries import open_dictionary
from autointerp.models import Subject
from autointerp.testing import tiny_dictionary
from autointerp.tools import Toolbox, Workbench
from tests.tools.conftest import FEATURE, TEXT
from tests.tools.hooks import LAYER, Plain, divergence, names, relative

OTHER = "class Node:\n    pass\n"


def close(found: Any, expected: Any, tolerance: float = 2e-4) -> None:
    torch.testing.assert_close(_numbers(found), _numbers(expected), rtol=1e-3, atol=tolerance)


def _numbers(x: Any) -> torch.Tensor:
    return torch.as_tensor(x).detach().double()


def test_activations_on(toolbox: Toolbox, plain: Plain, subject: Subject) -> None:
    found = toolbox.call("activations_on", {"texts": [TEXT, OTHER]}).data
    for text, row in zip([TEXT, OTHER], found["texts"], strict=True):
        ids = plain.ids(text)
        expected = plain.activations(ids, FEATURE)[1:]
        close(row["activations"], expected)
        assert row["tokens"] == names(subject, ids[0, 1:].tolist())
        close([row["maximum"], row["mean"]], [expected.max(), expected.mean()])
    assert found["texts"][0]["maximum"] > 0


@pytest.mark.parametrize("positions", [None, [4]])
def test_ablate(toolbox: Toolbox, plain: Plain, subject: Subject, positions: list[int] | None) -> None:
    found = toolbox.call("ablate", {"texts": [OTHER, TEXT], "positions": positions, "read": 5}).data
    ids = plain.ids(TEXT)
    amounts = -plain.activations(ids, FEATURE)
    if positions is not None:
        amounts = torch.where(torch.arange(len(amounts)) == positions[0] + 1, amounts, 0.0)
    assert amounts.min() < 0
    before, after = plain.logits(ids)[6], plain.with_added(ids, FEATURE, amounts)[6]
    shift = found["shifts"][1]
    close(found["removed"][1], -amounts.min())
    close(shift["kl"], divergence(before, after), 1e-5)
    best = relative(before, after).topk(8)
    close([t["logit_change"] for t in shift["raised"]], best.values)
    close([t["after"] for t in shift["raised"]], after.softmax(-1)[best.indices])
    assert [t["token"] for t in shift["raised"]] == names(subject, best.indices.tolist())
    worst = relative(before, after).topk(8, largest=False)
    close([t["logit_change"] for t in shift["lowered"]], worst.values)
    assert shift["position"] == 5


def test_steer(toolbox: Toolbox, plain: Plain, subject: Subject) -> None:
    (token,) = (t for t in plain.tokenizer("(", add_special_tokens=False)["input_ids"])
    found = toolbox.call(
        "steer", {"texts": [TEXT, OTHER], "strengths": [2.0, -3.0], "positions": [-1, 2], "tokens": ["("]}
    ).data
    for dose in found["doses"]:
        changes, kls = [], []
        for text in (TEXT, OTHER):
            ids = plain.ids(text)
            amounts = torch.zeros(ids.shape[1])
            amounts[[-1, 3]] = dose["strength"]
            before, after = plain.logits(ids)[-1], plain.with_added(ids, FEATURE, amounts)[-1]
            changes.append(relative(before, after))
            kls.append(divergence(before, after))
        mean = torch.stack(changes).mean(0)
        close(dose["kl"], np.mean(kls), 1e-5)
        close([t["logit_change"] for t in dose["raised"]], mean.topk(8).values)
        close(dose["followed"][0]["logit_change"], mean[token])
    assert [d["strength"] for d in found["doses"]] == [2.0, -3.0]


def test_steering_defaults_to_shares_of_the_maximum(toolbox: Toolbox, bench: Workbench) -> None:
    doses = toolbox.call("steer", {"texts": [OTHER]}).data["doses"]
    close([dose["strength"] / bench.stats.maximum for dose in doses], [0.25, 0.5, 1.0, 2.0])


def test_minimal_pairs(toolbox: Toolbox, plain: Plain) -> None:
    edits = [{"old": "build", "new": "close"}, {"old": "e", "new": "", "which": 2}, {"old": "name\n", "new": "name"}]
    found = toolbox.call("minimal_pairs", {"text": TEXT, "replacements": edits}).data
    texts = [TEXT.replace("build", "close"), TEXT[:10] + TEXT[10:].replace("e", "", 1), TEXT.rstrip("\n")]
    texts[1] = TEXT.replace("e", "\0", 2).replace("\0", "e", 1).replace("\0", "")
    base = plain.activations(plain.ids(TEXT), FEATURE)
    for text, variant in zip(texts, found["variants"], strict=True):
        ids, own = plain.ids(text), plain.activations(plain.ids(text), FEATURE)
        assert variant["text"] == text
        close(variant["activations"], own[1:])
        close(variant["change"], own.max() - base.max())
        tail = variant["same_after"]
        if tail:
            assert plain.ids(TEXT)[0, -tail:].tolist() == ids[0, -tail:].tolist()
            difference = own[-tail:] - base[-tail:]
            close(abs(variant["change_after_edit"]), difference.abs().max())


def test_patch(toolbox: Toolbox, plain: Plain) -> None:
    target, source = plain.ids("if path == 1:"), plain.ids("if path == 2:")
    assert target.shape == source.shape
    sites = ["resid_post.0", "attn_out.1", "mlp_out.2"]
    found = toolbox.call("patch", {"target": "if path == 1:", "source": "if path == 2:", "sites": sites}).data
    modules = [plain.block(0), plain.block(1).self_attn, plain.block(2).mlp]
    clean, other = plain.logits(target)[-1], plain.logits(source)[-1]
    rise = other.softmax(-1) - clean.softmax(-1)
    a, b = int(rise.argmax()), int(rise.argmin())
    gaps = [float(x[a] - x[b]) for x in (clean, other)]
    close([found["target_difference"], found["source_difference"]], gaps)
    cells = iter(found["cells"])
    for name, module in zip(sites, modules, strict=True):
        seen: list[torch.Tensor] = []
        with plain.hooked(module, lambda x, seen=seen: seen.append(x.clone())):
            plain.logits(source)
        for place in range(1, target.shape[1]):

            def swap(x: torch.Tensor, place: int = place, seen: list[torch.Tensor] = seen) -> torch.Tensor:
                x = x.clone()
                x[0, place] = seen[0][0, place]
                return x

            with plain.hooked(module, swap):
                patched = plain.logits(target)[-1]
            cell = next(cells)
            assert (cell["site"], cell["position"]) == (name, place - 1)
            close(cell["difference"], patched[a] - patched[b])
            close(cell["restored"], (float(patched[a] - patched[b]) - gaps[0]) / (gaps[1] - gaps[0]), 2e-3)
            close(cell["kl"], divergence(clean, patched), 1e-5)
    assert next(cells, None) is None


def test_patching_everything_restores_the_source(toolbox: Toolbox) -> None:
    asked = {"target": "if path == 1:", "source": "if path == 2:", "sites": ["resid_post.1"], "together": True}
    (cell,) = toolbox.call("patch", asked).data["cells"]
    close(cell["restored"], 1.0, 1e-3)


def test_logit_effects(toolbox: Toolbox, plain: Plain, subject: Subject) -> None:
    found = toolbox.call("logit_effects", {"texts": [TEXT, OTHER], "tokens": ["("], "count": 5}).data
    head = plain.model.lm_head.weight * plain.model.model.norm.weight
    direct = (head @ plain.weights["W_dec"][FEATURE]).detach()
    direct = direct - direct.mean()
    best = direct.topk(5)
    close([t["logit"] for t in found["direct"]["promotes"]], best.values)
    assert [t["token"] for t in found["direct"]["promotes"]] == names(subject, best.indices.tolist())
    (token,) = plain.tokenizer("(", add_special_tokens=False)["input_ids"]
    close(found["direct"]["followed"][0]["logit"], direct[token])
    changes, heights = [], []
    for text in (TEXT, OTHER):
        ids = plain.ids(text)
        acts = plain.activations(ids, FEATURE)
        if acts.max() <= 0:
            continue
        place = int(acts.argmax())
        amounts = torch.zeros_like(acts)
        amounts[place] = -acts[place]
        heights.append(float(acts[place]))
        changes.append(relative(plain.with_added(ids, FEATURE, amounts)[place], plain.logits(ids)[place]))
    measured = found["measured"]
    assert measured["texts"] == len(changes) > 0
    close(measured["activation"], np.mean(heights))
    close([t["logit_change"] for t in measured["promotes"]], torch.stack(changes).mean(0).topk(5).values)


def test_attention(toolbox: Toolbox, plain: Plain, subject: Subject) -> None:
    layer, head = 1, 3
    found = toolbox.call("attention", {"text": TEXT, "layer": layer, "head": head, "queries": [-1], "keys": 20}).data
    ids, attention = plain.ids(TEXT), plain.block(layer).self_attn
    values: list[torch.Tensor] = []
    handle = attention.v_proj.register_forward_hook(lambda _, __, out: values.append(out[0].detach()))
    usual = plain.model.config._attn_implementation
    plain.model.set_attn_implementation("eager")
    with torch.no_grad():
        weights = plain.model(input_ids=ids, output_attentions=True).attentions[layer][0, head, -1]
    plain.model.set_attn_implementation(usual)
    handle.remove()
    size = attention.head_dim
    shared = head // (4 // 2)
    moved = (
        values[0][:, shared * size : (shared + 1) * size]
        @ attention.o_proj.weight[:, head * size : (head + 1) * size].T.detach()
    )
    contributions = weights[:, None] * moved
    (query,) = found["queries"]
    direction = plain.weights["W_dec"][FEATURE] / plain.weights["W_dec"][FEATURE].norm()
    assert [look["weight"] for look in query["keys"]] == sorted(
        (look["weight"] for look in query["keys"]), reverse=True
    )
    for look in query["keys"]:
        key = look["position"] + 1
        close(look["weight"], weights[key])
        close(look["moved"], contributions[key].norm())
        close(look["toward_feature"], contributions[key] @ direction)
    head_weights = (plain.model.lm_head.weight * plain.model.model.norm.weight).detach()
    logits = head_weights @ contributions.sum(0)
    close([t["logit"] for t in query["promotes"]], (logits - logits.mean()).topk(4).values)
    close(query["entropy"], -(weights * weights.clamp(min=1e-30).log()).sum())


def test_neighbours_by_direction(toolbox: Toolbox, plain: Plain) -> None:
    found = toolbox.call("neighbours", {"count": 6}).data["near"]
    rows = torch.nn.functional.normalize(plain.weights["W_dec"], dim=1)
    cosines = rows @ rows[FEATURE]
    cosines[FEATURE] = -2
    close([near["cosine"] for near in found], cosines.topk(6).values)
    assert [near["feature"] for near in found] == cosines.topk(6).indices.tolist()


def test_neighbours_by_coactivation(toolbox: Toolbox, plain: Plain, bench: Workbench) -> None:
    from autointerp.tools import sample_texts

    found = toolbox.call("neighbours", {"by": "coactivation", "count": 5}).data
    sample = sample_texts(bench, active=32, silent=32)
    rows = [
        plain.encode(plain.stream(torch.from_numpy(ids[:length].astype(np.int64))[None]))[1:] > 0
        for ids, length in zip(sample.ids, sample.lengths, strict=True)
    ]
    fires = torch.cat(rows).double()
    assert (found["tokens"], found["active"]) == (len(fires), int(fires[:, FEATURE].sum()))
    matrix = torch.nan_to_num(torch.corrcoef(fires.T)[FEATURE], nan=0.0)
    matrix[FEATURE] = -2
    assert [near["feature"] for near in found["near"]] == matrix.topk(5).indices.tolist()
    close([near["phi"] for near in found["near"]], matrix.topk(5).values)
    first = found["near"][0]
    own = fires[:, FEATURE] > 0
    close([first["when_active"], first["when_silent"]], [fires[w, first["feature"]].mean() for w in (own, ~own)])


def test_compare_features(toolbox: Toolbox, plain: Plain, bench: Workbench) -> None:
    found = toolbox.call("compare_features", {"features": [5, FEATURE]}).data
    train = bench.train
    known = min(train.windows(f).passages for f in (5, FEATURE))
    acts = torch.cat(
        [
            plain.encode(plain.stream(torch.from_numpy(train.tokens[i, : train.lengths[i]].astype(np.int64))[None]))[1:]
            for i in range(known)
        ]
    )[:, [5, FEATURE]].double()
    (pair,) = found["pairs"]
    on = acts > 0
    both, either = int((on[:, 0] & on[:, 1]).sum()), int((on[:, 0] | on[:, 1]).sum())
    assert pair["both"] == both
    close(pair["jaccard"], both / either)
    close(pair["correlation"], torch.corrcoef(acts.T)[0, 1], 1e-3)
    close(pair["cosine"], torch.cosine_similarity(*plain.weights["W_dec"][[5, FEATURE]], dim=0))


def test_generate(toolbox: Toolbox, plain: Plain, subject: Subject) -> None:
    asked = {"texts": ["def build"], "edit": "steer", "strength": 6.0, "max_new_tokens": 6}
    (found,) = toolbox.call("generate", asked).data["continuations"]

    def written(amount: float) -> str:
        ids = plain.ids("def build")
        for _ in range(6):
            token = int(plain.with_added(ids, FEATURE, torch.full((ids.shape[1],), amount))[-1].argmax())
            ids = torch.cat([ids, torch.tensor([[token]])], 1)
            if token == 0:
                break
        return "".join(names(subject, ids[0, plain.ids("def build").shape[1] :].tolist()))

    assert found["plain"] == written(0.0)
    assert found["edited"] == written(6.0)
    assert found["plain"] != found["edited"]


def test_attribute(toolbox: Toolbox, plain: Plain) -> None:
    found = toolbox.call("attribute", {"text": TEXT, "count": 50}).data
    ids = plain.ids(TEXT)
    place = int(plain.activations(ids, FEATURE).argmax())
    assert found["position"] == place - 1
    close(found["activation"], plain.activations(ids, FEATURE)[place])
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: Any, args: Any, output: Any) -> None:
            x = args[0] if name != "embed" else output
            if not x.requires_grad:
                x.requires_grad_()
            x.retain_grad()
            seen[name] = x

        return hook

    handles = [plain.model.model.embed_tokens.register_forward_hook(keep("embed"))]
    for layer in range(LAYER + 1):
        handles.append(plain.block(layer).mlp.down_proj.register_forward_hook(keep(f"neuron {layer}")))
        handles.append(plain.block(layer).self_attn.o_proj.register_forward_hook(keep(f"head {layer}")))
    stream: list[torch.Tensor] = []

    def read(x: torch.Tensor) -> None:
        stream.append(x[0])

    with torch.enable_grad(), plain.hooked(plain.block(LAYER), read):
        plain.model(input_ids=ids)
        plain.encode(stream[0])[place, FEATURE].backward()
    for handle in handles:
        handle.remove()
    plain.model.zero_grad()
    share = {name: (x * x.grad)[0].detach() for name, x in seen.items() if x.grad is not None}
    close([t["attribution"] for t in found["tokens"]], share["embed"].sum(-1)[: place + 1], 1e-3)
    assert {cause["part"].split()[0] for cause in found["causes"]} == {"neuron", "head"}
    for cause in found["causes"]:
        kind, _, number = cause["part"].partition(" ")
        layer, _, index = number.partition(".")
        values = share[f"{kind} {layer}"]
        if kind == "head":
            values = values.unflatten(-1, (4, -1)).sum(-1)
        close(cause["attribution"], values[cause["position"] + 1, int(index)], 1e-3)


def test_attribute_to_upstream_features(
    bench: Workbench, subject: Subject, plain: Plain, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of a dictionary at the layer before: its features' activations times the gradient along their directions."""
    folder = tiny_dictionary(tmp_path_factory.mktemp("upstream"), width=subject.width, layer=LAYER - 1, seed=5)
    earlier = Plain(subject, folder)
    upstream = (open_dictionary(f"file:{folder}", subject), bench.dictionary)
    with Toolbox(replace(bench, upstream=upstream), sandbox=None) as toolbox:
        found = toolbox.call("attribute", {"text": TEXT, "count": 50}).data
    ids = plain.ids(TEXT)
    place = int(plain.activations(ids, FEATURE).argmax())
    seen: list[torch.Tensor] = []

    def keep(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach().clone().requires_grad_())
        return seen[0]

    stream: list[torch.Tensor] = []
    with (
        torch.enable_grad(),
        plain.hooked(plain.block(LAYER - 1), keep),
        plain.hooked(plain.block(LAYER), lambda x: stream.append(x[0])),
    ):
        plain.model(input_ids=ids)
        plain.encode(stream[0])[place, FEATURE].backward()
    plain.model.zero_grad()
    acts = earlier.encode(seen[0][0].detach())
    share = acts * (seen[0].grad[0] @ earlier.weights["W_dec"].T)
    share[0] = 0.0
    name = upstream[0].name
    causes = [cause for cause in found["causes"] if cause["part"].startswith(f"{name} ")]
    assert causes
    for cause in causes:
        column, feature = cause["position"] + 1, int(cause["part"].rpartition(" ")[2])
        close(cause["activation"], acts[column, feature])
        close(cause["attribution"], share[column, feature], 1e-3)
    best = share.abs().flatten().topk(len(causes)).values
    close([abs(cause["attribution"]) for cause in causes], best, 1e-3)
    # The dictionary of the feature itself writes nothing before it reads.
    assert len({cause["part"].rpartition(" ")[0].split(" ")[0] for cause in found["causes"]} - {"neuron", "head"}) == 1


def test_run_code(toolbox: Toolbox, plain: Plain) -> None:
    code = f"r = activations_on(texts=[{TEXT!r}, {OTHER!r}])\nmean([t['maximum'] for t in r['texts']])"
    found = toolbox.call("run_code", {"code": code}).data
    expected = np.mean([float(plain.activations(plain.ids(text), FEATURE).max()) for text in (TEXT, OTHER)])
    close(float(found["value"]), expected)
    assert toolbox.call("run_code", {"code": "print('kept', r['feature'])"}).data["printed"] == f"kept {FEATURE}\n"
