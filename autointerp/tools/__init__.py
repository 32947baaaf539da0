"""What an agent may do to a model: typed, bounded, and blind to the refine and test splits.

Tools answer from the train split and from texts that the agent gives. They know no explanation and no score.
"""

from __future__ import annotations

from autointerp.tools._bench import HeldOut, Workbench
from autointerp.tools._code import StoppedByError
from autointerp.tools._effects import Effects, effects_of
from autointerp.tools._examples import Sample, draw, sample_texts
from autointerp.tools._pages import pages_of, shown
from autointerp.tools._record import Called, Failure, Record, ToolLog
from autointerp.tools._registry import all_tools
from autointerp.tools._tool import AnyTool, Arguments, Result, Tool
from autointerp.tools._toolbox import Toolbox

__all__ = [
    "AnyTool",
    "Arguments",
    "Called",
    "Effects",
    "Failure",
    "HeldOut",
    "Record",
    "Result",
    "Sample",
    "StoppedByError",
    "Tool",
    "ToolLog",
    "Toolbox",
    "Workbench",
    "all_tools",
    "draw",
    "effects_of",
    "pages_of",
    "sample_texts",
    "shown",
]
