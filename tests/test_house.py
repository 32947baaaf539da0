"""The rules of the house: what every room looks like, who may import whom, and what may cost time at the start."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from autointerp._version import __version__

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "autointerp"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
LIGHT = sorted(set(ROOMS) & {"errors", "llm", "programs", "prompts", "records", "report", "sandbox"})
HEAVY = ("torch", "transformers", "nnsight")

LONGEST_FILE = 500
LONGEST_FUNCTION = 60
HELP_CPU_SECONDS = 0.3


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY, timeout=120)


def heavy_imports(code: str) -> str:
    """Which heavy libraries a fresh interpreter has loaded after `code`, comma separated."""
    report = f"import sys; print(','.join(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)"
    done = run(sys.executable, "-c", f"{code}\n{report}")
    assert done.returncode == 0, done.stderr
    return done.stderr.strip()


def isort_style(name: str) -> tuple[int, str]:
    """The order ruff gives to `__all__`: constants, then classes, then the rest."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1 if name[:1].isupper() else 2), name


def test_the_package_has_rooms() -> None:
    assert {"errors", "records"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_exports_a_sorted_all(room: str) -> None:
    module = importlib.import_module(f"autointerp.{room}")
    names = list(module.__all__)
    assert names, f"autointerp.{room} exports nothing"
    assert names == sorted(set(names), key=isort_style)
    assert [name for name in names if not hasattr(module, name)] == []
    assert [name for name in names if name.startswith("_")] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room: str) -> None:
    assert importlib.import_module(f"autointerp.{room}").__doc__


def test_module_files_are_private() -> None:
    public = [path for path in SOURCES if not path.name.startswith("_")]
    assert public == []


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (node.end_lineno or node.lineno) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("module", ["autointerp", *(f"autointerp.{room}" for room in LIGHT)])
def test_light_rooms_import_no_heavy_library(module: str) -> None:
    assert heavy_imports(f"import {module}") == ""


def test_help_imports_no_heavy_library() -> None:
    help_in_process = """
import runpy, sys
sys.argv = ["autointerp", "--help"]
try:
    runpy.run_module("autointerp", run_name="__main__")
except SystemExit as end:
    assert not end.code
"""
    assert heavy_imports(help_in_process) == ""


def test_help_is_quick() -> None:
    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run(sys.executable, "-m", "autointerp", "--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # The first run may compile bytecode; the least of three is the cost of the imports.
    assert min(cpu_seconds() for _ in range(3)) < HELP_CPU_SECONDS


def test_the_version_is_one() -> None:
    assert importlib.metadata.version("autointerp-agents") == __version__


@pytest.mark.parametrize(
    "group",
    [
        "architectures",
        "dictionaries",
        "labels",
        "organisms",
        "providers",
        "sandboxes",
        "scientists",
        "scorers",
        "strategies",
        "tools",
    ],
)
def test_built_ins_are_registered_and_load(group: str) -> None:
    points = importlib.metadata.distribution("autointerp-agents").entry_points.select(group=f"autointerp.{group}")
    assert points
    for point in points:
        if point.module.split(".")[1] in ROOMS:
            # An architecture is a value that registers itself, all the others are classes.
            loaded = point.load()
            assert callable(getattr(loaded, "register", loaded))


def test_imports_go_down() -> None:
    done = run(Path(sys.executable).parent / "lint-imports", "--no-logo")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("room", "group"), [("agents", "autointerp.scorers"), ("scoring", "autointerp.scientists")])
def test_neither_side_looks_the_other_up(room: str, group: str) -> None:
    # A plugin is found by name, where the import law cannot see it.
    reaching = [path for path in SOURCES if path.is_relative_to(PACKAGE / room) and group in path.read_text("utf-8")]
    assert reaching == []


def test_rooms_use_only_the_public_names_of_each_other() -> None:
    private = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.module}"
        for path in SOURCES
        if path.relative_to(REPOSITORY).parts[0] == "autointerp" and path.name != "__main__.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (match := re.match(r"autointerp\.(\w+)\._", node.module or ""))
        if path.relative_to(REPOSITORY).parts[1] != match[1]
    ]
    assert private == []
