# ruff: noqa: E501 (a claim to a line)
"""What a language model is told about the Python of a sandbox is true: every claim is run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from autointerp.errors import LimitError, ProgramError, SandboxError
from autointerp.sandbox import Backend, Limits, Sandbox, open_sandbox

LIMITS = Limits(seconds=1, memory=64 * 2**20, host_calls=10, output=1000)

# A part of the paragraph, code that shows it, and its value, or what the refusal says.
CLASS = "class A:\n    n = 2\n    def __init__(self, x): self.x = x\n    def get(self): return self.x\n    def __add__(self, o): return 9\n"
MONTY: list[tuple[str, str, object]] = [
    ("functions (nested", "def f():\n    n = 1\n    def g():\n        nonlocal n\n        n += 1\n        return n\n    return g()\nf()", 2),
    ("recursive to about 900 calls", "def f(n): return n and 1 + f(n - 1)\nf(900)", 900),
    ("recursive to about 900 calls", "def f(n): return n and 1 + f(n - 1)\nf(1500)", ProgramError("RecursionError")),
    ("decorators", "def twice(f): return lambda x: f(f(x))\n@twice\ndef g(x): return x + 1\ng(1)", 3),
    ("default and keyword arguments", "def f(a, b=2, *c, d=4, **e): return [a, b, c, d, e]\nf(1, d=5, z=6)", [1, 2, (), 5, {"z": 6}]),
    ("lambdas", "(lambda x: x + 1)(1)", 2),
    ("comprehensions and generator expressions", "[[i for i in 'ab'], {i for i in 'a'}, {i: 1 for i in 'a'}, sum(i for i in range(4))]", [["a", "b"], {"a"}, {"a": 1}, 6]),
    ("f-strings", "f'{1.234:.2f}{\"a\"!r:>5}'", "1.23  'a'"),
    ("unpacking", "a, *b = [1, 2, 3]\n[a, b, [*b, 4], {**{'x': 1}}]", [1, [2, 3], [2, 3, 4], {"x": 1}]),
    ("`:=`", "(y := 3) + y", 6),
    ("`match`", "match [1, 2]:\n    case [a, b] if a < b: r = b\n    case _: r = 0\nr", 2),
    ("`with`", "class C:\n    def __enter__(self): return 1\n    def __exit__(self, *a): return True\nwith C() as x:\n    1 / 0\nx", 1),
    ("`try`/`except`/`finally`", "r = []\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    r.append(str(e))\nfinally:\n    r.append(2)\nr", ["division by zero", 2]),
    ("simple classes", CLASS + "a = A(3)\n[a.get(), a + a, A.n]", [3, 9, 2]),
    ("dataclasses (", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int = 2\n[P(1).x, P(1) == P(1, 2)]", [1, True]),
    ("no inheritance", "class A: pass\nclass B(A): pass", ProgramError("inheritance")),
    ("no properties", "class A:\n    @property\n    def x(self): return 1", ProgramError("decorators")),
    ("no class or static methods", "class A:\n    @classmethod\n    def x(cls): return 1", ProgramError("classmethod")),
    ("no class or static methods", "class A:\n    @staticmethod\n    def x(): return 1", ProgramError("staticmethod")),
    ("no `yield`", "def f():\n    yield 1", ProgramError("yield")),
    ("no `del`", "d = {1: 2}\ndel d[1]", ProgramError("del")),
    ("use `d.pop(key)`", "d = {1: 2}\nd.pop(1)\nd", {}),
    ("no `except*`", "try:\n    pass\nexcept* ValueError:\n    pass", ProgramError("except")),
    ("no `type` statement", "type X = int", ProgramError("type alias")),
    ("Exceptions cannot be defined", "class E(Exception): pass", ProgramError("inheritance")),
    ("raise ValueError and its like", "try:\n    raise KeyError('k')\nexcept LookupError:\n    r = 1\nr", 1),
    ("no files", "open('/etc/hostname').read()", ProgramError("PermissionError")),
    ("network", "import socket", ProgramError("socket")),
    ("environment", "import os\nos.environ['PATH']", ProgramError("Error")),
    ("processes", "import subprocess", ProgramError("subprocess")),
]  # fmt: skip
JAIL: list[tuple[str, str, object]] = [
    ("CPython with its standard library", "import statistics, heapq, string, enum, textwrap\nclass A(dict):\n    pass\ndef g():\n    yield 1\n[statistics.mean([1, 3]), list(g())]", [2, [1]]),
    ("numpy (`import numpy as np`)", "import numpy as np\nfloat(np.linalg.norm(np.array([3.0, 4.0])))", 5.0),
    ("in one process and one thread: no processes", "import os\nos.fork()", ProgramError("PermissionError")),
    ("threads, sockets", "import threading\nthreading.Thread(target=print).start()", ProgramError("RuntimeError")),
    ("threads, sockets", "import socket\nsocket.socket()", ProgramError("PermissionError")),
    ("files to write", "open('x', 'w')", ProgramError("OSError")),
    ("no files of the machine", "import os\nos.listdir('/etc')", ProgramError("FileNotFoundError")),
    ("no torch, scipy or pandas", "import torch", ProgramError("ModuleNotFoundError")),
    ("no torch, scipy or pandas", "import scipy", ProgramError("ModuleNotFoundError")),
    ("no torch, scipy or pandas", "import pandas", ProgramError("ModuleNotFoundError")),
    ("numpy arrays (which become lists)", "import numpy as np\n[np.arange(3), np.float64(1.5), (np.eye(2) > 0,)]", [[0, 1, 2], 1.5, ([[True, False], [False, True]],)]),
]  # fmt: skip
BOTH: list[tuple[str, str, object]] = [
    ("The value of the last line is the result if that line is an expression", "x = 1\nx + 1", 2),
    ("The value of the last line is the result if that line is an expression", "1\nx = 5", None),
    ("made of numbers, text, lists, tuples, sets", "[1, 2.5, 'a', [1], (2,), {3}, {'a': 1}, None, True]", [1, 2.5, "a", [1], (2,), {3}, {"a": 1}, None, True]),
    ("it has to be made of", "print", ProgramError("passed on")),
]  # fmt: skip


@pytest.fixture(scope="module", params=["monty", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Backend]:
    opened = open_sandbox(request.param, LIMITS)
    try:
        opened.__enter__()
    except SandboxError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


def claims(sandbox: Backend) -> list[tuple[str, str, object]]:
    return (MONTY if isinstance(sandbox, Sandbox) else JAIL) + BOTH


def test_every_claim_is_true(sandbox: Backend) -> None:
    with sandbox.session() as session:
        for said, code, expected in claims(sandbox):
            assert said in sandbox.python, said
            if isinstance(expected, ProgramError):
                with pytest.raises(ProgramError, match=re.escape(str(expected))) as caught:
                    session.execute(code)
                assert not isinstance(caught.value, LimitError), said
            else:
                value = session.execute(code).value
                assert value == expected, said
                assert type(value) is type(expected), said


def test_print_is_returned_and_names_are_kept_until_a_limit(sandbox: Backend) -> None:
    assert "What is printed is returned too." in sandbox.python
    assert (
        "Names are kept from one run to the next; a run that passes its limit of time, memory, output" in sandbox.python
    )
    with sandbox.session() as session:
        assert session.execute("x = 5\nprint(x)").printed == "5\n"
        assert session.execute("x").value == 5
        with pytest.raises(LimitError):
            session.execute("'x' * 10**9")
        with pytest.raises(ProgramError, match="not defined"):
            session.execute("x")


def test_the_modules_are_those_that_are_named() -> None:
    named = re.search(r"To be imported there are (.*?); there are no (.*?)\.", Sandbox.python)
    assert named is not None
    there, missing = (re.findall(r"\w+", part.replace(" and ", ", ").replace(" or ", ", ")) for part in named.groups())
    assert len(there) > 10
    assert len(missing) > 5
    with Sandbox(LIMITS) as sandbox:
        for name in there:
            assert sandbox.run(f"import {name}\n1") == 1
        for name in missing:
            with pytest.raises(ProgramError, match=name):
                sandbox.run(f"import {name}")


def test_no_sentence_goes_untested(sandbox: Backend) -> None:
    tested = [said for said, _, _ in claims(sandbox)]
    tested += ["What is printed", "Names are kept", "To be imported there are"]
    sentences = re.split(r"(?<=[.)]) (?=[A-Z])", sandbox.python)
    assert [s for s in sentences if not any(t in s for t in tested)] == [
        "The code runs in a subset of Python."
    ] * isinstance(sandbox, Sandbox)
