"""The agent's process: `python -m autointerp.eval.agents AGENT KIT OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from autointerp.eval._protocol import QUESTION, Question
from autointerp.eval.agents import Handed, agent_named

_ARGUMENTS = 4


def main() -> None:
    """Read the question, let the agent answer, write what it hands in."""
    if len(sys.argv) != _ARGUMENTS:
        raise SystemExit("python -m autointerp.eval.agents AGENT KIT OUT")
    name, kit, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    question = Question.model_validate_json((kit / QUESTION).read_text(encoding="utf-8"))
    answer = dict(agent_named(name).answer(kit, question))
    # What an agent used goes beside its answer, where it says so.
    used = {key: answer.pop(key) for key in ("forward_passes", "dollars") if key in answer}
    out.write_text(Handed(answer=answer, **used).model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
