"""The system calls of a jail: those that computing and reading files take, and no others.

None of them starts a process or a thread, opens a socket, sends a signal, or makes a namespace. What Linux adds later is
refused until it is named here.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable

#: Name: number on x86_64, number on aarch64 (None where the architecture does not have it).
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "access": (21, None),
    "arch_prctl": (158, None),
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "close_range": (436, 436),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "execve": (59, 221),  # bubblewrap starts the interpreter under the filter; there is no other program in the jail
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcpu": (309, 168),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "lseek": (8, 62),
    "lstat": (6, None),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, None),
    "openat": (257, 56),
    "poll": (7, None),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    "prlimit64": (302, 261),
    "pselect6": (270, 72),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "select": (23, None),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "sigaltstack": (131, 132),
    "stat": (4, None),
    "statx": (332, 291),
    "sysinfo": (99, 179),
    "time": (201, None),
    "times": (100, 153),
    "uname": (63, 160),
    "write": (1, 64),
    "writev": (20, 66),
}
#: What is refused in another way than "not permitted", because libraries then take another path.
REFUSED: dict[str, tuple[int, int, int]] = {
    "clone3": (435, 435, errno.ENOSYS),
    "ioctl": (16, 29, errno.ENOTTY),
}
#: platform.machine(): column of the tables above, and the kernel's name of the architecture (linux/audit.h).
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# linux/bpf_common.h and linux/seccomp.h. The data are: number, architecture, instruction pointer, six arguments.
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def seccomp_filter(machine: str) -> bytes:
    """The filter as a classic BPF program (an array of `struct sock_filter`), as bubblewrap's --seccomp takes it.

    KeyError: an architecture that the tables do not have.
    """
    column, architecture = ARCHITECTURES[machine]
    allowed = sorted(number for numbers in ALLOWED.values() if (number := numbers[column]) is not None)
    code = [
        _instruction(_LOAD, value=_ARCHITECTURE_AT),
        _instruction(_EQUAL, value=architecture, when=1),
        _instruction(_RETURN, value=_KILL),
        _instruction(_LOAD, value=_NUMBER_AT),
    ]
    for row in sorted(REFUSED.values()):
        code.append(_instruction(_EQUAL, value=row[column], unless=1))
        code.append(_instruction(_RETURN, value=_ERROR | row[2]))
    code.extend(_any_of(allowed))
    code.append(_instruction(_RETURN, value=_ERROR | errno.EPERM))
    code.append(_instruction(_RETURN, value=_ALLOW))
    return b"".join(code)


def _any_of(numbers: list[int]) -> Iterable[bytes]:
    """A jump past the next return for each of the numbers."""
    return (_instruction(_EQUAL, value=n, when=len(numbers) - i) for i, n in enumerate(numbers))


def _instruction(operation: int, *, value: int, when: int = 0, unless: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, when, unless, value)
