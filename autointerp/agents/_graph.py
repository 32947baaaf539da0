"""The investigation as a LangGraph: which step follows which, and when it may end.

observe -> propose -> score -> design -> register -> experiment (in parallel) -> judge -> revise -> score ... -> criticise ->
register -> experiment -> judge -> conclude. The state holds numbers and ids alone; what they stand for is in the notebook, so a
checkpoint is a few hundred bytes.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from autointerp.agents._conclude import conclude
from autointerp.agents._standings import Book
from autointerp.agents._steps import Steps
from autointerp.errors import AnswerError, BudgetError

Phase = Literal["score", "explore", "critic"]
#: A revision has to raise the best refine-split score by more than this to count as an improvement.
IMPROVES = 0.005


def first(old: str, new: str) -> str:
    """Of several reasons to end the first counts."""
    return old or new


class State(TypedDict, total=False):
    """Where an investigation stands. `best` holds the best refine-split score after each round.

    Whoever uses the graph as a node gives `feature` and gets `explanation` (and `record`, where it is graded) as JSON values.
    """

    feature: int
    round: int
    phase: Phase
    pending: list[str]
    best: Annotated[list[float], operator.add]
    fresh: int
    ended: Annotated[str, first]
    because: str
    next: str
    explanation: dict[str, Any]
    record: dict[str, Any]


class OneExperiment(TypedDict):
    """What a parallel branch is sent."""

    feature: int
    which: str


Opener = Callable[[int], Steps]
Node = Callable[[Any], Awaitable[dict[str, Any]]]


def investigation(steps_of: Opener, grade: Node | None = None) -> StateGraph[State, None, State, State]:
    """The graph, not yet compiled. `steps_of` opens the feature that the state names, or hands out the one at hand.

    `grade` is a last node, for whoever may grade.
    """
    nodes = _Nodes(steps_of)
    graph = StateGraph(State)
    for name in (
        "observe",
        "propose",
        "score",
        "design",
        "register",
        "experiment",
        "judge",
        "revise",
        "criticise",
        "conclude",
    ):
        node: Any = _guarded(getattr(nodes, name))
        graph.add_node(name, node)
    graph.add_edge(START, "observe")
    for name in ("observe", "propose", "score", "design", "revise", "criticise", "judge"):
        graph.add_conditional_edges(
            name, _follow, ["propose", "score", "design", "register", "revise", "criticise", "judge", "conclude"]
        )
    graph.add_conditional_edges("register", _fan_out, ["experiment", "judge"])
    graph.add_edge("experiment", "judge")
    if grade is None:
        graph.add_edge("conclude", END)
        return graph
    last: Any = grade
    graph.add_node("grade", last)
    graph.add_edge("conclude", "grade")
    graph.add_edge("grade", END)
    return graph


def _follow(state: State) -> str:
    return "conclude" if state.get("ended") else state["next"]


def _fan_out(state: State) -> list[Send] | str:
    if state.get("ended") or not state.get("pending"):
        return "judge"
    return [Send("experiment", OneExperiment(feature=state["feature"], which=which)) for which in state["pending"]]


def _guarded(node: Node) -> Node:
    """A limit that is reached, or a model that says nothing usable, ends the investigation with what there is.

    A server that refuses or does not answer does not: the error goes up, and the run can be resumed.
    """

    async def run(state: Any) -> dict[str, Any]:
        try:
            return await node(state)
        except (BudgetError, AnswerError) as error:
            return {"ended": str(error)}

    return run


class _Nodes:
    """The steps as functions of the state."""

    def __init__(self, steps_of: Opener) -> None:
        self.of = steps_of

    async def observe(self, state: State) -> dict[str, Any]:
        steps = self.of(state["feature"])
        steps.case.tell("step", "observe")
        if not steps.seen.enough:
            return {"round": 0, "next": "conclude", "because": "there is too little to learn from"}
        return {"round": 0, "next": "propose"}

    async def propose(self, state: State) -> dict[str, Any]:
        steps = self.of(state["feature"])
        steps.case.tell("step", "propose")
        return {"fresh": await steps.propose(), "next": "score"}

    async def score(self, state: State) -> dict[str, Any]:
        return {"pending": self.of(state["feature"]).score(state["round"]), "phase": "score", "next": "register"}

    async def design(self, state: State) -> dict[str, Any]:
        steps = self.of(state["feature"])
        steps.case.tell("step", f"design, round {state['round']}")
        return {"pending": await steps.design(state["round"]), "phase": "explore", "next": "register"}

    async def register(self, state: State) -> dict[str, Any]:
        self.of(state["feature"]).register(state["pending"])
        return {}

    async def experiment(self, sent: OneExperiment) -> dict[str, Any]:
        await self.of(sent["feature"]).experiment(sent["which"])
        return {}

    async def judge(self, state: State) -> dict[str, Any]:
        steps = self.of(state["feature"])
        steps.judge(state.get("pending", []))
        return _decide(state, steps)

    async def revise(self, state: State) -> dict[str, Any]:
        steps = self.of(state["feature"])
        round_ = state["round"] + 1
        steps.case.tell("step", f"revise, round {round_}")
        return {"round": round_, "fresh": await steps.revise(round_), "next": "score"}

    async def criticise(self, state: State) -> dict[str, Any]:
        steps = self.of(state["feature"])
        steps.case.tell("step", "criticise")
        return {"pending": await steps.criticise(state["round"]), "phase": "critic", "next": "register"}

    async def conclude(self, state: State) -> dict[str, Any]:
        steps = self.of(state["feature"])
        because = state.get("ended") or state.get("because") or "the rounds were used up"
        steps.case.tell("step", f"conclude: {because}")
        seen = None if state.get("round") is None else steps.seen
        report = await asyncio.to_thread(conclude, steps.case, seen, because)
        return {"because": because, "pending": [], "explanation": report.explanation.model_dump(mode="json")}


def _decide(state: State, steps: Steps) -> dict[str, Any]:
    """What follows on the verdicts. The end needs a survived refutation and a score that is stable, or the last round."""
    if state["phase"] == "score":
        return {"next": "design", "best": [Book.of(steps.case).best()]}
    book = Book.of(steps.case)
    leader = book.view(steps.case, steps.seen, state["round"]).leader
    last = state["round"] >= steps.case.rounds
    survived = leader is not None and book.survived(leader.hypothesis)
    if state["phase"] == "critic":
        if survived or last:
            return {"next": "conclude", "because": _reason(survived, last)}
        return {"next": "revise"}
    best = state["best"]
    stable = len(best) > 1 and best[-1] <= best[-2] + IMPROVES
    if leader is not None and (last or (survived and stable)):
        return {"next": "criticise"}
    if last:
        return {"next": "conclude", "because": "every program was refuted, and the rounds are used up"}
    return {"next": "revise"}


def _reason(survived: bool, last: bool) -> str:
    if not survived:
        return "it did not survive the critic, and the rounds are used up"
    gate = "the rounds are used up" if last else "the refine-split score no longer improves"
    return f"it survived the attempts to refute it, and {gate}"
