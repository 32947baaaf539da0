"""How good the offline explanations are: 200 random live features of the bundled dictionary, graded on the test split.

    python benchmarks/explain_quality.py [--quick] [--json FILE] [--features 200] [--seed 0]

Simulation is the pooled correlation of predicted and true activations; its rivals are a look-up of the mean activation of
every token and one of the ten strongest tokens, both fitted on train. Substitution is the share of ablation's damage that the
program undoes. Intervention accuracy is the share of claims that held on fresh prompts. Every control is of the same run: the
program of another feature, and a random feature of about the same density. What could not be scored is counted, never averaged.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from autointerp.agents import Report, RuleScientist
from autointerp.programs import Predictor
from autointerp.records import Score
from autointerp.scoring import Graded
from autointerp.study import Laboratory, explain, grade_report, matched_feature, open_laboratory
from autointerp.tools import Workbench
from benchmarks._rows import Row, parser, publish

FEATURES, QUICK = 200, 6


def run(laboratory: Laboratory, features: list[int]) -> list[tuple[Report, list[Graded]]]:
    """Explain all of them, then grade each beside the next one's program as its shuffled explanation."""
    scientist = RuleScientist()
    reports: list[tuple[Workbench, Report]] = []
    with Predictor() as predictor:
        for feature in features:
            reports.append(explain(laboratory, laboratory.feature(feature), scientist, predictor))
            _say(f"explained {len(reports)} of {len(features)}")
    results = []
    for i, (bench, report) in enumerate(reports):
        other = reports[(i + 1) % len(reports)][1].explanation.predictor
        matched = matched_feature(laboratory, bench.feature.index)
        results.append((report, grade_report(laboratory, bench, report, matched, other)))
        _say(f"graded {len(results)} of {len(features)}")
    return results


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}   ", end="", file=sys.stderr, flush=True)


def scores_named(results: list[tuple[Report, list[Graded]]], name: str) -> list[Score]:
    """The scores of one metric that could be computed."""
    return [g.result for _, graded in results for g in graded if isinstance(g.result, Score) and g.result.name == name]


def rows_of(results: list[tuple[Report, list[Graded]]], seconds: float) -> list[Row]:
    """Means and medians beside controls and baselines."""
    rows = [Row("features", len(results), "count"), Row("seconds per feature", seconds / len(results), "s")]
    targets = {"substitution": "> 0.5"}
    for name in ("simulation", "substitution", "intervention_accuracy"):
        scores = scores_named(results, name)
        rows.append(Row(f"{name}: scored", len(scores), "count"))
        if not scores:
            continue
        values = np.array([s.value for s in scores])
        target = targets.get(name)
        rows.append(Row(f"{name}: mean", float(values.mean()), "score", target=target))
        rows.append(Row(f"{name}: median", float(np.median(values)), "score"))
        for control in sorted(scores[0].control):
            others = np.array([s.control[control] for s in scores if control in s.control])
            rows.append(Row(f"{name}: mean of {control}", float(others.mean()), "score"))
            gap = _gap_target(name, control)
            if gap is not None:
                rows.append(Row(f"{name}: above {control}", float(values.mean() - others.mean()), "score", target=gap))
    lines = [r.explanation.predictor.lines for r, _ in results if r.explanation.predictor is not None]
    if lines:
        rows.append(Row("program lines: median", float(np.median(lines)), "lines", target="<= 20"))
    return rows


def _gap_target(name: str, control: str) -> str | None:
    aims = {
        ("simulation", "top_10_tokens"): ">= 0.20",
        ("simulation", "token_table"): ">= 0.12",
        ("intervention_accuracy", "matched_random_feature"): ">= 0.25",
    }
    return aims.get((name, control))


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--features", type=int, default=None, help=f"how many, default {FEATURES}")
    flags.add_argument("--records", type=Path, help="write one line of JSON per feature here")
    options = flags.parse_args()
    laboratory = open_laboratory("pystdlib", "pystdlib-sae", "stdlib", seed=options.seed)
    live = np.flatnonzero(laboratory.index.active > 0)
    count = options.features or (QUICK if options.quick else FEATURES)
    chosen = np.random.default_rng(options.seed).choice(live, min(count, len(live)), replace=False)
    began = time.monotonic()
    results = run(laboratory, [int(f) for f in chosen])
    rows = rows_of(results, time.monotonic() - began)
    verdicts = Counter(str(report.explanation.verdict) for report, _ in results)
    rows += [Row(f"verdict {name}", n, "count") for name, n in sorted(verdicts.items())]
    publish("Offline explanations of the bundled dictionary", rows, options.json)
    if options.records is not None:
        with options.records.open("w") as stream:
            for feature, (report, graded) in zip(chosen, results, strict=True):
                scores = [g.result.model_dump() for g in graded]
                row = {"feature": int(feature), "explanation": report.explanation.model_dump(), "scores": scores}
                stream.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
