"""Labelling the bundled dictionary offline: how long it takes, how much memory, and what comes out.

    python benchmarks/labels.py [--quick] [--json FILE] [--out FOLDER] [--features 0:2048]

Runs `autointerp label` in a process of its own with two workers, and measures it and its workers: wall time, CPU time,
and the sum of their resident memory, in the last quarter of the run against the second. With --out a run that was interrupted
goes on, and the time is that of the last part alone: the row `resumed` says how many labels it found there.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from autointerp.labelling import LabelStore, Summary, summarise
from benchmarks._rows import Row, parser, publish

QUICK, WHOLE = "0:8", "0:2048"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_EVERY = 2.0


def resident(root: int) -> float:
    """Megabytes of a process and of all below it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(stat[1]), []).append(int(folder.name))
    found, total = [root], 0.0
    for process in found:
        found += parents.get(process, [])
        try:
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE / 1e6
        except OSError:
            continue
    return total


def run(features: str, out: Path) -> tuple[float, float, list[float]]:
    """Label; seconds by the clock, seconds of CPU, and the memory every two seconds."""
    command = [sys.executable, "-m", "autointerp", "label", "--features", features, "--out", str(out)]
    before, began, memory = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), []
    with subprocess.Popen([*command, "--workers", "2", "--no-pages", "--quiet"], stdout=subprocess.DEVNULL) as process:
        while True:
            try:
                code = process.wait(_EVERY)
                break
            except subprocess.TimeoutExpired:
                memory.append(resident(process.pid))
    if code:
        raise SystemExit(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu, memory


def rows(summary: Summary, resumed: int, seconds: float, cpu: float, memory: list[float], whole: bool) -> list[Row]:
    made = max(1, summary.features - resumed)
    quarter = max(1, len(memory) // 4)
    early, late = max(memory[quarter : 2 * quarter] or memory), max(memory[-quarter:])
    found = [
        Row("labelled", summary.features, "features"),
        Row("resumed", resumed, "features"),
        Row("wall", seconds / 60, "minutes", target="<= 30" if whole and not resumed else None),
        Row("cpu", cpu / made, "s a feature"),
        Row("memory, last quarter over second", late / early, "ratio", target="<= 1.1" if whole else None),
        Row("memory, largest", max(memory), "MB"),
        Row("explained", summary.share_explained, "share"),
        Row("above every control", summary.beating / max(1, summary.scored), "share of scored"),
        Row("failed", summary.failed, "features", target="<= 0"),
        Row("forward passes", summary.forward_passes, "passes"),
    ]
    if summary.mean is not None:
        found.append(Row("held-out simulation, mean", summary.mean, "correlation"))
    found += [Row(f"held-out simulation, {100 * q:.0f}%", v, "quantile") for q, v in summary.quantiles.items()]
    found += [Row(f"verdict {name}", count, "features") for name, count in summary.verdicts.items()]
    return found


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--features", help=f"which features, {WHOLE} by default")
    made.add_argument("--out", type=Path, help="keep the labels here, and go on with those that are here")
    asked = made.parse_args()
    features = asked.features or (QUICK if asked.quick else WHOLE)
    with tempfile.TemporaryDirectory() as temporary:
        out = asked.out or Path(temporary)
        resumed = 0
        if (out / "labels.sqlite").is_file():
            with LabelStore(out) as store:
                resumed = len(store)
        seconds, cpu, memory = run(features, out)
        with LabelStore(out) as store:
            summary = summarise(store.labels())
    publish(
        f"Labels of features {features}", rows(summary, resumed, seconds, cpu, memory, features == WHOLE), asked.json
    )


if __name__ == "__main__":
    main()
