"""`autointerp index sites`: what can be read and edited in a model, and which checks it passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from autointerp.cli._options import ModelOption

if TYPE_CHECKING:
    from autointerp.models import Check, Subject
    from autointerp.records import Site

FAILED = 1


def sites(
    model: ModelOption = "pystdlib",
) -> int:
    """Print the sites of a model with the shapes of their activations, and what was checked about them.

    Exits with 1 where a check failed.
    """
    from rich.console import Console
    from rich.table import Table

    from autointerp.models import Subject, inspect_subject

    subject = Subject.load(model)
    checks = inspect_subject(subject)
    console = Console()
    console.print(f"{model}: {type(subject.module).__name__} on {subject.device}", highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for column in ("site", "layers", "activations", "adds to the stream"):
        table.add_column(column)
    for row in site_rows(subject):
        table.add_row(*row)
    console.print(table)
    console.print()
    for line in check_lines(checks):
        console.print(line, highlight=False, soft_wrap=True)
    return 0 if all(check.passed for check in checks) else FAILED


def site_rows(subject: Subject) -> Iterator[tuple[str, str, str, str]]:
    """Kind, layers, shape, and how vectors there reach the residual stream, for each kind of site."""
    from autointerp.records import SiteKind

    kinds = list(dict.fromkeys(site.kind for site in subject.sites()))
    for kind in kinds:
        there = [site for site in subject.sites() if site.kind is kind]
        layers = "–".join(dict.fromkeys((str(there[0].layer), str(there[-1].layer))))
        of_layers = "" if kind in (SiteKind.EMBED, SiteKind.FINAL) else layers
        if kind is SiteKind.PATTERN:
            yield kind, of_layers, r"\[batch, heads, tokens, tokens]", "no"
            continue
        widths = dict.fromkeys(subject.width_of(site) for site in there)
        shape = rf"\[batch, tokens, {' or '.join(map(str, widths))}]"
        yield kind, of_layers, shape, _reach(subject, there[0])


def by_claim(checks: Iterable[Check]) -> dict[str, list[Check]]:
    """Checks of the same claim together, in the order in which the claims were first made."""
    found: dict[str, list[Check]] = {}
    for check in checks:
        found.setdefault(check.claim, []).append(check)
    return found


def check_lines(checks: Iterable[Check]) -> Iterator[str]:
    """One line a claim: whether it holds at all its layers, and the largest error."""
    for claim, group in by_claim(checks).items():
        worst = max(group, key=lambda check: check.error)
        mark = "ok    " if all(check.passed for check in group) else "FAILED"
        where = f" (layer {worst.layer})" if len(group) > 1 else ""
        yield f"{mark} {claim}: error {worst.error:.1e}{where}, up to {worst.limit:.1e} is rounding"


def _reach(subject: Subject, site: Site) -> str:
    import torch

    vectors = torch.zeros(1, subject.width_of(site))
    found = subject.to_residual(site, vectors)
    if found is None:
        return "no"
    return "as it is" if found is vectors else "by one matrix"
