"""Answers by chance, of a valid form: what everything has to beat."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from autointerp.eval._protocol import Question
from autointerp.eval._tables import constant_source, table_program


class RandomAnswers:
    """Looks at nothing but the question."""

    name = "random"
    summary = "answers by chance, from what the question lists"
    network = False
    answers = None

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent."""
        digest = hashlib.sha256(question.problem.encode()).digest()
        random = np.random.default_rng(list(digest[:8]))
        made = _BY_FIELD.items()
        wanted = question.answer.get("properties", {})
        answer: dict[str, Any] = {}
        for field, draw in made:
            if field in wanted:
                answer |= draw(random, question)
        if "program" in wanted:
            answer |= _feature(random, kit, question)
        return answer | {"confidence": round(float(random.random()), 2)}


def _feature(random: np.random.Generator, kit: Path, question: Question) -> dict[str, Any]:
    if random.random() < _NOTHING:
        return {"verdict": "nothing"}
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(kit / question.model))
    ids = random.choice(len(tokenizer), size=20, replace=False).tolist()
    drawn = [tokenizer.decode([i]) for i in ids]
    table = dict(zip(drawn[:10], random.uniform(1, 10, size=10).round(1).tolist(), strict=True))
    source = table_program(table)
    return {"program": source, "promotes": drawn[10:15], "suppresses": drawn[15:]}


def _edges(random: np.random.Generator, question: Question) -> dict[str, Any]:
    return {"edges": {edge: float(random.random()) for edge in question.given.get("edges", ())}}


def _roles(random: np.random.Generator, question: Question) -> dict[str, Any]:
    roles, names = question.given.get("roles", ()), question.given.get("components", ())
    return {"roles": {name: str(random.choice(roles)) for name in names}} if roles else {}


def _variables(random: np.random.Generator, question: Question) -> dict[str, Any]:
    names, components = question.given.get("variables", ()), question.given.get("components", ())
    return {"variables": {name: str(random.choice(components)) for name in names}} if components else {}


def _components(random: np.random.Generator, question: Question) -> dict[str, Any]:
    return {"components": {name: float(random.random()) for name in question.given.get("components", ())}}


def _triggers(random: np.random.Generator, question: Question) -> dict[str, Any]:
    words = question.given.get("words", ())
    if not len(words) or random.random() < _NOTHING:
        return {"triggers": []}
    return {"triggers": [" ".join(map(str, random.choice(words, size=int(random.integers(1, 4))))) for _ in range(5)]}


def _outputs(random: np.random.Generator, question: Question) -> dict[str, Any]:
    words = question.given.get("outputs") or question.given.get("words") or ["?"]
    inputs = question.given.get("inputs", ())
    return {"outputs": [[str(random.choice(words)) for _ in str(text).split()] for text in inputs]}


def _source(random: np.random.Generator, question: Question) -> dict[str, Any]:
    return {"source": constant_source(question.given.get("outputs") or ["?"], int(random.integers(2**31)))}


def _edits(random: np.random.Generator, question: Question) -> dict[str, Any]:
    names = question.given.get("components", ())
    return {"edits": [{"component": str(random.choice(names))}]} if names else {}


_NOTHING = 0.5
_BY_FIELD = {
    "edges": _edges,
    "roles": _roles,
    "variables": _variables,
    "components": _components,
    "triggers": _triggers,
    "outputs": _outputs,
    "source": _source,
    "edits": _edits,
}
