"""A scientist written by hand, for servers and scripts: it answers every template by rules, the same way every time."""

from __future__ import annotations

import json
import re
from typing import Any

from autointerp.llm import Request


def answer(told: str, question: str) -> str:
    """What it says to a question under that system prompt."""
    if "You are a critic" in told:
        return texts(question, "critic")
    if "You design experiments" in told:
        return texts(question, "design")
    if "You improve hypotheses" in told:
        return refined(question)
    if "`kind` is `input` where you can say" in question:
        return json.dumps(hypothesis("input", *best(question)))
    return proposed(question)


def scripted(request: Request[Any]) -> str:
    """For `ScriptedLLM`."""
    first = next(m.text for m in request.messages if m.role == "system")
    return answer(first, request.messages[1].text)


def best(question: str, rank: int = 0) -> tuple[str, float]:
    """A token that carries much of the activation, and its mean, as the table of the prompt says."""
    rows = re.findall(r"^- ('(?:[^'\\]|\\.)*'|\"[^\"]*\"): active on .* mean ([-\d.e+]+) over", question, re.MULTILINE)
    token, mean = rows[min(rank, len(rows) - 1)]
    return eval_literal(token), float(mean)


def eval_literal(text: str) -> str:
    import ast

    return str(ast.literal_eval(text))


def hypothesis(kind: str, token: str, value: float, **more: Any) -> dict[str, Any]:
    program = f"def predict(tokens):\n    return [{value} if t == {token!r} else 0.0 for t in tokens]\n"
    return {
        "kind": kind,
        "fires_on": f"on the token {token!r}",
        "promotes": "",
        "program": "" if kind == "null" else program,
        "clauses": [],
        "claims": [],
        "confidence": 0.7,
        "revises": "",
        "because": "it carries most of the activation",
        **more,
    }


def proposed(question: str) -> str:
    first, value = best(question)
    second, other = best(question, 1)
    wide = "def predict(tokens):\n    return [1.0 if t.strip().isalpha() else 0.0 for t in tokens]\n"
    made = [
        hypothesis("input", first, max(value, 0.5)),
        hypothesis("input", second, max(other, 0.5)),
        hypothesis("input", first, 1.0, program=wide, fires_on="on any word"),
        hypothesis("null", "", 0.0, fires_on="nothing in particular"),
    ]
    return json.dumps({"hypotheses": made})


def refined(question: str) -> str:
    token, value = best(question)
    number = len(re.findall(r"^- .* of: ", question, re.MULTILINE))
    better = hypothesis("input", token, round(max(value, 0.5) + 0.01 * (number % 7), 3), confidence=0.8)
    return json.dumps({"hypotheses": [better]})


def texts(question: str, why: str) -> str:
    rows = re.findall(r"^\d+\. (.*)$", question, re.MULTILINE)[:6]
    made = []
    for row in rows:
        plain = re.sub(r"«(.*?)=[-\d.e+]+»", r"\1", row).strip("…").replace("\\n", "\n")
        made.append({"text": plain or "x", "measured": "strongest", "why": why})
        made.append({"text": (plain or "x")[: max(1, len(plain) // 2)], "measured": "last", "why": why})
    return json.dumps({"texts": made})
