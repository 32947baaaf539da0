"""A torch model with named sites: what can be read and edited in it, in batches, through nnsight.

This room knows no dictionary, no feature and no corpus.
"""

from __future__ import annotations

from autointerp.models._adapters import ADAPTERS, Adapter
from autointerp.models._edits import Edit, Operation
from autointerp.models._fingerprint import fingerprint
from autointerp.models._run import Captured
from autointerp.models._subject import Subject, Usage

__all__ = [
    "ADAPTERS",
    "Adapter",
    "Captured",
    "Edit",
    "Operation",
    "Subject",
    "Usage",
    "fingerprint",
]
