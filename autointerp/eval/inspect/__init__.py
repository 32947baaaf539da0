"""The tasks for inspect_ai: `inspect eval autointerp/explain_feature --model none/none`. Needs the extra `eval`.

Found by inspect through the entry-point group `inspect_ai`. Every task of `autointerp eval tasks` is there under its name.
"""

from __future__ import annotations

from anyio.abc import SocketAttribute
from anyio.streams.file import FileStreamAttribute
from anyio.streams.tls import TLSAttribute

from autointerp.eval.inspect._tasks import inspect_tasks

__all__ = ["inspect_tasks"]

# Inspect needs these classes, and they cannot be made once nnsight has given every object a `save`.
_MADE_IN_TIME = (FileStreamAttribute, SocketAttribute, TLSAttribute)

#: Inspect finds what was registered when this module is imported.
globals().update(inspect_tasks())
