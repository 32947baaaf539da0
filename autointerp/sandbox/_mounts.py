"""What a jail can see: an interpreter, its standard library, numpy, and the two files of ours that serve it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

from autointerp.errors import SandboxError

#: Where things are in the jail: paths of the host would tell who runs it, and where.
PYTHON, SITE, LIBRARIES = "/python", "/site", "/lib"
#: Folders of the standard library that hold other people's packages, where an installation has them there.
_NOT_STANDARD = ("site-packages", "dist-packages")
_SERVED = ("_guest.py", "_wire.py")

_LIST_LIBRARIES = """
import ctypes, os, sys
sys.path.insert(0, {site!r})
import numpy, json, base64, traceback, ast

class Info(ctypes.Structure):
    _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]

def show(info, size, data):
    print(os.fsdecode(info.contents.name or b""))
    return 0

kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Info), ctypes.c_size_t, ctypes.c_void_p)
ctypes.CDLL(None).dl_iterate_phdr(kind(show), None)
"""


@cache
def mounts() -> tuple[str, ...]:
    """The arguments of bubblewrap that build the root of a jail, all of it read-only.

    Raises SandboxError where this interpreter cannot be shown to a jail.
    """
    binary = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    standard = os.path.realpath(sysconfig.get_path("stdlib"))
    spec = importlib.util.find_spec("numpy")
    if spec is None or not spec.submodule_search_locations:
        raise SandboxError("numpy is not installed: install it, or use the monty sandbox")
    numpy = spec.submodule_search_locations[0]

    inside = f"{PYTHON}/{os.path.relpath(standard, os.path.realpath(sys.base_prefix))}"
    bound = {binary: f"{PYTHON}/bin/python3", standard: inside, numpy: f"{SITE}/numpy"}
    if os.path.isdir(f"{numpy}.libs"):
        bound[f"{numpy}.libs"] = f"{SITE}/numpy.libs"
    here = Path(__file__).parent
    bound |= {str(here / name): f"{SITE}/autointerp/sandbox/{name}" for name in _SERVED}
    for library in _libraries(binary, os.path.dirname(numpy)):
        if not library.startswith((standard, numpy)):
            name = os.path.basename(library)
            # The loader is looked for at the path that the interpreter was linked with.
            bound[library] = library if name.startswith(("ld-", "ld.", "ld64")) else f"{LIBRARIES}/{name}"
    empty = [f"{inside}/{name}" for name in _NOT_STANDARD if os.path.isdir(os.path.join(standard, name))]
    return (
        *(part for source, target in bound.items() for part in ("--ro-bind", source, target)),
        *(part for folder in empty for part in ("--tmpfs", folder, "--remount-ro", folder)),
        *("--remount-ro", "/"),
    )


def _libraries(binary: str, site: str) -> list[str]:
    """The shared libraries that an interpreter with numpy has loaded, by the paths under which they were found."""
    command = [binary, "-I", "-S", "-c", _LIST_LIBRARIES.format(site=site)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"{binary} cannot be started ({error}): use the monty sandbox") from error
    if done.returncode:
        why = " ".join(done.stderr.split())[-200:]
        raise SandboxError(f"{binary} does not run by itself with numpy ({why}): use the monty sandbox")
    return [name for name in done.stdout.splitlines() if name.startswith("/")]
