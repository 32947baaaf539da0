# ruff: noqa: E501 (a program to a line)
"""Hostile programs. Each says how it ends in either sandbox: at a limit, in an error, or with a value that is harmless.

Four names in braces are filled in by the test: a file that holds a secret, a file to write, a port that listens, and the
test's own process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LIMIT, ERROR = "limit", "error"


@dataclass(frozen=True)
class Attack:
    """One program, and how it ends: at a limit, in an error of its own, in either, or with exactly this value."""

    code: str
    monty: Any
    jail: Any
    #: It spoils its own session without ending it, so it gets one for itself.
    spoils: bool = False


def both(code: str, end: Any, **more: Any) -> Attack:
    return Attack(code, end, end, **more)


CTYPES = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
#: What libc returns where a system call is refused, and where there is nothing to run a command with.
DENIED, NO_SHELL = -1, 127

TIME = {
    "loop": both("while True: pass", LIMIT),
    "loop that handles": both("while True:\n    try:\n        1 / 0\n    except BaseException:\n        pass", LIMIT),
    "loop in a comprehension": both("sum(1 for i in range(10**12))", LIMIT),
    "loop in native code": both("sum(range(10**12))", LIMIT),
    "loop in a sort key": both("def key(x):\n    while True: pass\nsorted([2, 1], key=key)", LIMIT),
    "loop in finally": both("try:\n    1 / 0\nfinally:\n    while True: pass", LIMIT),
    "loop in an operator": both("class A:\n    def __eq__(self, other):\n        while True: pass\nA() == A()", LIMIT),
    "loop in a repr": both("class A:\n    def __repr__(self):\n        while True: pass\nprint(A())", LIMIT),
    "exponential recursion": both("def f(n):\n    return f(n - 1) + f(n - 1) if n else 1\nf(200)", LIMIT),
    "regex that backtracks": Attack(
        "import re\nbool(re.match('(a|a|b?)*(a*)*$', 'a' * 40 + 'c'))", (LIMIT, False), LIMIT
    ),
    "regex with references": both("import re\nbool(re.match('(a*)*(a*)*(a*)*\\\\1b', 'a' * 3000))", (LIMIT, ERROR)),
    "power": both("pow(3, 10**7) % 7 and 3 ** 10**8", LIMIT),
    "factorial": both("import math\nmath.factorial(10**7)", (LIMIT, ERROR)),
    "digits of an integer": both("str(10 ** 10**6)", (LIMIT, ERROR)),
    "integer of digits": both("int('9' * 10**6)", (LIMIT, ERROR)),
    "sleep": Attack("import time\ntime.sleep(10**6)", None, LIMIT),
    "sleeps": Attack("import time\nfor i in range(10**9): time.sleep(10)", LIMIT, LIMIT),
    "read that never returns": Attack("import os\nos.read(os.dup(3), 10**6)", ERROR, (LIMIT, ERROR), spoils=True),
    "endless iterator": both("from itertools import count\nmax(count())", LIMIT),
    "json of itself": both("import json\na = []\na.append(a)\njson.dumps(a)", ERROR),
}

MEMORY = {
    "list": both("[0] * 10**9", LIMIT),
    "growing list": both("x = []\nwhile True: x.append('x' * 10**5 + str(len(x)))", LIMIT),
    "growing dict": both("d = {}\nwhile True: d[len(d)] = 'x' * 1000 + str(len(d))", LIMIT),
    "text": both("'x' * 10**10", LIMIT),
    "doubling text": both("x = 'x'\nwhile True: x += x", LIMIT),
    "bytes": both("b'x' * 10**10", LIMIT),
    "integer": both("1 << 10**10", LIMIT),
    "product of integers": both("x = 10**10**4\nwhile True: x *= x", LIMIT),
    "wide format": both("'{:>10000000000}'.format(1)", (LIMIT, ERROR)),
    "wide f-string": both("w = 10**9\nlen(f'{1:>{w}}')", (LIMIT, ERROR)),
    "wide percent": both("'%1000000000d' % 1", (LIMIT, ERROR)),
    "replacing": both("('a' * 10**5).replace('a', 'b' * 10**5)", LIMIT),
    "joining": both("('x' * 10**5).join(['y' * 10**5] * 10**5)", LIMIT),
    "product of iterators": both("from itertools import product\nlist(product(range(100), repeat=6))", LIMIT),
    "permutations": both("from itertools import permutations\nlist(permutations(range(12)))", LIMIT),
    "range": both("list(range(10**12))", LIMIT),
    "arrays": Attack("import numpy as np\nnp.ones(10**10)", ERROR, LIMIT),
    "outer product": Attack("import numpy as np\nx = np.ones(10**5)\nx[:, None] * x", ERROR, LIMIT),
    "memory that is mapped": Attack(
        "import mmap\nx = [mmap.mmap(-1, 2**26) for i in range(99)]", ERROR, (LIMIT, ERROR)
    ),
    "nested tuples": both("t = ()\nwhile True: t = (t, t, 'x' * 100 + str(id(t)))", LIMIT),
}

OUTPUT = {
    "flood": both("while True: print('x' * 1000)", LIMIT),
    "one long line": both("print('x' * 10**7)", LIMIT),
    "short lines": both("for i in range(10**9): print(i)", LIMIT),
    "standard error": Attack("import sys\nwhile True: sys.stderr.write('x' * 1000)", (LIMIT, ERROR), LIMIT),
    "flood of the pipe": Attack(
        "import os\nwhile True:\n    for fd in range(3, 9):\n        try: os.write(fd, b'x' * 10**6)\n        except OSError: pass",
        ERROR, LIMIT, spoils=True,
    ),
    "garbage in the pipe": Attack(
        "import os\nfor fd in range(3, 9):\n    try: os.write(fd, b'{]\\xff\\n')\n    except OSError: pass", ERROR, LIMIT, spoils=True
    ),
    "depth in the pipe": Attack(
        "import os\nfor fd in range(3, 9):\n    try: os.write(fd, b'[' * 50000 + b'\\n')\n    except OSError: pass",
        ERROR, LIMIT, spoils=True,
    ),
    "forged calls": Attack(
        "import os\nline = b'{\"call\": \"echo\", \"args\": [[[1]]], \"kwargs\": {\"dict\": [[5, 6]]}}\\n'\nwhile True:\n"
        "    for fd in range(3, 9):\n        try: os.write(fd, line)\n        except OSError: pass",
        ERROR, LIMIT, spoils=True,
    ),
    "forged result": Attack(
        "import os\nfor fd in range(3, 9):\n    try: os.write(fd, b'{\"done\": {\"os.system\": [\"true\"]}}\\n')\n    except OSError: pass",
        ERROR, ERROR, spoils=True,
    ),
    "forged error": Attack(
        "import os\nfor fd in range(3, 9):\n    try: os.write(fd, b'{\"error\": [1, 2, 3, 4]}\\n')\n    except OSError: pass",
        ERROR, LIMIT, spoils=True,
    ),
    "result of a million lists": both("a = [0] * 100\nb = [a] * 100\nc = [b] * 100\n[c] * 100", (LIMIT, ERROR)),
    "result that holds itself": Attack("a = []\na.append(a)\na", (ERROR, ["[...]"]), ERROR),
    "deep result": both("a = []\nfor i in range(5000): a = [a]\na", ERROR),
    "long result": both("'x' * (17 * 2**20)", (LIMIT, ERROR)),
    "long integer": both("7 ** 20000", ERROR),
    "result that is a function": both("print", ERROR),
    "result that is a class": both("class A: pass\nA()", ERROR),
    "keys that lie": Attack(
        "class L(dict):\n    def items(self): return [(1, 2)] * 10**9\nL(a=1)", ERROR, ERROR
    ),
}  # fmt: skip

FILES = {
    "read": both("open({secret!r}).read()", ERROR),
    "read by path": both("from pathlib import Path\nPath({secret!r}).read_text()", ERROR),
    "read bytes": Attack("import os\nos.read(os.open({secret!r}, 0), 99)", ERROR, ERROR),
    "write": both("open({target!r}, 'w').write('x')", ERROR),
    "write next to the code": both("open('written', 'w').write('x')", ERROR),
    "write to the library": Attack("import os\nopen(os.__file__, 'a').write('x')", ERROR, ERROR),
    "passwords": both("open('/etc/shadow').read()", ERROR),
    "keys": both("import os\nopen(os.path.expanduser('~/.ssh/id_rsa')).read()", ERROR),
    "home": both("from pathlib import Path\n[str(p) for p in Path('/root').iterdir()]", ERROR),
    "processes": both("from pathlib import Path\n[str(p) for p in Path('/proc').iterdir()]", ERROR),
    "its environment": both("open('/proc/self/environ').read()", ERROR),
    "environment of the parent": both("open('/proc/{parent}/environ').read()", ERROR),
    "memory of the parent": both("open('/proc/{parent}/mem', 'rb').read(1)", ERROR),
    "root of the parent": both("open('/proc/{parent}/root/etc/passwd').read()", ERROR),
    "devices": both("open('/dev/zero', 'rb').read(10**9)", ERROR),
    "kernel": both("open('/sys/kernel/notes', 'rb').read()", ERROR),
    "symbolic link": Attack("import os\nos.symlink({secret!r}, 'link')\nopen('link').read()", ERROR, ERROR),
    "hard link": Attack("import os\nos.link({secret!r}, 'link')", ERROR, ERROR),
    "temporary file": Attack("import tempfile\ntempfile.TemporaryFile().write(b'x')", ERROR, ERROR),
    "shared memory": Attack("from multiprocessing import shared_memory\nshared_memory.SharedMemory(create=True, size=99)", ERROR, ERROR),
    "file in memory": Attack("import os\nos.memfd_create('x')", ERROR, ERROR),
    "up the tree": both("open('../../../../../../../../etc/passwd').read()", ERROR),
    "other packages": Attack("import torch", ERROR, ERROR),
    "the host's modules": Attack("import autointerp.records", ERROR, ERROR),
    "source of a host function": both("import inspect\ninspect.getsource(echo) + open(inspect.getsourcefile(echo)).read()[:0] and 1 / 0", ERROR),
}  # fmt: skip

ENVIRONMENT = {
    "variable": both("import os\nos.environ['AUTOINTERP_SECRET']", ERROR),
    "variable by call": Attack("import os\nstr(os.getenv('AUTOINTERP_SECRET'))", (ERROR, "None"), "None"),
    "all variables": Attack(
        "import os\nsorted(os.environ)",
        (ERROR, []),
        ["LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PWD"],
    ),
    "arguments": Attack("import sys\nsys.argv", (ERROR, ["main.py"], [""], []), ["<code>"]),
    "user": Attack("import os\n[os.getuid(), os.getgid(), os.getpid()]", ERROR, [65534, 65534, 1]),
    "name of the machine": Attack("import os\nos.uname().nodename", ERROR, "jail"),
}

NETWORK = {
    "connection": both("import socket\nsocket.create_connection(('127.0.0.1', {port}))", ERROR),
    "server": both("import socket\nsocket.create_server(('127.0.0.1', 0))", ERROR),
    "datagram": both("import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)", ERROR),
    "local socket": both("import socket\nsocket.socket(socket.AF_UNIX)", ERROR),
    "pair of sockets": both("import socket\nsocket.socketpair()", ERROR),
    "netlink": both("import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", ERROR),
    "page": both("import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{port}')", ERROR),
    "name": both("import socket\nsocket.getaddrinfo('localhost', {port})", ERROR),
    "event loop": Attack("import asyncio\nasync def f():\n    await asyncio.open_connection('127.0.0.1', {port})\nasyncio.run(f())", ERROR, ERROR),
}  # fmt: skip

PROCESSES = {
    "fork": both("import os\nos.fork()", ERROR),
    "fork bomb": Attack("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", ERROR, LIMIT),
    "command": Attack("import os\nos.system('touch {target}') >> 8", ERROR, NO_SHELL),
    "program": both("import subprocess\nsubprocess.run(['touch', {target!r}])", ERROR),
    "background program": both("import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)", ERROR),
    "pipe of a program": both("import os\nos.popen('id').read()", ERROR),
    "spawn": both("import os\nos.posix_spawn('/bin/sh', ['sh'], dict())", ERROR),
    "replace itself": Attack("import os\nos.execv('/bin/sh', ['sh'])", ERROR, ERROR),
    "interpreter in its place": Attack(
        "import os\nos.execve('/python/bin/python3', ['python3', '-c', 'while True: pass'], dict())", ERROR, LIMIT
    ),
    "pool": both("import multiprocessing\nmultiprocessing.Pool(2)", ERROR),
    "thread": both("import threading\nthreading.Thread(target=print).start()", ERROR),
    "thread below": both("import _thread\n_thread.start_new_thread(print, ())", ERROR),
    "threads of a pool": both(
        "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor(4).submit(print).result()", ERROR
    ),
    "pseudoterminal": both("import pty\npty.openpty()", ERROR),
    "signal to the parent": both("import os\nos.kill(os.getppid(), 9)", ERROR),
    "signal to the host": both("import os\nos.kill({parent}, 9)", ERROR),
    "signal to everybody": both("import os\nos.kill(-1, 9)", ERROR),
    "signal to the group": both("import os\nos.killpg(0, 9)", ERROR),
    "deaf to signals": Attack(
        "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass", ERROR, LIMIT,
    ),
    "timer": Attack("import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.01)", ERROR, ERROR),
    "exit": both("import os\nos._exit(0)", (LIMIT, ERROR)),
    "exit of the interpreter": both("import sys\nsys.exit(3)", ERROR),
    "abort": Attack("import os\nos.abort()", ERROR, LIMIT),
    "exit at the end": Attack("import atexit\natexit.register(print, 'x')\n1", ERROR, 1),
    "higher limits": Attack(
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", ERROR, ERROR
    ),
    "priority": Attack("import os\nos.nice(-20)", ERROR, ERROR),
}  # fmt: skip

KERNEL = {
    "user namespace": Attack(CTYPES + "libc.unshare(0x10000000)", ERROR, DENIED),
    "mount namespace": Attack(CTYPES + "libc.unshare(0x00020000)", ERROR, DENIED),
    "nested jail": Attack(CTYPES + "libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)", ERROR, DENIED),
    "clone3": Attack(CTYPES + "b = ctypes.create_string_buffer(88)\nlibc.syscall(435, b, 88)", ERROR, DENIED),
    "enter a namespace": Attack(CTYPES + "libc.setns(3, 0)", ERROR, DENIED),
    "mount": Attack(CTYPES + "libc.mount(b'none', b'/', b'tmpfs', 0, None)", ERROR, DENIED),
    "unmount": Attack(CTYPES + "libc.umount2(b'/', 2)", ERROR, DENIED),
    "other root": Attack(CTYPES + "libc.chroot(b'/')", ERROR, DENIED),
    "trace": Attack(CTYPES + "libc.ptrace(0x4206, {parent}, 0, 0)", ERROR, DENIED),
    "memory of a process": Attack(CTYPES + "libc.syscall(310, {parent}, None, 0, None, 0, 0)", ERROR, DENIED),
    "keyring": Attack(CTYPES + "libc.syscall(250, 0, -3, 0)", ERROR, DENIED),
    "bpf": Attack(CTYPES + "libc.syscall(321, 0, None, 0)", ERROR, DENIED),
    "io_uring": Attack(CTYPES + "b = ctypes.create_string_buffer(120)\nlibc.syscall(425, 8, b)", ERROR, DENIED),
    "another filter": Attack(CTYPES + "libc.prctl(22, 0, 0, 0, 0)", ERROR, DENIED),
    "call of the 32-bit table": Attack(CTYPES + "libc.syscall(0x40000000 + 39)", ERROR, DENIED),
    "become root": Attack("import os\nos.setuid(0)", ERROR, ERROR),
    "crash": Attack(CTYPES + "ctypes.string_at(0)", ERROR, LIMIT),
    "crash in native code": Attack("import faulthandler\nfaulthandler._sigsegv()", ERROR, (LIMIT, None)),
}

INTERPRETER = {
    "subclasses": Attack(
        "[c for c in ().__class__.__mro__[1].__subclasses__() if 'autointerp.records' in c.__module__]", ERROR, []
    ),
    "globals of a host function": Attack("'HostCalls' in str(echo.__globals__)", ERROR, False),
    "frames": Attack(
        "import sys\nf = sys._getframe()\nnames = []\nwhile f:\n    names.append(f.f_code.co_filename)\n    f = f.f_back\n"
        "[n for n in names if 'pytest' in n]", ERROR, [],
    ),
    "builtins": both("__builtins__['open']({secret!r})", ERROR),
    "import by name": both("__import__('os').listdir('/home')", ERROR),
    "eval": both("eval(\"__import__('os').listdir('/home')\")", ERROR),
    "exec": both("exec(\"open({target!r}, 'w')\")", ERROR),
    "compile": both("exec(compile(\"open({target!r}, 'w')\", 'x', 'exec'))", ERROR),
    "format": Attack("'{0.__class__.__init__.__globals__}'.format(echo)", ERROR, ERROR),
    "pickle that runs": Attack(
        "import pickle\npickle.loads(b\"cos\\nsystem\\n(S'touch {target}'\\ntR.\") >> 8", ERROR, NO_SHELL
    ),
    "marshal": Attack("import marshal\nmarshal.loads(b'\\xff' * 99)", ERROR, (LIMIT, ERROR)),
    "bytecode": Attack(
        "def f(): pass\nf.__code__ = f.__code__.replace(co_code=b'\\xff' * 64)\nf()", ERROR, (LIMIT, ERROR)
    ),
    "deep recursion": both("def f(n): return f(n + 1)\nf(0)", ERROR),
    "recursion without a limit": Attack(
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return [f(n + 1)]\nf(0)", ERROR, (LIMIT, ERROR)
    ),
    "deep source": both("(" * 5000 + ")" * 5000, (LIMIT, ERROR)),
    "deep source of operators": both("-" * 100_000 + "1", (LIMIT, ERROR)),
    "long source": both("x = 1\n" * 20_000 + "x", (1, LIMIT)),
    "null in the source": both("x = '\x00'\n1 / 0", ERROR),
    "half a character": both("x = '\ud800'\n1 / 0", ERROR),
    "exception that is long": both("raise ValueError('x' * 10**6)", ERROR),
    "exceptions in a chain": both(
        "def f(n):\n    try:\n        raise ValueError(n)\n    except ValueError as e:\n        if n: f(n - 1)\n        raise KeyError(n) from e\nf(300)",
        ERROR,
    ),
    "exception that cannot be shown": both(
        "class E(Exception):\n    def __str__(self): raise E()\nraise E()", ERROR
    ),
    "exception that is none": both("raise 5", ERROR),
    "interrupt of its own": both("raise KeyboardInterrupt", ERROR),
    "group of exceptions": both("raise ExceptionGroup('x', [ValueError()] * 1000)", ERROR),
    "finaliser": both("class A:\n    def __del__(self):\n        while True: pass\na = A()\na = None\n1", (1, LIMIT)),
    "finaliser that comes back": both(
        "kept = []\nclass A:\n    def __del__(self): kept.append(A())\nfor i in range(100): A()\n1", (1, LIMIT)
    ),
    "hook of the end of a frame": Attack("import sys\nsys.settrace(lambda *a: 1 / 0)\nmax(1, 2)", ERROR, (2, ERROR, LIMIT), spoils=True),
    "guest's own modules": Attack(
        "import json\njson.dumps = lambda *a, **k: '{'\n5", ERROR, (LIMIT, ERROR), spoils=True
    ),
    "guest's own pipe": Attack("import os\nos.closerange(0, 50)\n5", ERROR, (LIMIT, ERROR), spoils=True),
    "print of its own": both("def print(*a): pass\nprint(1)\n1", 1, spoils=True),
}  # fmt: skip

FUNCTIONS = {
    "wrong type": both("activations(5)", ERROR),
    "wrong types within": both("activations(['a', 5, None])", ERROR),
    "a billion texts": both("activations(['x'] * 10**9)", LIMIT),
    "a billion texts that share": both("a = ['x'] * 1000\nb = [a] * 1000\nactivations([b] * 1000)", (ERROR, LIMIT)),
    "long text": both("activations(['x' * 10**6])", ERROR),
    "long text of many": both("t = 'x' * 10**6\nactivations([t] * 15)", ERROR),
    "not a number": both("steer(float('nan'))", ERROR),
    "infinity": both("steer(float('inf'))", ERROR),
    "number as text": both("steer('1e9')", ERROR),
    "boolean as number": both("steer(True)", ERROR),
    "huge integer": both("steer(10 ** 5000)", ERROR),
    "negative zero of nothing": both("steer(strength=-0.0, other=1)", ERROR),
    "no arguments": both("steer()", ERROR),
    "too many": both("steer(*range(1000))", ERROR),
    "itself": Attack("a = []\na.append(a)\nactivations(a)", (ERROR, [5]), ERROR),
    "deep": both("a = 'x'\nfor i in range(3000): a = [a]\nactivations(a)", ERROR),
    "a function of its own": Attack("max(activations([lambda: 1])) < 100", (ERROR, True), ERROR),
    "an object of its own": both("class A:\n    def __len__(self): return 1\nactivations(A())", ERROR),
    "calls without end": both("while True: echo(1)", LIMIT),
    "calls that are handled": both(
        "def go():\n    while True:\n        try: echo(1)\n        except Exception: pass\ngo()", LIMIT
    ),
    "recursion through the host": both("def f(n):\n    return f(echo(n) + 1)\nf(0)", LIMIT),
    "slow calls": both("while True: slow()", LIMIT),
    "errors of the host": both("fails()", ERROR),
    "errors of the host without end": both(
        "def go():\n    while True:\n        try: fails()\n        except Exception: pass\ngo()", LIMIT
    ),
    "large answers": both("x = [large() for i in range(40)]\nlen(x)", (LIMIT, 40)),
    "a function that is not there": both("system('true')", ERROR),
    "private name": both("echo.__wrapped__", ERROR),
    "replaced function": both("echo = 5\necho(1)", ERROR, spoils=True),
    "statistics of text": both("mean('12345')", ERROR),
    "statistics of nothing": both("corr([], [])", ERROR),
    "statistics of too much": both("auc([0.5] * 200000, [True] * 200000)", (ERROR, LIMIT)),
    "statistics without end": both("interval([1.0, 2.0], 0.95, 10**9)", ERROR),
    "statistics of NaN": both("mean([float('nan')])", ERROR),
}

ATTACKS: dict[str, Attack] = {
    f"{kind}: {name}": attack
    for kind, attacks in {
        "time": TIME, "memory": MEMORY, "output": OUTPUT, "files": FILES, "environment": ENVIRONMENT, "network": NETWORK,
        "processes": PROCESSES, "kernel": KERNEL, "interpreter": INTERPRETER, "functions": FUNCTIONS,
    }.items()
    for name, attack in attacks.items()
}  # fmt: skip
