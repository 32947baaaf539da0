"""Code that nobody trusts computes, is stopped at its limits, and reaches nothing of the host."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autointerp.errors import ProgramError
from autointerp.sandbox import Limits, Sandbox

LIMITS = Limits(seconds=0.5, memory=32 * 2**20, host_calls=50)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS) as opened:
        yield opened


def refusal(sandbox: Sandbox, code: str, **given: object) -> str:
    with pytest.raises(ProgramError) as caught:
        sandbox.run(code, **given)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert len(message) <= 300
    # Whatever happened, the next program finds a sandbox that works.
    assert sandbox.run("1 + 1") == 2
    return message


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("[i * i for i in range(4)]", [0, 1, 4, 9]),
        ("{'a': [1.5, None, True], 'b': 'é'}", {"a": [1.5, None, True], "b": "é"}),
        ("import re\nbool(re.fullmatch(r'[a-z]+_x', 'ab_x'))", True),
        ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nf(10)", 3628800),
        ("from collections import Counter\nCounter('abca').most_common(1)", [("a", 2)]),
        ("x = 1", None),
        ("# nothing", None),
    ],
)
def test_the_last_expression_is_the_value(sandbox: Sandbox, code: str, value: object) -> None:
    assert sandbox.run(code) == value


def test_inputs_are_bound_and_functions_can_be_called(sandbox: Sandbox) -> None:
    assert sandbox.run("f(x, y=2) + [x]", inputs={"x": 3}, functions={"f": lambda a, y: [a, y]}) == [3, 2, 3]


def test_nothing_stays_for_the_next_program(sandbox: Sandbox) -> None:
    sandbox.run("secret = 5")
    assert "secret" in refusal(sandbox, "secret")


def test_inputs_are_copies(sandbox: Sandbox) -> None:
    given = [1, 2]
    sandbox.run("x.append(3)", inputs={"x": given})
    assert given == [1, 2]


ESCAPES = {
    "read a file": "open({secret!r}).read()",
    "write a file": "open({target!r}, 'w').write('x')",
    "read by path": "from pathlib import Path\nPath({secret!r}).read_text()",
    "write by path": "from pathlib import Path\nPath({target!r}).write_text('x')",
    "list a folder": "from pathlib import Path\nlist(Path('/').iterdir())",
    "environment": "import os\nos.environ['AUTOINTERP_SECRET']",
    "environment by call": "import os\nos.getenv('AUTOINTERP_SECRET')",
    "command": "import os\nos.system('touch ' + {target!r})",
    "subprocess": "import subprocess\nsubprocess.run(['touch', {target!r}])",
    "socket": "import socket\nsocket.create_connection(('127.0.0.1', {port}))",
    "http": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{port}')",
    "ctypes": "import ctypes\nctypes.CDLL(None)",
    "import by name": "__import__('os').system('touch ' + {target!r})",
    "importlib": "import importlib\nimportlib.import_module('os')",
    "subclasses": "().__class__.__mro__[1].__subclasses__()",
    "class of a function": "given.__class__",
    "globals of a host function": "given.__globals__",
    "globals by getattr": "getattr(given, '__globals__')",
    "code of a function": "(lambda: 0).__code__",
    "builtins": "__builtins__['open']",
    "frames": "import sys\nsys._getframe()",
    "eval": "eval(\"__import__('os')\")",
    "exec": "exec(\"open({target!r}, 'w')\")",
    "format": "'{{0.__class__.__init__}}'.format(given)",
    "standard input": "input()",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_there_is_no_way_out(sandbox: Sandbox, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOINTERP_SECRET", "treasure")
    secret, target = tmp_path / "secret", tmp_path / "target"
    secret.write_text("treasure")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        code = ESCAPES[name].format(secret=str(secret), target=str(target), port=server.getsockname()[1])
        message = refusal(sandbox, code, functions={"given": lambda: 0})
        with pytest.raises(BlockingIOError):
            server.accept()
    assert "treasure" not in message
    assert sorted(tmp_path.iterdir()) == [secret]


GREEDY = {
    "endless loop": "while True:\n    pass",
    "endless recursion": "def f(n):\n    return f(n + 1)\nf(0)",
    "long output": "while True:\n    print('x' * 1000)",
    "one long output": "print('x' * 10**9)",
    "large list": "x = [0] * 10**9",
    "growing list": "x = []\nwhile True:\n    x.append('x' * 10**5)",
    "large number": "10 ** 10 ** 9",
    "large text": "'x' * 10**10",
    "deep source": "(" * 5000 + ")" * 5000,
    "endless comprehension": "sum(1 for i in range(10**12))",
    "endless handler": "while True:\n    try:\n        f()\n    except Exception:\n        pass",
}


@pytest.mark.parametrize("name", GREEDY)
def test_limits_hold(sandbox: Sandbox, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    refusal(sandbox, GREEDY[name])
    assert time.monotonic() - begin < 5
    assert capfd.readouterr() == ("", "")


def test_calls_into_the_host_are_counted(sandbox: Sandbox) -> None:
    calls: list[int] = []
    message = refusal(sandbox, "[f(i) for i in range(1000)]", functions={"f": calls.append})
    assert "50" in message
    assert len(calls) <= 50


def test_time_in_the_host_counts_too(sandbox: Sandbox) -> None:
    calls: list[float] = []

    def slow() -> None:
        calls.append(time.monotonic())
        time.sleep(0.1)

    code = (
        "def go():\n    while True:\n        try:\n            f()\n        except Exception:\n            pass\ngo()"
    )
    refusal(sandbox, code, functions={"f": slow})
    assert 1 < len(calls) < 10


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1\n1 / 0", "ZeroDivisionError: division by zero (line 2)"),
        ("x = 1\ndef g(:\n  pass", "SyntaxError: "),
        ("x = 1\ndef g(:\n  pass", " (line 2)"),
        ("yield 1", "does not yet support yield"),
        ("undefined", "undefined"),
        ("raise ValueError('one\\ntwo')", "ValueError: one two (line 1)"),
        ("raise ValueError('x' * 1000)", "ValueError: xxx"),
        ("raise KeyboardInterrupt", ""),
        ("raise SystemExit", ""),
        ("f()", "boom"),
        ("g()", ""),
        ("x = '\ud800'", ""),
        ("[].nothing", "nothing"),
    ],
)
def test_errors_are_one_line(sandbox: Sandbox, code: str, says: str) -> None:
    def fail() -> None:
        raise ValueError("boom")

    assert says in refusal(sandbox, code, functions={"f": fail, "g": object})


def test_a_closed_sandbox_says_so() -> None:
    closed = Sandbox(LIMITS)
    with pytest.raises(RuntimeError, match="not open"):
        closed.run("1")
    with closed:
        assert closed.run("1") == 1
    with pytest.raises(RuntimeError, match="not open"):
        closed.run("1")


@pytest.mark.parametrize("code", ["f()", "try:\n    f()\nexcept BaseException:\n    pass\n5"])
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_host_function_is_none_of_the_programs_business(
    sandbox: Sandbox, code: str, interrupt: type[BaseException]
) -> None:
    calls: list[int] = []

    def interrupted() -> None:
        calls.append(1)
        raise interrupt

    with pytest.raises(interrupt):
        sandbox.run(code, functions={"f": interrupted})
    with pytest.raises(interrupt):
        sandbox.run(code + "\n[f() for _ in range(3)]", functions={"f": interrupted})
    assert len(calls) == 2
    assert sandbox.run("1 + 1") == 2


def test_the_worker_is_another_process_and_ends_with_the_sandbox() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("needs Linux")
    before = set(children.read_text().split())
    with Sandbox(LIMITS) as opened:
        assert opened.run("1") == 1
        assert set(children.read_text().split()) - before
    assert set(children.read_text().split()) <= before
