"""Explanations of features and circuits that are programs with claims, and a scorer that says what of them is true.

record = await autointerp.explain(1234, strategy="investigate")    # in code that awaits
record = autointerp.explain_sync(1234)                             # elsewhere
async for event in autointerp.explain_events(1234): ...            # as it happens
graph = autointerp.investigation_graph()                           # a compiled LangGraph, a node in your own
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autointerp._version import __version__

if TYPE_CHECKING:
    from autointerp.study import Event, RunSettings, explain_events, explain_sync, investigation_graph
    from autointerp.study import explain_feature as explain

__all__ = [
    "Event",
    "RunSettings",
    "__version__",
    "explain",
    "explain_events",
    "explain_sync",
    "investigation_graph",
]

#: What is looked up at its first use, so that `import autointerp` costs nothing.
_LATER = {"explain": "explain_feature"} | {
    name: name for name in ("Event", "RunSettings", "explain_events", "explain_sync", "investigation_graph")
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from autointerp import study

        return getattr(study, _LATER[name])
    raise AttributeError(f"module 'autointerp' has no attribute {name!r}")
