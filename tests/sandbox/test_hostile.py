"""Every hostile program ends as it should, in either sandbox: the host lives, the next call works, and nothing is left."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autointerp.errors import LimitError, ProgramError, SandboxError
from autointerp.sandbox import NUMERIC, Backend, Limits, Session, open_sandbox
from tests.sandbox.hostile import ATTACKS, ERROR, LIMIT

LIMITS = Limits(seconds=0.3, memory=32 * 2**20, host_calls=50, output=20_000)


def children() -> set[str]:
    """The processes that this one started and that are not gone."""
    return {pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()}


class Kept:
    """One sandbox for all programs, and one session for those that leave it whole."""

    def __init__(self, sandbox: Backend) -> None:
        self.sandbox = sandbox
        self.session: Session = sandbox.session()


@pytest.fixture(scope="module", params=["monty", "bubblewrap"])
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    before = children()
    backend = open_sandbox(request.param, LIMITS)
    try:
        backend.__enter__()
    except SandboxError as error:
        pytest.skip(str(error))
    with backend:
        found = Kept(backend)
        with found.session:
            yield found
    assert children() <= before


def activations(texts: Any) -> list[int]:
    """A function as tools are: exact about what it takes."""
    if type(texts) is not list or not all(type(text) is str for text in texts):
        raise TypeError("activations takes a list of texts")
    if len(texts) > 100 or sum(map(len, texts)) > 10_000:
        raise ValueError("activations takes at most 100 texts of 10000 characters together")
    return list(map(len, texts))


def steer(strength: Any) -> float:
    if type(strength) not in (int, float) or not math.isfinite(strength):
        raise ValueError("steer takes a finite number")
    return float(strength)


def fails() -> None:
    raise RuntimeError("the host's own error")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "activations": activations,
    "steer": steer,
    "fails": fails,
    "echo": lambda x: x,
    "slow": lambda: time.sleep(0.05),
    "large": lambda: "x" * 10**6,
    **NUMERIC,
}


def filled(code: str, **places: object) -> str:
    """`code` with what it aims at; other braces in it are its own."""
    for name, place in places.items():
        code = code.replace(f"{{{name}!r}}", repr(place)).replace(f"{{{name}}}", str(place))
    return code


def outcome(session: Session, code: str) -> tuple[str, Any, str]:
    """How a program ended: in which kind of end, its value, and all the text that came of it."""
    try:
        ran = session.execute(code, functions=FUNCTIONS)
    except LimitError as error:
        return LIMIT, None, f"{error} {error.printed}"
    except ProgramError as error:
        return ERROR, None, f"{error} {error.printed}"
    return "value", ran.value, f"{ran.value} {ran.printed}"


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_stopped(
    kept: Kept, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    attack = ATTACKS[name]
    expected = attack.monty if kept.sandbox.__class__.__name__ == "Sandbox" else attack.jail
    monkeypatch.setenv("AUTOINTERP_SECRET", "treasure")
    secret, target = tmp_path / "secret", tmp_path / "target"
    secret.write_text("treasure")
    begin = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        code = filled(
            attack.code, secret=str(secret), target=str(target), port=server.getsockname()[1], parent=os.getpid()
        )
        session = kept.sandbox.session() if attack.spoils else kept.session
        end, value, told = outcome(session, code)
        if attack.spoils:
            session.__exit__(None, None, None)
        with pytest.raises(BlockingIOError):
            server.accept()

    found = value if end == "value" else end
    allowed = expected if isinstance(expected, tuple) else (expected,)
    assert any(type(found) is type(one) and found == one for one in allowed), told[:500]
    assert "treasure" not in told
    assert "\n" not in told.partition(" ")[0]
    assert len(told) < 30_000
    assert sorted(tmp_path.iterdir()) == [secret]
    assert time.monotonic() - begin < 20
    # What the worker's own library says when it ends for want of memory is all that may be seen of it.
    out, err = capfd.readouterr()
    assert out == ""
    assert all(line.startswith("monty worker: ") for line in err.splitlines())
    # The next program finds a sandbox that works, and nothing of this one runs on.
    assert kept.session.execute("40 + 2").value == 42
    assert len(children()) < 8


def test_there_are_enough() -> None:
    assert len(ATTACKS) >= 60
