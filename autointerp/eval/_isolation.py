"""An agent's process: what it sees, what it may use up, and how it is ended.

Where bubblewrap can be run, the process cannot write to the file system nor see other processes and what they hold in memory;
temporary and result folders are empty for it; and there is no network unless the agent has to reach a language model. Elsewhere
it is an ordinary process with an environment of its own, and could look for the seeds in the folder of the results: what is
reported from there has to say so. The truth itself is in the memory of the grader alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autointerp.eval._protocol import Isolation

#: What an agent's process gets of the environment; keys of language models only where it may use the network.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "PYTHONPATH")
_KEYS = ("OPENAI_", "ANTHROPIC_", "AUTOINTERP_LLM", "AUTOINTERP_SERVER", "SSL_CERT_", "HTTPS_PROXY", "NO_PROXY")
#: So much of what it said is kept for the reason of a failure.
_SAID = 400
_GRACE = 2.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of an agent's process: what it wrote, or why there is nothing."""

    output: bytes | None
    failure: str | None
    seconds: float
    isolation: Isolation


@cache
def jails() -> bool:
    """Whether bubblewrap is there and can do what is wanted of it."""
    if shutil.which("bwrap") is None:
        return False
    tried = [*_jail(Path("/usr"), Path("/usr"), hidden=(), network=False), "/bin/sh", "-c", "exit 0"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def run_agent(
    agent: str,
    kit: Path,
    *,
    home: Path,
    seconds: float,
    network: bool,
    hidden: Sequence[Path] = (),
    llm: str | None = None,
) -> Ran:
    """Run an agent on a kit for at most so many seconds.

    Parameters
    ----------
    home: a folder that the agent may write to and finds again when it works on the next problem.
    hidden: folders that are empty for it, where it runs in a jail.
    llm: the address of its language model.
    """
    jailed = jails()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "autointerp.eval.agents", agent, str(kit), str(out)]
        if jailed:
            command = [*_jail(kit, home, Path(folder), hidden=hidden, network=network), *command]
        environment = _environment(home, network=network, llm=llm)
        began = time.monotonic()
        failure, said = _ended(command, kit, environment, seconds)
        spent = time.monotonic() - began
        if failure is None and not out.is_file():
            failure = f"it handed nothing in: {said}" if said else "it handed nothing in"
        output = out.read_bytes() if failure is None else None
    return Ran(output, failure, spent, "jail" if jailed else "process")


def _ended(command: list[str], folder: Path, environment: dict[str, str], seconds: float) -> tuple[str | None, str]:
    """Why the process failed, None where it did not, and the last of what it said."""
    with tempfile.TemporaryFile() as heard:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=heard,
            stderr=heard,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"it was not done after {seconds:g} s", ""
        finally:
            _end(process)
        said = _last_line(heard.read() if not heard.seek(0) else b"")
    return (None, said) if code == 0 else (f"it ended with {code}: {said}" if said else f"it ended with {code}", said)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _last_line(heard: bytes) -> str:
    lines = heard[-20_000:].decode(errors="replace").strip().splitlines()
    return lines[-1][:_SAID] if lines else ""


def _environment(home: Path, *, network: bool, llm: str | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if network:
        kept |= {name: value for name, value in os.environ.items() if name.startswith(_KEYS)}
        if llm is not None:
            kept["AUTOINTERP_LLM"] = llm
    # Without a name of its own Python would look into the home of whoever runs this.
    return kept | {"HOME": str(home), "AUTOINTERP_CACHE": str(home / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}


def _jail(kit: Path, home: Path, out: Path | None = None, *, hidden: Sequence[Path], network: bool) -> list[str]:
    """The arguments of bubblewrap, up to the command."""
    folders: list[str] = []
    temporary = Path(tempfile.gettempdir()).resolve()
    # The temporary folder is hidden as a whole, and where there is nothing there is nothing to hide.
    inside = [path.resolve() for path in hidden if path.is_dir()]
    own = [path.resolve() for path in (kit, home, out) if path is not None]
    shown = [path for path in _imported_from(temporary) if not any(place.is_relative_to(path) for place in own)]
    folders += ["--tmpfs", str(temporary)]
    for path in shown:
        folders += ["--ro-bind", str(path), str(path)]
    for path in inside:
        if not path.is_relative_to(temporary) or any(path.is_relative_to(place) for place in shown):
            folders += ["--tmpfs", str(path)]
    # What is bound comes after what is hidden: kit and home may lie in a hidden folder.
    folders += ["--ro-bind", str(kit), str(kit)]
    for path in filter(None, (home, out)):
        folders += ["--bind", str(path), str(path)]
    apart = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", *([] if network else ["--unshare-net"])]
    return [
        "bwrap",
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *folders,
        *apart,
        *("--die-with-parent", "--new-session"),
    ]


def _imported_from(temporary: Path) -> list[Path]:
    """What the agent's interpreter needs and lies in the temporary folder: hidden with it, it would be gone."""
    named = [Path(name) for name in os.environ.get("PYTHONPATH", "").split(os.pathsep) if name]
    named += [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[1]]
    found = dict.fromkeys(path.resolve() for path in named)
    return [path for path in found if path.is_dir() and path != temporary and path.is_relative_to(temporary)]
