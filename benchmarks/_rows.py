"""What every benchmark prints and writes: rows of name, value, unit, baseline and target."""

from __future__ import annotations

import argparse
import json
import operator
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `baseline` is what it has to be seen beside, `target` a comparison such as ">= 0.5"."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    target: str | None = None

    @property
    def met(self) -> bool | None:
        """Whether the value meets its target; None without one."""
        if self.target is None:
            return None
        sign, number = self.target.split()
        return _COMPARISONS[sign](self.value, float(number))


def parser(description: str | None) -> argparse.ArgumentParser:
    """The flags that all benchmarks share."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    made.add_argument("--json", type=Path, help="write the rows here")
    made.add_argument("--seed", type=int, default=0)
    return made


def publish(title: str, rows: Sequence[Row], path: Path | None) -> None:
    """Print the table, and write the rows where asked for."""
    table = Table(title=title, title_justify="left")
    for heading, justify in (("figure", "left"), ("value", "right"), ("baseline", "right"), ("target", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        mark = {None: "", True: " met", False: " missed"}[row.met]
        baseline = "" if row.baseline is None else f"{row.baseline:.3f}"
        table.add_row(f"{row.name} ({row.unit})", f"{row.value:.3f}", baseline, f"{row.target or ''}{mark}")
    Console(width=110).print(table)
    if path is not None:
        path.write_text(json.dumps([asdict(row) | {"met": row.met} for row in rows], indent=1) + "\n")
