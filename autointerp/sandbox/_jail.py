"""One process in a jail: started, spoken with over two pipes, measured from outside, and ended."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import resource
import select
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any

from autointerp.errors import LimitError, SandboxError
from autointerp.sandbox._mounts import LIBRARIES, PYTHON, SITE, mounts
from autointerp.sandbox._seccomp import seccomp_filter
from autointerp.sandbox._wire import LONGEST_LINE, line
from autointerp.sandbox._worker import Worker

_START_SECONDS = 60.0
_NOBODY = "65534"
_MAIN = f"import sys; sys.path.insert(0, {SITE!r}); from autointerp.sandbox._guest import main; main()"
#: What a process may not do at all; its memory is limited according to what it uses when the code begins.
_NOTHING = (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC, resource.RLIMIT_MEMLOCK)
_FILES = 64

#: Seconds that may be waited before it is asked again; raises LimitError where there are none left.
Patience = Callable[[], float]


class Jail:
    """A process that holds nothing, sees an interpreter and numpy, and can talk to its pipes and to nobody else.

    No network, no other process, no writable file, no environment; user and groups of nobody; only the system calls
    that computing takes (so it cannot start a process or a thread). It ends with the thread that started it, which is
    the reason for the executor: a thread that lives as long as the jail may.
    """

    def __init__(self, bwrap: str, memory: int, starter: ThreadPoolExecutor) -> None:
        try:
            self._process, information = starter.submit(_start, bwrap).result()
        except OSError as error:
            raise SandboxError(f"{bwrap} cannot be started ({error}): use the monty sandbox") from error
        self._worker: Worker | None = None
        self._used = 0.0
        self._buffer = bytearray()
        try:
            with os.fdopen(information, "rb") as info:
                fcntl.fcntl(self._out, fcntl.F_SETFL, os.O_NONBLOCK)
                fcntl.fcntl(self._in, fcntl.F_SETFL, os.O_NONBLOCK)
                told = json.loads(info.read() or b"{}")
            if "child-pid" not in told:
                raise SandboxError(self._why())
            self._pid: int = told["child-pid"]
            self._worker = Worker(self._pid)
            self._ready()
            self._limit(memory)
        except BaseException:
            self.close()
            raise

    @property
    def _in(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    @property
    def _out(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def seconds(self) -> float:
        """CPU time that the process has used; the last known once it has ended."""
        if self._worker is not None:
            with suppress(OSError):
                self._used = self._worker.seconds()
        return self._used

    def send(self, message: dict[str, Any], patience: Patience) -> None:
        """Write a message; the process may not be reading. ValueError: it is too long."""
        rest = memoryview(line(message))
        while rest:
            _, writable, _ = select.select([], [self._in], [], patience())
            if writable:
                try:
                    rest = rest[os.write(self._in, rest) :]
                except (BrokenPipeError, BlockingIOError) as error:
                    raise LimitError("the code ended its worker") from error

    def receive(self, patience: Patience) -> dict[str, Any]:
        """The next message, which may say anything: it comes from the code. LimitError where it is none."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > LONGEST_LINE:
                raise LimitError(f"the worker sent a message of more than {LONGEST_LINE} bytes")
            readable, _, _ = select.select([self._out], [], [], patience())
            if readable:
                part = os.read(self._out, 1 << 18)
                if not part:
                    raise LimitError("the code ended its worker")
                self._buffer += part
        text, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        try:
            message = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise LimitError("the worker sent what is no message") from error
        if not isinstance(message, dict):
            raise LimitError("the worker sent what is no message")
        return message

    def close(self) -> None:
        """End the process and everything of it."""
        if self._worker is not None:
            self._worker.kill()
            self._worker.close()
        else:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ready(self) -> None:
        until = time.monotonic() + _START_SECONDS

        def patience() -> float:
            if time.monotonic() > until:
                raise LimitError("it took more than a minute")
            return until - time.monotonic() + 0.01

        try:
            self.receive(patience)
        except LimitError as error:
            raise SandboxError(self._why(str(error))) from error

    def _limit(self, memory: int) -> None:
        """Limit the process from outside, as it stands: what the interpreter needs by itself is not the code's."""
        with open(f"/proc/{self._pid}/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        for kind in _NOTHING:
            resource.prlimit(self._pid, kind, (0, 0))
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, (_FILES, _FILES))
        resource.prlimit(self._pid, resource.RLIMIT_AS, (used + memory, used + memory))

    def _why(self, otherwise: str = "it ended at once") -> str:
        """Why the process did not start, as bubblewrap said it."""
        self._process.kill()
        assert self._process.stderr is not None
        said = " ".join(self._process.stderr.read(10_000).decode(errors="replace").split())[-200:]
        return (
            f"bubblewrap cannot make a jail here ({said or otherwise}): allow it user namespaces "
            "(not in every container they are), or use the monty sandbox"
        )


def _start(bwrap: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start bubblewrap; the process, and the descriptor from which to read the number of the one in the jail."""
    filter_read, filter_write = os.pipe()
    info_read, info_write = os.pipe()
    try:
        os.write(filter_write, seccomp_filter(platform.machine()))
        os.close(filter_write)
        command = [bwrap, *_namespaces(bwrap), *mounts()]
        command += ["--seccomp", str(filter_read), "--info-fd", str(info_write)]
        command += ["--", f"{PYTHON}/bin/python3", "-I", "-S", "-B", "-c", _MAIN]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, env={}, pass_fds=(filter_read, info_write), bufsize=0
        )
    except BaseException:
        os.close(info_read)
        raise
    finally:
        os.close(filter_read)
        os.close(info_write)
    return process, info_read


def _namespaces(bwrap: str) -> list[str]:
    options = ["--unshare-all", "--unshare-user", "--uid", _NOBODY, "--gid", _NOBODY, "--hostname", "jail"]
    options += ["--cap-drop", "ALL", "--new-session", "--die-with-parent", "--as-pid-1", "--clearenv", "--chdir", "/"]
    # One thread: the numeric libraries start no others, which they could not.
    if _knows(bwrap, "--disable-userns"):
        options.append("--disable-userns")
    for name, value in {"LD_LIBRARY_PATH": LIBRARIES, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}.items():
        options += ["--setenv", name, value]
    return options


@cache
def _knows(bwrap: str, option: str) -> bool:
    """Whether this version has an option that is only a second lock: the system calls it is about are refused anyway."""
    done = subprocess.run([bwrap, "--help"], capture_output=True, text=True, check=False, timeout=_START_SECONDS)
    return option in done.stdout
