"""Strategies compared on the same features, from the records of their runs.

    python benchmarks/strategies.py RECORD... [--json FILE]

Records are files as `autointerp explain --json` writes them, or `record.json` of a run's folder. A feature counts for the means
where every strategy has a record of it; what was not scored is counted beside them and is in no mean.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from autointerp.records import RunRecord, Score
from benchmarks._rows import Row, parser, publish

METRICS = ("simulation", "substitution", "intervention_accuracy")


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("records", nargs="+", type=Path, metavar="RECORD")
    options = flags.parse_args()
    publish("Strategies on the same features", rows_of([read(path) for path in options.records]), options.json)


def read(path: Path) -> RunRecord:
    """A record. Exits where the file is none."""
    try:
        return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path} is no record: {error}") from error


def strategy_of(record: RunRecord) -> str:
    """Which strategy made it: the rule learner alone keeps no notebook."""
    return "offline" if record.ledger is None else record.ledger.strategy or "offline"


def rows_of(records: Sequence[RunRecord]) -> list[Row]:
    """Means by strategy over the features that all have, then the simulation of each feature."""
    by: dict[str, dict[tuple[str, int], RunRecord]] = defaultdict(dict)
    for record in records:
        by[strategy_of(record)][record.feature.model, record.feature.index] = record
    common = sorted(set.intersection(*(set(found) for found in by.values())))
    rows = [Row("features that every strategy has", len(common), "count")]
    for strategy, found in sorted(by.items()):
        chosen = [found[key] for key in common]
        for metric in METRICS:
            values = [value for record in chosen if (value := score(record, metric)) is not None]
            if values:
                rows.append(Row(f"{strategy}: {metric}, mean of {len(values)}", float(np.mean(values)), "score"))
        asked = [len(r.ledger.hypotheses) + len(r.ledger.experiments) for r in chosen if r.ledger is not None]
        if asked:
            rows.append(Row(f"{strategy}: hypotheses and experiments", float(np.mean(asked)), "mean"))
        rows.append(Row(f"{strategy}: forward passes", float(np.mean([r.cost.forward_passes for r in chosen])), "mean"))
    for model, feature in common:
        for strategy, found in sorted(by.items()):
            value = score(found[model, feature], "simulation")
            if value is not None:
                rows.append(Row(f"{Path(model).name} {feature}, {strategy}: simulation", value, "correlation"))
    return rows


def score(record: RunRecord, metric: str) -> float | None:
    """The value of one metric; None where it was not scored."""
    return next((s.value for s in record.scores if isinstance(s, Score) and s.name == metric), None)


if __name__ == "__main__":
    main()
