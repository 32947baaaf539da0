"""The tasks for inspect_ai: `inspect eval autointerp/explain_feature --model none/none`. Needs the extra `eval`.

Found by inspect through the entry-point group `inspect_ai`. Every task of `autointerp eval tasks` is there under its name.
"""

from __future__ import annotations

from autointerp.eval.inspect import _anyio as _anyio
from autointerp.eval.inspect._tasks import inspect_tasks

__all__ = ["inspect_tasks"]

#: Inspect finds what was registered when this module is imported.
globals().update(inspect_tasks())
