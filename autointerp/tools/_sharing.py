"""What the calls of tools share: the worker of a model, opened by the first toolbox that wants company and closed by the last,
and the turn to compute.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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


#: Calls compute one at a time while the others wait for the model. Python runs one thread at a time anyway, and small tensor
#: operations hand the interpreter on at each: 32 threads that want it spend most of their time, and the worker's, in passing
#: it round.
_TURN = threading.Lock()
_HERE = threading.local()


@contextmanager
def computing() -> Iterator[None]:
    """Have the turn for the block; a call inside another has it already."""
    if getattr(_HERE, "turn", False):
        yield
        return
    with _TURN:
        _HERE.turn = True
        try:
            yield
        finally:
            _HERE.turn = False


@contextmanager
def elsewhere() -> Iterator[None]:
    """Let others have the turn for the block, in which this thread waits for a model or a sandbox."""
    if not getattr(_HERE, "turn", False):
        yield
        return
    _HERE.turn = False
    _TURN.release()
    try:
        yield
    finally:
        _TURN.acquire()
        _HERE.turn = True
