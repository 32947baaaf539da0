"""A torch model with named sites: what can be read and edited in it, in batches, through nnsight.

This room knows no dictionary, no feature and no corpus.
"""

from __future__ import annotations

from autointerp.models._adapters import Adapter
from autointerp.models._anatomy import RESIDUAL, Anatomy, Sum
from autointerp.models._architectures import ADAPTERS, Architecture, adapters_for
from autointerp.models._batch import Batch
from autointerp.models._checks import Check
from autointerp.models._devices import Choice, choose_device
from autointerp.models._edits import Edit, Operation
from autointerp.models._fingerprint import fingerprint
from autointerp.models._generate import Completions, Continuation
from autointerp.models._gradients import Objective
from autointerp.models._points import Columns, Fused, Pattern, Point, SitePoint, joined
from autointerp.models._positions import After, And, At, Generated, Marked, Not, Or, Positions, TokenIs
from autointerp.models._run import Captured, Request
from autointerp.models._subject import Subject
from autointerp.models._survey import inspect_subject
from autointerp.models._sweep import Patch, exchanges, sweep
from autointerp.models._usage import Usage
from autointerp.models._worker import Worker

__all__ = [
    "ADAPTERS",
    "RESIDUAL",
    "Adapter",
    "After",
    "Anatomy",
    "And",
    "Architecture",
    "At",
    "Batch",
    "Captured",
    "Check",
    "Choice",
    "Columns",
    "Completions",
    "Continuation",
    "Edit",
    "Fused",
    "Generated",
    "Marked",
    "Not",
    "Objective",
    "Operation",
    "Or",
    "Patch",
    "Pattern",
    "Point",
    "Positions",
    "Request",
    "SitePoint",
    "Subject",
    "Sum",
    "TokenIs",
    "Usage",
    "Worker",
    "adapters_for",
    "choose_device",
    "exchanges",
    "fingerprint",
    "inspect_subject",
    "joined",
    "sweep",
]
