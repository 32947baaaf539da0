"""What the free scores cost: wall time for each feature, the share of it in forward passes, and their number.

    python -m benchmarks.scoring [--quick] [--json FILE] [--features 100] [--seed 0]

Simulation, substitution and intervention accuracy with their controls, on the bundled model. Explanations are made beforehand
and are not counted. The floor beside the shares is 80% of wall time in the model.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from autointerp.agents import RuleScientist
from autointerp.models import Subject
from autointerp.programs import Predictor
from autointerp.study import Exams, explain, grade_report, matched_feature, open_laboratory
from benchmarks._rows import Row, parser, publish

FEATURES, QUICK = 100, 3


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--features", type=int, default=FEATURES)
    options = flags.parse_args()
    laboratory = open_laboratory("pystdlib", "pystdlib-sae", "stdlib", seed=options.seed)
    count = QUICK if options.quick else options.features
    random = np.random.default_rng(options.seed)
    features = random.permutation(np.flatnonzero(laboratory.index.active > 100))[:count].tolist()
    scientist = RuleScientist()
    with Predictor() as predictor:
        reports = [explain(laboratory, laboratory.feature(feature), scientist, predictor) for feature in features]
    usage = laboratory.subject.usage
    passes, inside = usage.forward_passes, 0.0
    run = Subject.run

    def timed(self: Subject, *args: Any, **options: Any) -> Any:
        nonlocal inside
        began = time.perf_counter()
        try:
            return run(self, *args, **options)
        finally:
            inside += time.perf_counter() - began

    Subject.run = timed  # type: ignore[method-assign]
    began = time.perf_counter()
    try:
        exams = Exams(laboratory)
        for number, (bench, report) in enumerate(reports):
            other = reports[(number + 1) % len(reports)][1].explanation.predictor
            matched = matched_feature(laboratory, bench.feature.index)
            grade_report(laboratory, bench, report, matched, other, exams=exams)
    finally:
        Subject.run = run  # type: ignore[method-assign]
    whole = time.perf_counter() - began
    rows = [
        Row("features", len(reports), "count"),
        Row("wall time per feature", whole / len(reports), "s"),
        Row("forward passes per feature", (usage.forward_passes - passes) / len(reports), "count"),
        Row("share of wall time in forward passes", inside / whole, "share", target="> 0.8"),
    ]
    publish("Cost of the free scores", rows, options.json)


if __name__ == "__main__":
    main()
