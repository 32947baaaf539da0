"""Agents that ask a language model: what they may spend, and what they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from autointerp.agents import Limits
from autointerp.errors import InputError
from autointerp.eval import Allowance, Question, agent_named, agents
from autointerp.eval.agents._strategies import budget_of

STRATEGIES = ("investigate", "oneshot", "react")


def test_those_that_ask_a_model_are_there_and_get_a_network() -> None:
    assert [name for name, agent in agents().items() if agent.network] == list(STRATEGIES)


def test_an_allowance_is_a_budget_that_leaves_time_to_hand_in() -> None:
    limits = Limits.parse(budget_of(Allowance(seconds=100, forward_passes=30, dollars=0.25)))
    assert (limits.seconds, limits.forward_passes, limits.llm) == (80, 30, "0.250000usd")
    assert Limits.parse(budget_of(Allowance(seconds=50))).forward_passes is None


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_a_model_they_say_what_to_give(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOINTERP_LLM", raising=False)
    question = Question(problem="p", task="explain_feature", asks="?", model="model", feature=0)
    with pytest.raises(InputError, match=f"{name} needs a language model: give --llm"):
        agent_named(name).answer(tmp_path, question)
