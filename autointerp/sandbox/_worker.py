"""Another process: the CPU time that it has used, and its end."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

_CLOCK_OF_A_PROCESS = 2


class Worker:
    """A child process that is measured and may be killed; close it once the process is not ours any more.

    On Linux it is held by a descriptor, so that a number that was given to another process meanwhile hits nobody.
    """

    def __init__(self, pid: int) -> None:
        self._pid: int | None = pid
        # clock_getcpuclockid(3), which Python does not have for other processes.
        self._clock: int | None = (~pid << 3) | _CLOCK_OF_A_PROCESS
        self._handle: int | None = None
        with suppress(OSError, AttributeError):
            self._handle = os.pidfd_open(pid)
        try:
            time.clock_gettime(self._clock)
        except (OSError, AttributeError, OverflowError):
            self._clock = None

    @property
    def has_clock(self) -> bool:
        """Whether the system says how much CPU time the process has used."""
        return self._clock is not None

    def seconds(self) -> float:
        """CPU seconds used so far, of all threads; by the clock where there is no other. OSError once it has ended."""
        return time.monotonic() if self._clock is None else time.clock_gettime(self._clock)

    def kill(self) -> None:
        """End the process at once; nothing happens where it has ended, or after `close`."""
        with suppress(OSError):
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            elif self._pid is not None:
                os.kill(self._pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def close(self) -> None:
        """Let go of the process."""
        handle, self._handle, self._pid = self._handle, None, None
        if handle is not None:
            os.close(handle)
