"""What the tools say of the corpus, against the whole of it run through plain torch hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autointerp.activations import SplitView
from autointerp.models import Subject
from autointerp.study import Laboratory
from autointerp.tools import Toolbox
from tests.tools.conftest import FEATURE
from tests.tools.hooks import Plain, names

#: Beside the feature of the bench, of which it holds the figures, one that the tools have to look up.
FEATURES = [FEATURE, 9]
QUARTERS = {"0-25%": 0, "25-50%": 1, "50-75%": 2, "75-100%": 3}


def run(plain: Plain, view: SplitView) -> dict[tuple[int, ...], torch.Tensor]:
    """By passage (token ids without BOS), the activations of all features [tokens, features]."""
    found = {}
    for row, length in zip(view.tokens, view.lengths, strict=True):
        ids = row[:length].tolist()
        found[tuple(ids[1:])] = plain.encode(plain.stream(torch.tensor([ids])))[1:].detach()
    return found


@pytest.fixture(scope="module")
def train(laboratory: Laboratory, plain: Plain) -> dict[tuple[int, ...], torch.Tensor]:
    return run(plain, laboratory.index.train)


@pytest.fixture(scope="module")
def everything(laboratory: Laboratory, plain: Plain, train: dict[tuple[int, ...], torch.Tensor]) -> torch.Tensor:
    """Activations at every token of every split, [tokens, features]."""
    held = [acts for view in (laboratory.index.refine, laboratory.index.test) for acts in run(plain, view).values()]
    return torch.cat([*train.values(), *held])


@pytest.mark.parametrize("feature", FEATURES)
def test_feature_stats(
    toolbox: Toolbox, plain: Plain, subject: Subject, everything: torch.Tensor, feature: int
) -> None:
    found = toolbox.call("feature_stats", {"feature": feature}).data
    stats, acts = found["stats"], everything[:, feature]
    fires = acts[acts > 0]
    assert (found["reads"], found["writes"]) == ("resid_post.1", ["resid_post.1"])
    assert (stats["tokens"], stats["active"]) == (len(acts), len(fires))
    assert stats["density"] == pytest.approx(len(fires) / len(acts))
    # Activations are stored in half precision.
    assert stats["maximum"] == pytest.approx(float(fires.max()), rel=1e-3)
    assert stats["mean_active"] == pytest.approx(float(fires.mean()), rel=1e-3)
    counts, _ = np.histogram(fires.numpy(), stats["histogram_edges"])
    assert sum(stats["histogram_counts"]) == len(fires)
    # One at the edge of two bins may be counted to either.
    assert np.abs(counts - stats["histogram_counts"]).sum() <= 2
    head = plain.model.lm_head.weight * plain.model.model.norm.weight
    logits = (head @ plain.weights["W_dec"][feature]).detach()
    logits = logits - logits.mean()
    for listed, largest in ((stats["top_logits"], True), (stats["bottom_logits"], False)):
        best = logits.topk(len(listed), largest=largest)
        assert [t["token"] for t in listed] == names(subject, best.indices.tolist())
        assert [t["logit"] for t in listed] == pytest.approx(best.values.tolist(), abs=2e-3)
    rows = torch.nn.functional.normalize(plain.weights["W_dec"], dim=1)
    cosines = rows @ rows[feature]
    cosines[feature] = -2
    nearest = cosines.topk(len(stats["neighbours"]))
    assert [n["index"] for n in stats["neighbours"]] == nearest.indices.tolist()
    assert [n["cosine"] for n in stats["neighbours"]] == pytest.approx(nearest.values.tolist(), abs=2e-3)


@pytest.mark.parametrize("feature", FEATURES)
def test_top_examples(
    toolbox: Toolbox,
    subject: Subject,
    train: dict[tuple[int, ...], torch.Tensor],
    everything: torch.Tensor,
    feature: int,
) -> None:
    found = toolbox.call("top_examples", {"feature": feature, "count": 10}).data
    maximum = float(everything[:, feature].max())
    assert found["maximum"] == pytest.approx(maximum, rel=1e-3)
    texts = {tuple(names(subject, ids)): acts[:, feature] for ids, acts in train.items()}
    groups: dict[str, list[float]] = {}
    for example in found["examples"]:
        acts = texts[tuple(example["tokens"])]
        assert example["activations"] == pytest.approx(acts.tolist(), rel=1e-3, abs=1e-3)
        groups.setdefault(example["quantile"], []).append(float(acts.max()))
    peaks = sorted((float(acts.max()) for acts in texts.values()), reverse=True)
    assert groups["top"] == pytest.approx(peaks[: len(groups["top"])], rel=1e-3)
    assert set(groups["near miss"]) == {0.0}
    for name in QUARTERS.keys() & groups.keys():
        for peak in groups[name]:
            assert QUARTERS[name] / 4 - 1e-3 <= peak / maximum <= (QUARTERS[name] + 1) / 4 + 1e-3
    assert len(groups) >= 3


def test_one_part_of_the_range_alone(toolbox: Toolbox) -> None:
    whole = toolbox.call("top_examples", {"count": 10}).data["examples"]
    for quantile in ("top", "near miss"):
        found = toolbox.call("top_examples", {"quantile": quantile, "count": 2}).data["examples"]
        assert found == [example for example in whole if example["quantile"] == quantile][:2]
