"""The thread that ends workers from beside: at their time, at a signal, and never somebody else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from autointerp.sandbox._watch import Watch
from autointerp.sandbox._worker import Worker


@pytest.fixture
def watch() -> Iterator[Watch]:
    opened = Watch()
    yield opened
    opened.close()
    assert "autointerp-sandbox-watch" not in {thread.name for thread in threading.enumerate()}


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    code = "import sys\nprint('ready', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_worker_ends_when_it_has_used_its_time(watch: Watch, busy: subprocess.Popen[bytes]) -> None:
    worker = Worker(busy.pid)
    assert worker.has_clock == sys.platform.startswith("linux")
    before = worker.seconds()
    with watch.over(worker, 0.2) as watched:
        assert busy.wait(timeout=20) == -signal.SIGKILL
    assert watched.ended == "time"
    assert before < watched.until == pytest.approx(before + 0.2, abs=0.05)
    worker.close()


def test_one_that_sleeps_does_not(watch: Watch) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"]) as process:
        worker = Worker(process.pid)
        with watch.over(worker, 0.2) as watched:
            time.sleep(0.5)
        assert (watched.ended, process.poll()) == (None, None)
        process.kill()
        worker.close()


def test_after_its_block_a_worker_is_left_alone(watch: Watch, busy: subprocess.Popen[bytes]) -> None:
    worker = Worker(busy.pid)
    with watch.over(worker, 0.2):
        pass
    time.sleep(0.4)
    assert busy.poll() is None
    worker.close()
    # Closed, it has no process any more that could be killed.
    worker.kill()
    assert busy.poll() is None


def test_a_short_run_after_a_long_one_is_not_forgotten(watch: Watch, busy: subprocess.Popen[bytes]) -> None:
    worker = Worker(busy.pid)
    with watch.over(worker, 1000.0), watch.over(worker, 0.1) as short:
        assert busy.wait(timeout=20) == -signal.SIGKILL
    assert short.ended == "time"
    worker.close()


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGUSR1, False)])
def test_signals_that_ask_for_the_end_are_heard(
    watch: Watch, busy: subprocess.Popen[bytes], number: signal.Signals, ends: bool
) -> None:
    worker = Worker(busy.pid)
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    heard: list[int] = []
    before_handler = signal.signal(number, lambda n, frame: heard.append(n))
    before_bell = signal.set_wakeup_fd(ours.fileno())
    try:
        with watch.over(worker, 1000.0), watch.over(worker, 1000.0) as watched:
            os.kill(os.getpid(), number)
            if ends:
                busy.wait(timeout=20)
            theirs.settimeout(5)
            # An event loop that listened for signals itself still hears of it.
            assert theirs.recv(8) == bytes([number])
            theirs.settimeout(0.1)
            with pytest.raises(TimeoutError):
                theirs.recv(8)
        assert watched.ended == ("signal" if ends else None)
        assert heard == [number]
        assert signal.set_wakeup_fd(ours.fileno()) == ours.fileno()
    finally:
        signal.set_wakeup_fd(before_bell)
        signal.signal(number, before_handler)
        theirs.close()
        ours.close()
        worker.close()


def test_where_there_is_no_clock_the_time_is_the_clocks(monkeypatch: pytest.MonkeyPatch, watch: Watch) -> None:
    def without(clock: int) -> float:
        raise OSError

    monkeypatch.setattr(time, "clock_gettime", without)
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"]) as process:
        worker = Worker(process.pid)
        assert not worker.has_clock
        with watch.over(worker, 0.2) as watched:
            assert process.wait(timeout=20) == -signal.SIGKILL
        assert watched.ended == "time"
        worker.close()
