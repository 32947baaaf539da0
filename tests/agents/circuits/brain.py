"""A scientist of circuits written by hand, for scripts: every first answer has a mistake in it."""

from __future__ import annotations

import json
import re
from typing import Any

from autointerp.llm import Request
from tests.agents.circuits.known import PREVIOUS

BEFORE = """\
def attended(tokens):
    return [i - 1 if i else None for i in range(len(tokens))]
"""
LATER = """\
def attended(tokens):
    return [i + 1 for i in range(len(tokens))]
"""


def scripted(request: Request[Any]) -> str:
    """For `ScriptedLLM`."""
    return answer(request.messages[0].text, request.messages[1].text, mended=len(request.messages) > 2)


def answer(told: str, question: str, *, mended: bool) -> str:
    """What it says to a question under that system prompt; `mended` where it was told of its mistake."""
    if "You say what a circuit in a transformer computes" in told:
        return programs(mended)
    components = re.findall(r"^- (\S+) \((\w+), layer", question, re.MULTILINE)
    if "Hypotheses about some components were refuted" in told:
        return json.dumps({"roles": [role(name, "answer writer") for name, kind in components if kind == "mlp"]})
    made = []
    for name, kind in components:
        if kind == "head":
            made += [
                role(
                    name, "the one before", BEFORE if mended else LATER, bets=[{"test": "signature", "at_least": 0.9}]
                ),
                role(name, "duplicate token"),
            ]
        else:
            made.append(role(name, "token lookup"))
    made.append(role("a9.h9", "induction"))
    made.append(role("m0", "induction"))
    return json.dumps({"roles": made})


def role(component: str, name: str, program: str = "", **more: Any) -> dict[str, Any]:
    return {
        "component": component,
        "role": name,
        "says": f"it is {name}",
        "program": program,
        "bets": [],
        "confidence": 0.6,
        "because": "it looks so",
        **more,
    }


def programs(mended: bool) -> str:
    variables = [{"name": "before", "last": True, "roles": ["the one before", "no such role"]}]
    first = PREVIOUS if mended else PREVIOUS.replace("tokens[-2]", "tokens[-1]")
    made = [
        {"source": f"```python\n{first}```", "says": "it repeats the token before"},
        {"source": PREVIOUS.replace("tokens[-2]", "tokens[0]"), "says": "it repeats the first token"},
    ]
    return json.dumps({"programs": [{**one, "variables": variables, "confidence": 0.5, "because": ""} for one in made]})
