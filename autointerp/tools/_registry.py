"""The tools there are, by name."""

from __future__ import annotations

from autointerp._plugins import load_all
from autointerp.tools._tool import AnyTool

_GROUP = "autointerp.tools"


def all_tools() -> dict[str, AnyTool]:
    """One of each registered tool, sorted by name. Raises PluginError for one that does not load."""
    return {name: made() for name, made in load_all(_GROUP).items()}
