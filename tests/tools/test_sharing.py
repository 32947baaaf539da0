"""Who computes when: one call at a time, and anybody while the one whose turn it is waits elsewhere."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from autointerp.tools._sharing import computing, elsewhere

PATIENCE = 20.0


def test_calls_compute_one_at_a_time() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def call(_: int) -> None:
        nonlocal inside, most
        with computing():
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.002)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(40)))
    assert most == 1


def test_others_compute_while_one_waits_elsewhere() -> None:
    """Each waits for something that only the other does in its turn: without a hand-over neither would end."""
    first, second = threading.Event(), threading.Event()

    def asks() -> bool:
        with computing():
            first.set()
            with elsewhere():
                return second.wait(PATIENCE)

    def answers() -> bool:
        ready = first.wait(PATIENCE)
        with computing():
            second.set()
        return ready

    with ThreadPoolExecutor(2) as pool:
        assert [future.result() for future in (pool.submit(asks), pool.submit(answers))] == [True, True]


def test_a_call_inside_another_has_the_turn_already() -> None:
    with computing(), computing(), elsewhere(), elsewhere(), computing():
        pass


def test_an_error_gives_the_turn_back() -> None:
    for block in (computing, elsewhere):
        with pytest.raises(KeyError), computing(), block():
            raise KeyError
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_computes).result(PATIENCE)


def _computes() -> bool:
    with computing():
        return True
