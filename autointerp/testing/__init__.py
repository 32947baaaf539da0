"""Public fakes: a model, a dictionary and a corpus so small that a test makes them anew in a fraction of a second.

They are files in the ordinary layouts and go through the same loaders as real ones. The weights are random and the text is
made up, so nothing can be learned from what they compute: they are for checking code, not ideas. This room may import any
other, and no room imports it.
"""

from __future__ import annotations

from autointerp.testing._corpus import tiny_corpus
from autointerp.testing._dictionary import tiny_dictionary
from autointerp.testing._llm import Calls, ScriptedLLM
from autointerp.testing._model import tiny_encoder, tiny_model

__all__ = ["Calls", "ScriptedLLM", "tiny_corpus", "tiny_dictionary", "tiny_encoder", "tiny_model"]
