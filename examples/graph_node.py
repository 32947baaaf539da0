"""The investigation as a node of another LangGraph. Run it: `python examples/graph_node.py`, on the bundled model."""

import asyncio
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

import autointerp


class State(TypedDict, total=False):
    """What the graphs share: `feature` goes in, `explanation` and `record` come out. `headline` is this graph's own."""

    feature: int
    explanation: dict[str, Any]
    record: dict[str, Any]
    headline: str


async def headline(state: State) -> State:
    """A node that uses what the investigation found."""
    explanation = state["explanation"]
    return {"headline": f"feature {state['feature']} is {explanation['verdict']}: {explanation['summary']}"}


async def main(feature: int = 1234, **settings: Any) -> str:
    """Investigate, then write a headline."""
    graph = StateGraph(State)
    graph.add_node("investigate", autointerp.investigation_graph(rounds=1, **settings))
    graph.add_node("headline", headline)
    graph.add_edge(START, "investigate")
    graph.add_edge("investigate", "headline")
    graph.add_edge("headline", END)
    state = await graph.compile().ainvoke({"feature": feature})
    print(state["headline"])
    return str(state["headline"])


if __name__ == "__main__":
    asyncio.run(main())
