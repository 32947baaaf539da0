"""Sets of latents that are kept, the features that carry an answer, and what cannot be cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autointerp.circuits import (
    Ablation,
    LatentNode,
    LatentParts,
    Pair,
    Task,
    integrated_latent_attribution,
    latent_attribution,
    latent_edges,
    latent_faithfulness,
    latent_patching,
    metric_named,
)
from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.errors import DictionaryError, InputError
from autointerp.models import Point, Subject
from autointerp.records import Score, Site, SiteKind, Unscored
from autointerp.testing import tiny_dictionary
from tests.circuits.plain_latents import Plain, changed, plain_metric, seen
from tests.scoring.known import TokenDictionary

RESID = SiteKind.RESID_POST


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, subject: Subject) -> list[Path]:
    folder = tmp_path_factory.mktemp("kept")
    return [tiny_dictionary(folder / str(i), width=subject.width, layer=i, seed=7 + i) for i in (0, 1)]


@pytest.fixture(scope="module")
def both(folders: list[Path], subject: Subject) -> LatentParts:
    return LatentParts(subject, [open_dictionary(str(folder), subject) for folder in folders])


@pytest.mark.parametrize("errors", [True, False])
def test_what_is_kept_is_what_hooks_keep(both: LatentParts, folders: list[Path], task: Task, errors: bool) -> None:
    """The second hook encodes what the first left."""
    nodes = latent_attribution(both, task).top(12, errors=False)
    score = latent_faithfulness(both, task, nodes, errors=errors, controls=1)
    assert isinstance(score, Score)
    module, blocks = both.subject.module, both.subject.module.model.layers
    found, whole, nothing = [], [], []
    for pair in task.pairs:
        clean, corrupted = torch.tensor([pair.clean]), torch.tensor([pair.corrupted])
        hooks = []
        for layer in (0, 1):
            plain, other = Plain(folders[layer]), seen(module, blocks[layer], corrupted)
            kept = torch.zeros(64, dtype=torch.bool)
            kept[[n.feature for n in nodes if n.layer == layer and n.feature is not None]] = True

            def cut(x: Tensor, plain: Plain = plain, other: Tensor = other, kept: Tensor = kept) -> Tensor:
                strengths = torch.where(kept, plain.acts(x[0]), plain.acts(other))
                rest = plain.rest(x[0]) if errors else plain.rest(other)
                return (strengths @ plain.rows + rest).float()[None]

            hooks.append(cut)
        with changed(blocks[0], hooks[0]), changed(blocks[1], hooks[1]):
            found.append(plain_metric(module, clean))
        whole.append(plain_metric(module, clean))
        nothing.append(plain_metric(module, corrupted))
    assert score.also["metric of the circuit"] == pytest.approx(sum(found) / 3, abs=1e-4)
    assert score.also["metric of the model"] == pytest.approx(sum(whole) / 3, abs=1e-4)
    assert score.also["metric of nothing"] == pytest.approx(sum(nothing) / 3, abs=1e-4)
    assert score.value == pytest.approx((sum(found) - sum(nothing)) / (sum(whole) - sum(nothing)), abs=1e-3)
    assert set(score.control) == ({"errors alone", "random latents"} if errors else {"random latents"})


@pytest.mark.parametrize("ablation", list(Ablation))
def test_everything_is_the_model(both: LatentParts, task: Task, ablation: Ablation) -> None:
    six = [pair for pair in task.pairs if len(pair.clean) == 6]
    # Of two prompts each would be resampled from the other, and the mean stay what it is.
    some = Task("one length", (*six, six[0].swapped()))
    everything = [LatentNode(layer, RESID, feature) for layer in (0, 1) for feature in (*range(64), None)]
    score = latent_faithfulness(both, some, everything, ablation=ablation, errors=False, controls=1)
    assert isinstance(score, Score)
    assert score.value == pytest.approx(1, abs=1e-3)


#: Latents of the planted model: the answer, a decoy that is written with it and that nothing reads, and one that does nothing.
ANSWER, DECOY, OTHER = 0, 1, 2
WIDTH = 8


class Planted(nn.Module):
    """Token 5 anywhere writes two directions into the stream; a unit of the MLP at the last token reads one of them alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, WIDTH)
        self.mix, self.up, self.down = nn.Identity(), nn.Linear(WIDTH, 4, bias=False), nn.Linear(4, WIDTH, bias=False)
        self.block, self.head = nn.Identity(), nn.Linear(WIDTH, 12, bias=False)
        with torch.no_grad():
            for weight in self.parameters():
                weight.zero_()
            self.embed.weight[:, 4:] = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
            self.embed.weight[5, [ANSWER, DECOY]] = torch.tensor([2.0, 3.0])
            self.embed.weight[6, OTHER] = 2.0
            self.up.weight[1, ANSWER] = 1.5
            self.down.weight[3, 1] = 1.0
            self.head.weight[7, 3] = 4.0
            # What the other dimensions say about the answers is noise, and the same for both.
            self.head.weight[[7, 8], 5] = 0.5

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        x = self.mix(x.cumsum(1))
        logits: Tensor = self.head(self.block(x + self.down(torch.relu(self.up(x)))))
        return logits


def axes(subject: Subject, folder: Path) -> Dictionary:
    """The first three coordinates of the stream behind the mixing, as latents; the other five are its error."""
    file = tiny_dictionary(folder, width=WIDTH, latents=3) / "sae_weights.safetensors"
    rows = torch.eye(WIDTH)[:3]
    none = {"b_enc": torch.zeros(3), "b_dec": torch.zeros(WIDTH), "threshold": torch.zeros(3)}
    save_file(load_file(file) | {"W_enc": rows.T.contiguous(), "W_dec": rows} | none, file)
    return open_dictionary(f"{folder}@attn_out.0:attn_out.0", subject)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> LatentParts:
    sites: dict[Site | str, Any] = {
        "attn_out.0": "mix",
        "mlp_hidden.0": Point("down", "input"),
        "resid_post.0": "block",
    }
    subject = Subject.wrap(Planted(), sites=sites, logits="head", sums=(), probe=[0, 3, 4], context=8)
    return LatentParts(subject, [axes(subject, tmp_path_factory.mktemp("axes"))], neurons=[0])


@pytest.fixture(scope="module")
def asked() -> Task:
    """Is there a 5? The counterfactual has a token that writes the latent that does nothing."""
    pairs = [Pair((0, 5, i, 3), (0, 6, i, 3), (7,), (8,)) for i in (1, 2, 9, 10)]
    return Task("planted", tuple(pairs))


def test_the_planted_latent_is_first_and_faithful_and_the_decoy_does_nothing(planted: LatentParts, asked: Task) -> None:
    answer, decoy, other = (LatentNode(0, SiteKind.ATTN_OUT, feature) for feature in (ANSWER, DECOY, OTHER))
    unit = LatentNode(0, SiteKind.MLP_HIDDEN, 1)
    # Two units of the answer through a unit of 1.5 and an unembedding of 4.
    for effects in (latent_attribution(planted, asked), integrated_latent_attribution(planted, asked)):
        assert set(effects.top(2, errors=False)) == {answer, unit}
        assert effects.of([answer, unit, decoy, other]).tolist() == pytest.approx([-12, -12, 0, 0], abs=1e-4)
    exact = latent_patching(planted, asked, [answer, unit, decoy, other]).mean(0)
    assert exact.tolist() == pytest.approx([-12, -12, 0, 0], abs=1e-4)
    # The decoy is no latent that sleeps: it differs between the prompts by more than the answer does.
    assert decoy in latent_attribution(planted, asked).top(3 + 1 + 1)
    edges = {(edge.source, edge.target): edge.effect for edge in latent_edges(planted, asked, [unit])}
    assert edges[answer, unit] == pytest.approx(-12, abs=1e-4)
    assert (decoy, unit) not in edges
    faithful = latent_faithfulness(planted, asked, [answer, unit], errors=False)
    wrong = latent_faithfulness(planted, asked, [decoy, other], errors=False)
    assert isinstance(faithful, Score)
    assert isinstance(wrong, Score)
    assert faithful.value == pytest.approx(1, abs=0.1)
    assert faithful.control["random latents"] < faithful.value
    assert wrong.value == pytest.approx(0, abs=0.1)


def test_a_site_that_nothing_is_computed_from(planted: LatentParts, asked: Task) -> None:
    blind = Planted()
    with torch.no_grad():
        blind.down.weight.zero_()
    sites: dict[Site | str, Any] = {"mlp_hidden.0": Point("down", "input")}
    subject = Subject.wrap(blind, sites=sites, logits="head", sums=(), probe=[0, 3, 4], context=8)
    with pytest.raises(InputError, match=r"nothing that the metric reads is computed from mlp_hidden\.0"):
        latent_attribution(LatentParts(subject, neurons=[0]), asked)


def test_what_cannot_be_cut(subject: Subject, folders: list[Path], dictionary: Dictionary, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no latents to make a circuit of"):
        LatentParts(subject)
    with pytest.raises(InputError, match=r"neurons of layer 3: .* has layers 0 to 2"):
        LatentParts(subject, neurons=[3])
    with pytest.raises(InputError, match=r"both write to resid_post\.1"):
        LatentParts(subject, [dictionary, open_dictionary(str(folders[1]), subject)])
    module = Planted()
    sites: dict[Site | str, Any] = {"resid_post.0": "block", "resid_post.1": "mix"}
    other = Subject.wrap(module, sites=sites, logits="head", sums=(), probe=[0, 3, 4], context=8)
    with pytest.raises(DictionaryError, match=r"32 wide at resid_post\.1, and Planted 8"):
        LatentParts(other, [dictionary])
    with pytest.raises(DictionaryError, match="which Planted does not have"):
        LatentParts(other, [TokenDictionary(subject, [{3: 1.0}])])


def test_nodes_that_are_not_there(both: LatentParts, task: Task) -> None:
    effects = latent_attribution(both, task)
    with pytest.raises(InputError, match=f"a circuit of 5000 nodes: {len(effects)} differ"):
        effects.top(5000)
    with pytest.raises(InputError, match=r"no node resid_post\.1/64: .* has latents 0 to 63"):
        latent_patching(both, task, [LatentNode(1, RESID, 64)])
    with pytest.raises(InputError, match=r"no node mlp_out\.1/3: the model is cut at resid_post\.0, resid_post\.1"):
        latent_faithfulness(both, task, [LatentNode(1, SiteKind.MLP_OUT, 3)])
    with pytest.raises(InputError, match="some nodes are at one token"):
        latent_faithfulness(both, task, [LatentNode(1, RESID, 3), LatentNode(1, RESID, 3, 2)])
    with pytest.raises(InputError, match="leave nothing over"):
        LatentParts(both.subject, neurons=[1]).numbered(LatentNode(1, SiteKind.MLP_HIDDEN, None))


def test_metrics_that_say_nothing(both: LatentParts, task: Task, subject: Subject) -> None:
    with pytest.raises(InputError, match="classification has no gradient"):
        latent_attribution(both, Task(task.name, task.pairs, metric_named("classification")))
    same = Task("same", tuple(Pair((0, 5, 6), (0, 5, 6), (3,), (4,)) for _ in range(2)))
    found = latent_faithfulness(both, same, [LatentNode(1, RESID, 3)], errors=False)
    assert isinstance(found, Unscored)
    assert "do not tell the two apart" in found.reason


def test_a_dictionary_without_gradient_has_no_edges(subject: Subject, task: Task) -> None:
    known = TokenDictionary(subject, [{task.pairs[0].clean[1]: 1.0}])
    parts = LatentParts(subject, [known], neurons=[0])
    assert len(latent_attribution(parts, task)) > 1
    with pytest.raises(InputError, match="known cannot be differentiated"):
        latent_edges(parts, task, [LatentNode(1, RESID, 0)])
