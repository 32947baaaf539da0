"""Trying whether a jail holds, before anything is run in it: a small hostile program, which tells what it got at."""

from __future__ import annotations

import os

from autointerp.sandbox._protocol import Ran

#: Bytes that the probe asks for, far above the limit of the session that runs it.
PROBE_MEMORY = 64 * 2**20

#: Every attempt is a function that returns something only if it succeeded.
PROBE = """
import ctypes, os, socket, sys, threading

libc = ctypes.CDLL(None, use_errno=True)

def files():
    seen = [path for path in paths if os.path.exists(path)]
    return seen or [name for name in os.listdir("/") if name not in ("lib", "lib64", "python", "site", "usr")]

def writing():
    for folder in ("/", "/python", "/site", "/lib", "/tmp", "/dev/shm"):
        path = folder + "/autointerp-probe"
        try:
            open(path, "x").close()
        except OSError:
            continue
        os.remove(path)
        return folder

def environment():
    return sorted(set(os.environ) & set(variables))

def network():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM).fileno() >= 0

def local_sockets():
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).fileno() >= 0

def processes():
    child = os.fork()
    if child == 0:
        os._exit(0)
    return child

def threads():
    thread = threading.Thread(target=len, args=("",))
    thread.start()
    return True

def namespaces():
    return libc.unshare(0x10000000) == 0

def signals():
    return libc.kill(parent, 0) == 0 or libc.kill(-1, 0) == 0

def tracing():
    return libc.ptrace(0x4206, parent, 0, 0) == 0

def filters():
    return libc.prctl(21, 0, 0, 0, 0) >= 0

def root():
    return os.getuid() == 0 or os.geteuid() == 0

def memory():
    return len(bytearray(amount)) > 0

# In a namespace of its own it would be nobody, and get at less.
attempts = [files, writing, environment, network, local_sockets, processes, threads, signals, tracing, filters, root,
            memory, namespaces]
found = {}
for attempt in attempts:
    try:
        got = attempt()
    except (OSError, RuntimeError, MemoryError):
        continue
    if got:
        found[attempt.__name__] = str(got)[:40]
import numpy as np
[float(np.ones(3) @ np.arange(3.0)), sorted(found)]
"""


def probe_inputs() -> dict[str, object]:
    """What the probe looks for: files, variables and a process that are certain to exist on this side."""
    return {
        "paths": ["/etc/passwd", "/proc/self/status", "/sys", "/dev/null", "/root", "/home", __file__, os.getcwd()],
        "variables": sorted(os.environ.keys() - {"PWD", "LD_LIBRARY_PATH", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}),
        "parent": os.getpid(),
        "amount": PROBE_MEMORY,
    }


def probe_failure(ran: Ran) -> str | None:
    """What a probe got at, or None where the jail holds."""
    match ran.value:
        case [3.0, []]:
            return None
        case [3.0, [*found]]:
            return f"a program in it gets at: {', '.join(str(name)[:20] for name in found)}"
        case _:
            return "a program in it does not compute"
