"""What language models are told, as versioned templates: a record names the template, its version and its hash.

This room knows no model and nobody who asks one: it fills templates in and says which they were.
"""

from __future__ import annotations

from autointerp.prompts._template import Prompt, Template, names

__all__ = ["Prompt", "Template", "names"]
