"""The bundled model, from the command line to the record."""

from __future__ import annotations

from pathlib import Path

import pytest

import autointerp
from autointerp.records import Score, Verdict
from autointerp.report import read_json
from tests.cli.running import Call

ASSETS = Path(autointerp.__file__).parent / "assets"
FEATURE = 1234


@pytest.mark.slow
@pytest.mark.skipif(
    not (ASSETS / "pystdlib").is_dir() or not (ASSETS / "pystdlib-sae").is_dir(), reason="no bundled model here"
)
def test_a_feature_of_the_bundled_model(call: Call, tmp_path: Path) -> None:
    result = call(
        *("explain", "--feature", FEATURE, "--tokens", 20_000, "--out", tmp_path, "--json", tmp_path / "r.json")
    )
    assert (result.code, result.err) == (0, "")
    record = read_json(tmp_path / "r.json")
    assert (record.feature.model, record.feature.dictionary) == ("pystdlib", "pystdlib-sae")
    assert record.feature.index == FEATURE
    assert 20_000 <= record.stats.tokens < 20_200
    assert (tmp_path / f"feature-{FEATURE}.html").stat().st_size > 10_000
    assert record.explanation.verdict in set(Verdict)
    for score in record.scores:
        if isinstance(score, Score):
            assert score.ci[0] <= score.value <= score.ci[1]
