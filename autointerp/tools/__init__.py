"""What an agent may do to a model: typed, bounded, and blind to the refine and test splits.

Tools answer from the train split and from texts that the agent gives. They know no explanation and no score.
"""

from __future__ import annotations

from autointerp.tools._bench import Workbench
from autointerp.tools._effects import Effects, effects_of
from autointerp.tools._examples import Sample, sample_texts

__all__ = ["Effects", "Sample", "Workbench", "effects_of", "sample_texts"]
