"""The language that explanations are written in: what a program can see of a text, and how a program is run on texts.

A program defines `predict(tokens)`, which takes the token strings of one text and returns one activation per token. Beside
the sandbox's Python it has one function at hand, `read(tokens)`, which says for every token what surrounds it (`FIELDS`
lists what it says; a program gets the fields that its source names). This room knows tokens as strings, no model and no
feature.
"""

from __future__ import annotations

from autointerp.programs._predict import Predictor, predict, read_bounded
from autointerp.programs._reading import FIELDS, KEYWORDS, read

__all__ = ["FIELDS", "KEYWORDS", "Predictor", "predict", "read", "read_bounded"]
