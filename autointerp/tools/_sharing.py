"""The one worker of each model, opened by the first toolbox that wants company and closed by the last."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from weakref import WeakKeyDictionary

from autointerp.errors import ModelError
from autointerp.models import Subject, Worker

#: Calls that may wait for the model at once; a thread that waits costs next to nothing.
_CALLS = 128

_LOCK = threading.Lock()
_OPEN: WeakKeyDictionary[Subject, tuple[Worker, int]] = WeakKeyDictionary()


def hold(subject: Subject) -> bool:
    """See that a worker owns the subject. True where it is shared from here, and `release` has to follow."""
    with _LOCK:
        if subject in _OPEN:
            worker, count = _OPEN[subject]
            _OPEN[subject] = worker, count + 1
            return True
        try:
            worker = subject.worker()
        except ModelError:
            # Somebody opened one for everybody, and will close it.
            return False
        _OPEN[subject] = worker, 1
        return True


def release(subject: Subject) -> None:
    """Undo one `hold`."""
    with _LOCK:
        worker, count = _OPEN[subject]
        if count > 1:
            _OPEN[subject] = worker, count - 1
            return
        del _OPEN[subject]
    worker.close()


@cache
def threads() -> ThreadPoolExecutor:
    """The threads in which calls wait."""
    return ThreadPoolExecutor(_CALLS, "autointerp-tool")
