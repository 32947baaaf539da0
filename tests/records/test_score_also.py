"""Further figures of a score: new records keep them, old ones are read without."""

from __future__ import annotations

from autointerp.records import Score


def test_a_score_of_an_older_version_is_read() -> None:
    old = '{"kind":"score","name":"simulation","value":0.5,"ci":[0.4,0.6],"n":3,"control":{"token_table":0.1}}'
    assert Score.model_validate_json(old).also == {}


def test_further_figures_survive_the_journey() -> None:
    score = Score(name="steering", value=1.0, ci=(0.5, 2.0), n=4, also={"effect at 1": 0.25})
    assert Score.model_validate_json(score.model_dump_json()) == score
