"""Where there is no jail, or one that leaks, nothing is run."""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from pathlib import Path

import pytest

from autointerp.errors import LimitError, SandboxError
from autointerp.sandbox import Limits, open_sandbox
from autointerp.sandbox._jail import Jail
from autointerp.sandbox._mounts import SITE, mounts
from autointerp.sandbox._probe import probe_failure
from autointerp.sandbox._protocol import Ran

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def with_a_bwrap(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have `script` found in the place of bubblewrap."""
    path = folder / "bwrap"
    path.write_text(script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def refusal() -> str:
    with pytest.raises(SandboxError) as caught, open_sandbox("bubblewrap"):
        pytest.fail("it must not open")
    assert "\n" not in str(caught.value)
    assert "use the monty sandbox" in str(caught.value)
    return str(caught.value)


def test_no_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install the package bubblewrap" in refusal()


def test_another_system_or_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        assert "needs Linux, this is darwin" in refusal()
    monkeypatch.setattr("platform.machine", lambda: "sparc64")
    assert "this machine is sparc64" in refusal()


def test_a_bubblewrap_that_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    with_a_bwrap(tmp_path, monkeypatch, script)
    assert "No permissions to create new namespace" in refusal()


def test_a_jail_that_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It serves as well as the real one, and keeps nobody in.
    site = tmp_path / "site"
    (site / "autointerp" / "sandbox").mkdir(parents=True)
    package = Path(str(importlib.util.find_spec("autointerp.sandbox").origin)).parent  # type: ignore[union-attr]
    for name in ("_guest.py", "_wire.py"):
        (site / "autointerp" / "sandbox" / name).symlink_to(package / name)
    numpy = Path(str(importlib.util.find_spec("numpy").origin)).parent  # type: ignore[union-attr]
    (site / "numpy").symlink_to(numpy)
    script = f"""#!{sys.executable}
import json, os, sys
if "--help" in sys.argv:
    sys.exit()
info = int(sys.argv[sys.argv.index("--info-fd") + 1])
os.write(info, json.dumps({{"child-pid": os.getpid()}}).encode())
os.close(info)
main = sys.argv[-1].replace({SITE!r}, {str(site)!r})
os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", "-c", main])
"""
    with_a_bwrap(tmp_path, monkeypatch, script)
    said = refusal()
    # Whether it may make namespaces is up to the machine.
    for leak in ("files", "local_sockets", "network", "processes", "signals", "threads", "writing"):
        assert leak in said


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([3.0, []], None),
        ([3.0, ["files"]], "files"),
        ([2.0, []], "compute"),
        (None, "compute"),
        ([3.0, None], "compute"),
    ],
)
def test_only_a_clean_answer_passes_the_probe(value: object, says: str | None) -> None:
    found = probe_failure(Ran(value, "", 0.0, 0, 0.0))
    assert found is None if says is None else found is not None and says in found


def test_a_jail_sees_little() -> None:
    bound = mounts()
    targets = [bound[i + 2] for i, part in enumerate(bound) if part == "--ro-bind"]
    assert "--bind" not in bound
    assert "--dev" not in bound
    assert "--proc" not in bound
    assert all(target.startswith(("/python/", "/site/", "/lib")) for target in targets)
    assert os.path.expanduser("~") not in "".join(targets)
    assert bound[-2:] == ("--remount-ro", "/")


def test_a_jail_keeps_no_descriptor_open() -> None:
    try:
        with open_sandbox("bubblewrap", Limits(seconds=0.3)) as sandbox:
            sandbox.execute("1")
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(3):
                sandbox.execute("1")
                with pytest.raises(LimitError):
                    sandbox.execute("import os\nos._exit(0)")
            assert len(os.listdir("/proc/self/fd")) == before
    except SandboxError as error:
        pytest.skip(str(error))
    assert Jail.__doc__
