"""Is the evaluation suite valid, and how do the agents do that are free?

    python -m benchmarks.evaluation [--quick] [--json FILE] [--seed 0] [--results FOLDER]

For every task the problems of two seeds: the exact truth has to be graded at least 0.99, and answers by chance no better
than the task says that chance is, give or take 0.05. Then, with --results, the figures of a folder that `autointerp eval run`
has written: success by task, false discoveries, calibration.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from autointerp.eval import Result, ResultStore, Task, figures_of, tasks
from benchmarks._rows import Row, parser, publish

GUESSES = 12
#: Problems of each task and seed, and of those tasks whose problems share an organism that takes a while to make.
PROBLEMS, SHARED = 4, 12
QUICK = ("find_backdoor", "localise")


def validity(task: Task, seeds: Iterable[int], count: int) -> Iterator[Row]:
    """How the truth and chance are graded."""
    problems = [problem for seed in seeds for problem in task.problems(seed, count)]
    exact = [problem.grade(problem.truth()).score for problem in problems]
    by_chance = [problem.grade(problem.guess(number)).score for problem in problems for number in range(GUESSES)]
    yield Row(f"{task.name}: the truth, lowest of {len(problems)}", min(exact), "score", target=">= 0.99")
    yield Row(
        f"{task.name}: by chance, mean of {len(by_chance)}",
        float(np.mean(by_chance)),
        "score",
        baseline=task.chance,
        target=f"<= {task.chance + 0.05:.2f}",
    )


def success(results: list[Result]) -> Iterator[Row]:
    """What agents got right, by task; what they claimed about nothing; and whether they know how sure to be."""
    for agent, figures in figures_of(results).items():
        for name, one in figures["tasks"].items():
            yield Row(f"{agent}, {name}: success of {one['n']}", one["success"], "share")
            if one["false_discoveries"] is not None:
                found = f"{agent}, {name}: false discoveries of {one['nulls']}"
                target = "<= 0.05" if agent == "offline" else None
                yield Row(found, one["false_discoveries"], "share", target=target)
            if one["brier"] is not None:
                yield Row(f"{agent}, {name}: Brier score", one["brier"], "score", baseline=0.25)


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--results", type=Path, help="a folder of `autointerp eval run --out`")
    options = flags.parse_args()
    rows: list[Row] = []
    seeds = (options.seed,) if options.quick else (options.seed, options.seed + 1)
    for name, task in tasks().items():
        if options.quick and name not in QUICK:
            continue
        count = 2 if options.quick else SHARED if name in ("abstain", "explain_feature") else PROBLEMS
        rows += validity(task, seeds, count)
    if options.results:
        rows += success(ResultStore(options.results / "results.jsonl").results())
    publish("The evaluation suite", rows, options.json)


if __name__ == "__main__":
    main()
