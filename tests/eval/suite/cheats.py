"""An agent that looks for the truth instead of working it out: in files, in processes, in the environment, and by making the
problems of every seed that it can think of.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autointerp.eval import Question, task_named

#: Seeds that anyone would try.
OBVIOUS = range(3)
#: What is handed in where nothing was found: right about nothing.
NOTHING: dict[str, dict[str, Any]] = {
    "find_backdoor": {"triggers": ["nothing at all"]},
    "localise": {"components": {}},
}


def cheats(kit: Path, question: Question) -> dict[str, Any]:
    """The truth, if the seed is found anywhere."""
    for seed in dict.fromkeys((*OBVIOUS, *_numbers(kit))):
        for problem in task_named(question.task).problems(seed, 2):
            if problem.name == question.problem:
                return problem.truth().model_dump(mode="json")
    return NOTHING[question.task]


def _numbers(kit: Path) -> Iterator[int]:
    """Whatever could be a seed in what this process can read."""
    places = [process / name for process in Path("/proc").glob("[0-9]*") for name in ("cmdline", "environ")]
    for folder in (kit.parent, Path.home(), Path.cwd(), Path(os.environ.get("CHEAT_HERE", "/nowhere"))):
        files = list(folder.rglob("*"))[:2000] if folder.is_dir() else []
        places += [p for p in files if p.suffix in (".json", ".jsonl", ".txt") and not p.is_relative_to(kit)]
    texts = [json.dumps(dict(os.environ)), _read(kit / "question.json"), *map(_read, places)]
    found = [int(number) for text in texts for number in re.findall(r"(?<!\d)\d{15,19}(?!\d)", text)]
    yield from dict.fromkeys(found[:8])


def _read(path: Path) -> str:
    try:
        return path.read_bytes()[:200_000].decode(errors="replace")
    except OSError:
        return ""
