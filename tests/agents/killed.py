"""Investigations in processes of their own, which may be killed at any moment: a server that forks one for every line it reads.

    python -m tests.agents.killed FOLDER

The model, the index and the libraries are loaded once, before the processes are forked, which makes their start quick.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import openai  # noqa: F401
import torch
from langgraph.checkpoint.sqlite import aio  # noqa: F401

from autointerp._plugins import load_one
from autointerp.agents import Notebook, _graph, _llm_scientist, _react_tools  # noqa: F401
from autointerp.llm import open_llms
from autointerp.models import Subject, Worker
from autointerp.programs import Predictor
from autointerp.study import Inquiry, Laboratory, RunFolder
from autointerp.study._bench import open_bench
from autointerp.study._investigate import STRATEGIES, case_of
from autointerp.testing import tiny_model
from tests.llm.running import HASTY
from tests.scoring.known import SINGLE, known_laboratory

RUN = "run"


def work(laboratory: Laboratory, address: str, folder: Path, crash_at: int) -> None:
    """Investigate, or go on with it; kill this process at the event of that number, if it comes to it."""
    heard = 0

    def listener(kind: str, text: str) -> None:
        nonlocal heard
        heard += 1
        if heard == crash_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run() -> None:
        found = RunFolder.find(folder)
        strategy = load_one(STRATEGIES, found.settings.strategy)()
        with found.held(), Predictor() as predictor, Worker(laboratory.subject):
            async with open_llms({"scientist": address}, cache=folder / "llm.sqlite", run=RUN, patience=HASTY) as llms:
                bench, gate = open_bench(laboratory, laboratory.feature(SINGLE), predictor)
                inquiry = Inquiry(found.settings.strategy, llms=llms, folder=found, tell=listener)
                case = case_of(inquiry, bench, gate, predictor, Notebook(found.notebook))
                report = await strategy.run(case)
        (folder / "explanation.json").write_text(report.explanation.model_dump_json())
        (folder / "ledger.json").write_text(report.ledger.model_dump_json())
        (folder / "events").write_text(str(heard))

    asyncio.run(run())


def main() -> None:
    torch.set_num_threads(1)
    home = Path(sys.argv[1])
    laboratory = known_laboratory(Subject.load(str(tiny_model(home / "model"))), home / "known")
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                work(laboratory, asked["address"], Path(asked["folder"]), asked["crash_at"])
            except BaseException:  # noqa: BLE001
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if asked["seconds"]:
            signal.signal(signal.SIGALRM, lambda *_, pid=child: os.kill(pid, signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
        _, status = os.waitpid(child, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
