"""Records are values: they survive JSON, do not change, and refuse what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from autointerp.records import (
    FORMAT,
    Cost,
    EffectClaim,
    Evidence,
    Example,
    Explanation,
    FeatureRef,
    FeatureStats,
    Intervention,
    Neighbour,
    Program,
    PromptKind,
    RunRecord,
    Score,
    ScoreResult,
    Site,
    SiteKind,
    TokenLogit,
    Unscored,
    Verdict,
    Versions,
)

CLAIM = EffectClaim(
    intervention=Intervention.STEER,
    prompts=PromptKind.SILENT,
    tokens=(" def", "\n"),
    token_ids=(7, 8),
    sign=-1,
    at_least=0.25,
    strength=3.0,
)
EXAMPLE = Example(document="a.py", line=3, tokens=("a", "\ufffd"), activations=(0.0, 1.5), quantile="top")
STATS = FeatureStats(
    tokens=100,
    active=3,
    density=0.03,
    maximum=2.0,
    mean_active=1.0,
    histogram_edges=(0.5, 1.0, 2.0),
    histogram_counts=(1, 2),
    top_logits=(TokenLogit(token="x", logit=1.0),),
    bottom_logits=(),
    neighbours=(Neighbour(index=4, cosine=-0.5),),
)
RECORD = RunRecord(
    feature=FeatureRef(model="m", dictionary="d", index=0, site=Site(layer=2, kind=SiteKind.RESID_POST)),
    stats=STATS,
    explanation=Explanation(
        summary="fires on ‹def›",
        fires_on="def",
        promotes="names",
        predictor=Program(source="def predict(tokens):\n\n    return [0.0] * len(tokens)\n"),
        effects=(CLAIM,),
        verdict=Verdict.EXPLAINED,
        confidence=1.0,
    ),
    scores=(
        Score(name="simulation", value=0.7, ci=(0.6, 0.8), n=10, control={"shuffled": 0.0}),
        Unscored(name="substitution", reason="never fired"),
    ),
    evidence=(Evidence(prediction="p", outcome="o", supports=None, split="test"),),
    examples=(EXAMPLE,),
    cost=Cost(seconds=1.5, forward_passes=2, tokens=300),
    versions=Versions(**dict.fromkeys(set(Versions.model_fields) - {"seed"}, "1"), seed=0),
)


def test_a_record_survives_json() -> None:
    again = RunRecord.model_validate_json(RECORD.model_dump_json())
    assert again == RECORD
    assert again.format == FORMAT
    assert [type(score) for score in again.scores] == [Score, Unscored]
    assert isinstance(again.examples[0].tokens, tuple)


@given(
    st.lists(st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False)), max_size=5),
    st.text(),
    st.integers(),
)
def test_any_example_survives_json(pairs: list[tuple[str, float]], document: str, line: int) -> None:
    example = Example(
        document=document,
        line=line,
        tokens=tuple(token for token, _ in pairs),
        activations=tuple(value for _, value in pairs),
        quantile="top",
    )
    assert Example.model_validate_json(example.model_dump_json()) == example


@pytest.mark.parametrize("value", [RECORD, STATS, CLAIM, EXAMPLE, *RECORD.scores, RECORD.cost, RECORD.feature])
def test_records_are_frozen_and_refuse_unknown_fields(value: Any) -> None:
    field = next(iter(type(value).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, field, getattr(value, field))
    with pytest.raises(ValidationError, match=r"(?i)extra inputs are not permitted"):
        type(value).model_validate({**value.model_dump(), "surprise": 1})


def test_another_format_is_refused() -> None:
    with pytest.raises(ValidationError):
        RunRecord.model_validate({**RECORD.model_dump(), "format": FORMAT + 1})


def test_values_are_compared_by_content_and_can_be_keys() -> None:
    one, same = (Site(layer=1, kind=SiteKind.Q) for _ in range(2))
    assert len({one, same, Site(layer=2, kind=SiteKind.Q)}) == 2
    assert str(one) == "q.1"


def altered(value: Any, fields: dict[str, Any]) -> Any:
    return type(value).model_validate({**value.model_dump(), **fields})


@pytest.mark.parametrize(
    ("value", "fields", "message"),
    [
        (RECORD.scores[0], {"ci": (0.8, 0.6)}, "upside down"),
        (RECORD.scores[0], {"n": 0}, "greater than or equal to 1"),
        (RECORD.scores[0], {"value": float("nan")}, "finite"),
        (RECORD.scores[0], {"ci": (0.0, float("inf"))}, "finite"),
        (CLAIM, {"strength": None}, "steering needs a strength"),
        (CLAIM, {"intervention": "ablate"}, "no other has one"),
        (CLAIM, {"token_ids": (7,)}, "2 tokens but 1 token ids"),
        (CLAIM, {"tokens": (), "token_ids": ()}, "at least 1"),
        (CLAIM, {"sign": 0}, "sign"),
        (CLAIM, {"at_least": -0.1}, "at_least"),
        (EXAMPLE, {"activations": (1.0,)}, "differ in number"),
        (EXAMPLE, {"predicted": (1.0, 2.0, 3.0)}, "differ in number"),
        (EXAMPLE, {"activations": (1.0, float("nan"))}, "finite"),
        (STATS, {"histogram_edges": (1.0, 2.0)}, "2 bins needs 3 edges, found 2"),
        (STATS, {"histogram_edges": ()}, "2 bins needs 3 edges, found 0"),
        (RECORD.explanation, {"confidence": 1.1}, "confidence"),
        (RECORD.explanation, {"verdict": "maybe"}, "verdict"),
        (RECORD.cost, {"seconds": -1}, "seconds"),
        (RECORD.feature, {"index": -1}, "index"),
        (RECORD.evidence[0], {"split": "validation"}, "split"),
    ],
)
def test_what_contradicts_itself_is_refused(value: Any, fields: dict[str, Any], message: str) -> None:
    altered(value, {})
    with pytest.raises(ValidationError, match=message):
        altered(value, fields)


def test_a_feature_that_never_fired_has_no_histogram() -> None:
    silent = altered(STATS, {"histogram_edges": (), "histogram_counts": ()})
    assert silent.histogram_counts == ()


def test_scores_are_told_apart_by_kind_alone() -> None:
    adapter: TypeAdapter[ScoreResult] = TypeAdapter(ScoreResult)
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "unscored", "name": "x", "value": 0.5, "ci": (0, 1), "n": 1})
    with pytest.raises(ValidationError):
        adapter.validate_python({"name": "x", "reason": "y"})


def test_a_program_counts_lines_that_are_not_empty() -> None:
    assert Program(source="").lines == 0
    assert Program(source="a = 1\n\n   \nb = 2").lines == 2


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (CLAIM, "where it is silent, steering by 3 lowers the logits of ' def', '\\n' by at least 0.25"),
        (
            CLAIM.model_copy(
                update={"intervention": Intervention.ABLATE, "strength": None, "prompts": PromptKind.FIRES, "sign": 1}
            ),
            "where it fires, ablating it raises the logits of ' def', '\\n' by at least 0.25",
        ),
    ],
)
def test_a_claim_can_be_read(claim: EffectClaim, sentence: str) -> None:
    assert sentence in claim.sentence()
