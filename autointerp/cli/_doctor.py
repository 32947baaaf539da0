"""`autointerp doctor`: whether everything that a study needs is there and works, each with what was measured."""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autointerp.errors import AutointerpError

if TYPE_CHECKING:
    from autointerp.models import Check, Subject

FAILED = 1
_BUNDLED = "pystdlib"
_PACKAGES = (
    "autointerp-agents", "torch", "nnsight", "transformers", "tokenizers", "safetensors", "huggingface-hub", "numpy",
    "pydantic", "pydantic-monty",
)  # fmt: skip


@dataclass
class Finding:
    """One thing that was tried: its name, whether it works, and what was seen or what is wrong."""

    name: str
    passed: bool = True
    detail: str = ""
    checks: list[dict[str, Any]] = field(default_factory=list)


def doctor(
    model: Annotated[str | None, typer.Option(help="Also try this model: a folder, or a name on the hub.")] = None,
    dictionary: Annotated[str | None, typer.Option(help="Also try this dictionary, with the model above.")] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
) -> int:
    """Check this installation: versions, device, sandbox, cache, and that models load with their sites in place.

    The bundled model is always tried. Exits with 1 where something does not work.
    """
    import json as json_format

    from autointerp.report import ensure_writable

    if json is not None:
        ensure_writable(json)
    findings = []
    for finding in _findings(model, dictionary):
        findings.append(finding)
        mark = "ok    " if finding.passed else "FAILED"
        typer.echo(f"{mark} {finding.name}: {finding.detail}")
    if json is not None:
        json.write_text(json_format.dumps([asdict(finding) for finding in findings], indent=1) + "\n", encoding="utf-8")
    failed = [finding.name for finding in findings if not finding.passed]
    typer.echo(f"{len(findings) - len(failed)} of {len(findings)} as they should be")
    return FAILED if failed else 0


def _findings(model: str | None, dictionary: str | None) -> Iterator[Finding]:
    yield from _versions()
    yield _device()
    yield _sandbox()
    yield _cache()
    bundled, subject = _model(_BUNDLED)
    yield from bundled
    if model is not None and model != _BUNDLED:
        found, subject = _model(model)
        yield from found
    if dictionary is None and model in (None, _BUNDLED):
        dictionary = f"{_BUNDLED}-sae"
    if dictionary is not None:
        yield _dictionary(dictionary, subject)


@contextmanager
def _trying(finding: Finding) -> Iterator[None]:
    """Whatever goes wrong inside is the finding."""
    try:
        yield
    except (AutointerpError, ImportError, OSError, RuntimeError, ValueError) as error:
        finding.passed = False
        finding.detail = " ".join(str(error).split()) or type(error).__name__


def _versions() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    yield Finding("Python", detail=f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in _PACKAGES:
        try:
            yield Finding(package, detail=version(package))
        except PackageNotFoundError:
            yield Finding(package, False, "is not installed: install autointerp-agents again")


def _device() -> Finding:
    finding = Finding("device")
    with _trying(finding):
        from autointerp.models import choose_device

        choice = choose_device()
        finding.detail = f"{choice.device}, since {choice.reason}"
    return finding


def _sandbox() -> Finding:
    finding = Finding("sandbox")
    with _trying(finding):
        from autointerp.sandbox import Sandbox

        began = time.monotonic()
        with Sandbox() as sandbox:
            answer = sandbox.run("sum(i * i for i in range(10))")
        finding.passed = answer == 285
        finding.detail = (
            f"ran a program in {time.monotonic() - began:.2f} s" if finding.passed else f"computed {answer!r}"
        )
    return finding


def _cache() -> Finding:
    finding = Finding("cache")
    with _trying(finding):
        from autointerp.activations import cache_folder

        folder = cache_folder()
        finding.detail = f"{folder} cannot be written: make room there, or set AUTOINTERP_CACHE"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"tried")
        except OSError:
            finding.passed = False
            return finding
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        free = shutil.disk_usage(folder).free
        finding.detail = f"{folder} can be written, holds {size / 1e6:.1f} MB, has {free / 1e9:.1f} GB left"
    return finding


def _model(name: str) -> tuple[list[Finding], Subject | None]:
    """Whether a model loads, and its self-checks."""
    finding, subject = Finding(f"model {name}"), None
    checks: list[Check] = []
    with _trying(finding):
        from autointerp.models import Subject, inspect_subject

        began = time.monotonic()
        subject = Subject.load(name)
        seconds = time.monotonic() - began
        checks = inspect_subject(subject)
        kind = "causal" if subject.causal else "an encoder"
        finding.detail = (
            f"{type(subject.module).__name__} ({kind}) of {subject.layers} layers, width {subject.width}, context"
            f" {subject.context}, loaded in {seconds:.1f} s on {subject.device} ({subject.reason})"
        )
    return [finding, *_claims(name, checks)], subject


def _claims(name: str, checks: list[Check]) -> Iterator[Finding]:
    from autointerp.cli._sites import by_claim

    for claim, group in by_claim(checks).items():
        worst = max(group, key=lambda check: check.error)
        yield Finding(
            f"{name}: {claim}",
            all(check.passed for check in group),
            f"error {worst.error:.1e} in the worst of {len(group)}, up to {worst.limit:.1e} is rounding",
            [{"layer": check.layer, "error": check.error, "passed": check.passed} for check in group],
        )


def _dictionary(name: str, subject: Subject | None) -> Finding:
    finding = Finding(f"dictionary {name}")
    if subject is None:
        return Finding(finding.name, False, "not tried, since its model does not load")
    with _trying(finding):
        from autointerp.dictionaries import open_dictionary

        opened = open_dictionary(name, subject)
        finding.detail = (
            f"{opened.size} features, reads {opened.input_site} and writes {opened.output_site} of {subject.name}"
        )
    return finding
