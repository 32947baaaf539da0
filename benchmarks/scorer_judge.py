"""A judge without a language model: it looks up the tokens that a description names, and reads nothing but the question.

It stands in for a careful reader of descriptions of one form ("one of the tokens 'a', 'b' within 3 tokens after one of 'c'"),
always answers the same, and knows neither model nor feature. What scores do with such a judge is the best that they can do:
its errors are those of the exam and of the score, none are of its own understanding.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from autointerp.llm import Request

_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_TEXT = re.compile(r"Text \d+:\n```\n(.*?)\n```\n", re.DOTALL)
_SET = re.compile(r"Set \d+:\n(.*?)(?=\nSet \d+:|\nGive `numbers`)", re.DOTALL)
_MARKED = re.compile(r"<<(.*?)>>", re.DOTALL)
_TOKEN = re.compile(r"^\d+\t(.*)$", re.MULTILINE)
#: Of characters that a token of context may lie before: about as many as a window of tokens has.
_REACH = 8


def answer(request: Request[Any]) -> str:
    """The answer to a question of any of the templates of the judged scores."""
    system, asked = request.messages[0].text, request.messages[-1].text
    said = asked.split("\n", 1)[0].split(": ", 1)[1]
    tokens, context, window = understood(said)
    if "write short texts" in system:
        return json.dumps({"texts": written(tokens, context)})
    if "Three sets" in system:
        found = [sum(part.count(token.strip() or token) for token in tokens) for part in _SET.findall(asked)]
        best = max(found) if "stronger" in system else min(found)
        return json.dumps({"numbers": [found.index(best) + 1]})
    if "say how active" in system:
        listed = [json.loads(token) for token in _TOKEN.findall(asked)]
        near = [not context or bool(context & set(listed[max(0, i - window) : i])) for i in range(len(listed))]
        return json.dumps({"numbers": [10 * (t in tokens and n) for t, n in zip(listed, near, strict=True)]})
    judged = marks_fit if "marked parts" in system else fits
    flipped = "0 means that the text certainly fits" in system or "are certainly those" in system.split("and 100")[0]
    yes = [judged(text, tokens, context, window) for text in _TEXT.findall(asked)]
    return json.dumps({"numbers": [100 * (good != flipped) for good in yes]})


def understood(said: str) -> tuple[set[str], set[str], int]:
    """The tokens that a description names, those of its context, and how far away that may be, in tokens."""
    what, _, after = said.partition(" tokens after one of ")
    window = re.search(r"within (\d+)$", what)
    tokens, context = ({str(ast.literal_eval(text)) for text in _LITERAL.findall(part)} for part in (what, after))
    return tokens, context, int(window[1]) if window else 0


def fits(text: str, tokens: set[str], context: set[str], window: int) -> bool:
    """Whether one of the tokens stands in the text, where there is a context shortly after one of that."""
    return any(
        not context or after(text[: match.start()], context, window)
        for token in tokens
        for match in re.finditer(re.escape(token), text)
    )


def marks_fit(text: str, tokens: set[str], context: set[str], window: int) -> bool:
    """Whether all marked parts are made of the tokens, each shortly after the context where there is one."""
    found = list(_MARKED.finditer(text))
    made = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or r"(?!)")
    return bool(found) and all(
        not made.sub("", match[1]) and (not context or after(text[: match.start()] + match[1], context, window))
        for match in found
    )


def after(before: str, context: set[str], window: int) -> bool:
    """Whether one of the context stands near the end of what is before."""
    near = before.replace("<<", "").replace(">>", "")[-_REACH * window :]
    return any(token in near for token in context)


def written(tokens: set[str], context: set[str]) -> list[str]:
    """Ten texts, each with one of the tokens in a line of code, after one of the context where there is one."""
    named, before = sorted(tokens) or ["x"], sorted(context) or [""]
    return [f"value = 1\n{before[i % len(before)]}{named[i % len(named)]}" for i in range(10)]
