"""Free tool use, with a model that is a script."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from autointerp.agents._protocol import Report
from autointerp.agents._react import React
from autointerp.errors import InputError
from autointerp.llm import Capability, Rejected, Request
from autointerp.records import Verdict
from autointerp.study import Laboratory
from autointerp.testing import Calls, ScriptedLLM
from autointerp.testing._llm import Turn
from tests.agents.brain import best, hypothesis
from tests.agents.cases import opened
from tests.scoring.known import SINGLE


def thinks(request: Request[Any]) -> Turn:
    """Looks at examples and activations, tries a program, hands it in."""
    token, value = best(request.messages[1].text)
    made = hypothesis("input", token, value)
    turn = sum(m.role == "assistant" for m in request.messages)
    if turn == 0:
        return Calls((("top_examples", {}), ("activations_on", {"texts": [f"x{token}y", "nothing"]})))
    if turn == 1:
        return Calls((("check_program", {"program": made["program"], "fires_on": made["fires_on"]}),))
    if turn == 2:
        return Calls((("submit", made),))
    raise AssertionError(turn)


def run(known: Laboratory, script: Any, **options: Any) -> tuple[Report, ScriptedLLM, dict[str, float]]:
    without = options.pop("without", frozenset())
    cache = options["folder"] / "llm.sqlite" if "folder" in options else None
    llm = ScriptedLLM(script, without=without, cache=cache, run="r")
    with opened(known, SINGLE, llm=llm, **options) as case:
        report = asyncio.run(React().run(case))
        return report, llm, case.notebook.spent().model_dump()


def answers(llm: ScriptedLLM) -> list[str]:
    return [m.text for m in llm.requests[-1].messages if m.role == "tool"]


def test_it_calls_tools_and_hands_in(known: Laboratory) -> None:
    report, llm, spent = run(known, thinks)
    assert report.explanation.verdict is Verdict.EXPLAINED
    assert report.explanation.confidence == 0.7
    assert len(llm.requests) == 3
    assert spent["tool_calls"] == 3
    assert report.ledger is not None
    assert [h.id for h in report.ledger.hypotheses] == ["h3", "submitted"]
    assert "correlation with text it was not made from: 1.000" in answers(llm)[2]
    assert "tokens at which it is wrong most in all" in answers(llm)[2]


def test_who_is_sure_of_nothing_is_not_sure_of_an_explanation(known: Laboratory) -> None:
    """What was stated for the null is how sure the model is that there is nothing; an explanation's is in what it says."""

    def script(request: Request[Any]) -> Turn:
        made = hypothesis("input", *best(request.messages[1].text))
        return Calls((("submit", made | {"kind": "null", "program": "", "confidence": 0.9}),))

    report, _, _ = run(known, script)
    assert report.explanation.verdict is Verdict.UNINTERPRETABLE
    assert report.explanation.confidence == pytest.approx(0.1)


def test_run_again_it_asks_and_measures_nothing(known: Laboratory, tmp_path: Path) -> None:
    first, _, _ = run(known, thinks, folder=tmp_path)
    before = known.subject.usage.forward_passes
    second, llm, _ = run(known, thinks, folder=tmp_path)
    assert second.explanation == first.explanation
    assert llm.requests == []
    assert known.subject.usage.forward_passes == before


@pytest.mark.parametrize("budget", ["2calls", "9passes"])
def test_a_budget_holds_and_the_best_program_is_handed_in(known: Laboratory, budget: str) -> None:
    def script(request: Request[Any]) -> Turn:
        token, value = best(request.messages[1].text)
        made = hypothesis("input", token, value)
        turn = sum(m.role == "assistant" for m in request.messages)
        if turn == 0:
            return Calls((("check_program", {"program": made["program"], "fires_on": made["fires_on"]}),))
        return Calls((("activations_on", {"texts": [f"text {turn}"]}),))

    before = known.subject.usage.forward_passes
    report, _, spent = run(known, script, budget=budget)
    assert "would pass the limit" in report.ledger.conclusion.because  # type: ignore[union-attr]
    assert report.explanation.predictor is not None
    limit = int(budget.rstrip("calpse"))
    assert spent["tool_calls" if "calls" in budget else "forward_passes"] <= limit
    if "passes" in budget:
        assert known.subject.usage.forward_passes - before <= limit


def test_code_that_calls_tools_without_end_stops_at_the_budget(known: Laboratory) -> None:
    code = "for i in range(1000):\n    activations_on(texts=[str(i)])\n"
    before = known.subject.usage.forward_passes
    report, _, spent = run(known, lambda request: Calls((("run_code", {"code": code}),)), budget="15passes")
    assert "would pass the limit of 15" in report.ledger.conclusion.because  # type: ignore[union-attr]
    assert spent["forward_passes"] == 15
    assert known.subject.usage.forward_passes - before <= 15


def test_what_it_hands_in_is_what_the_notebook_concludes(known: Laboratory) -> None:
    report, _, _ = run(known, thinks)
    assert report.ledger is not None
    assert report.ledger.conclusion is not None
    assert report.ledger.conclusion.hypothesis == "submitted"
    (evidence,) = report.evidence
    assert (evidence.split, evidence.supports) == ("refine", True)


def test_a_call_repeated_without_end_is_not_answered_again(known: Laboratory) -> None:
    def script(request: Request[Any]) -> Turn:
        return Calls((("activations_on", {"texts": ["same"]}),))

    report, llm, spent = run(known, script)
    assert spent["tool_calls"] == 2
    assert "exactly this before" in answers(llm)[-1]
    assert "did not hand anything in" in report.ledger.conclusion.because  # type: ignore[union-attr]


def test_a_tool_that_fails_three_times_is_taken_away(known: Laboratory) -> None:
    def script(request: Request[Any]) -> Turn:
        turn = sum(m.role == "assistant" for m in request.messages)
        if turn < 5:
            return Calls((("page", {"handle": f"r{turn}", "number": 1}),))
        return "enough"

    _, llm, _ = run(known, script)
    assert ["no page" in a for a in answers(llm)] == [True, True, True, False, False]
    assert "failed 3 times" in answers(llm)[-1]


def test_a_program_that_fails_is_not_handed_in(known: Laboratory) -> None:
    def script(request: Request[Any]) -> Turn:
        turn = sum(m.role == "assistant" for m in request.messages)
        made = hypothesis("input", "x", 1.0)
        return Calls((("submit", made if turn else {**made, "program": "def predict(tokens) return 1"}),))

    report, llm, _ = run(known, script)
    assert "the program fails" in answers(llm)[0]
    assert report.explanation.predictor is not None


def test_a_model_without_tools_is_told_of(known: Laboratory) -> None:
    with pytest.raises(InputError, match="cannot call tools: take --strategy investigate or oneshot"):
        run(known, thinks, without={Capability.TOOLS})


def test_a_conversation_that_grows_too_long_is_compacted(known: Laboratory) -> None:
    def script(request: Request[Any]) -> Turn:
        if sum(len(m.text) for m in request.messages if m.role == "tool") > 400:
            return Rejected(400, "too long", code="context_length_exceeded")
        return thinks(request)

    report, llm, _ = run(known, script)
    assert report.explanation.verdict is Verdict.EXPLAINED
    assert any("left out, since" in text for text in answers(llm))
    assert any("grew too long" in remark.text for remark in report.ledger.remarks)  # type: ignore[union-attr]
