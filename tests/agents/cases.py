"""Cases on the tiny model's known features."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autointerp.agents import Case, Limits, LLMScientist, Meter, Notebook, RuleScientist
from autointerp.agents._investigate import Investigate
from autointerp.agents._protocol import Report
from autointerp.llm import LLM
from autointerp.models import Worker
from autointerp.programs import Predictor
from autointerp.study import Laboratory
from autointerp.study._bench import open_bench


@contextmanager
def opened(
    laboratory: Laboratory,
    feature: int,
    *,
    llm: LLM | None = None,
    budget: str = "",
    folder: Path | None = None,
    **more: Any,
) -> Iterator[Case]:
    """A case, with its notebook and checkpoints in `folder` if there is one."""
    with Predictor() as predictor, Worker(laboratory.subject):
        bench, gate = open_bench(laboratory, laboratory.feature(feature), predictor)
        notebook = Notebook(folder / "notebook.sqlite" if folder else None)
        yield Case(
            bench,
            gate,
            predictor,
            scientist=RuleScientist() if llm is None else LLMScientist(llm),
            notebook=notebook,
            meter=Meter(notebook, Limits.parse(budget)),
            llm=llm,
            checkpoints=str(folder / "checkpoints.sqlite") if folder else None,
            **more,
        )
        notebook.close()


def investigated(laboratory: Laboratory, feature: int, **options: Any) -> Report:
    with opened(laboratory, feature, **options) as case:
        return asyncio.run(Investigate().run(case))
