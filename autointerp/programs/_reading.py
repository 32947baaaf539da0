"""What surrounds a token: the predicates of the field, from token strings alone and from left to right.

Nothing here looks ahead, since a causal model cannot either. The lexical state (brackets, strings, comments) follows
Python's rules, starts as plain code at the beginning of the text, and is the state *after* the token.
"""

from __future__ import annotations

import keyword
import re
from functools import lru_cache
from typing import Any

KEYWORDS = frozenset(keyword.kwlist) | {"match", "case", "self", "cls"}

#: Every field of a reading and what it says. The names are those of the dictionaries that `read` returns.
FIELDS: dict[str, str] = {
    "text": "the token itself",
    "prev": "the token before it ('' at the start)",
    "prev2": "the token two before it",
    "prev3": "the token three before it",
    "pair": "the token before it and the token, as one text",
    "shape": "the token with letters as X or x, digits as 0, and repetitions dropped",
    "before": "up to eight tokens before it, the nearest first",
    "piece": "which piece of a word the token is: 1, or one more than the piece whose letters it goes on with",
    "word": "the identifier or number that ends with this token, as far as it is written",
    "left": "the last identifier that was complete before `word`",
    "kind": "space, newline, number, keyword, name, open, close, quote, dot, comma, operator or other",
    "prev_kind": "the kind of the token before it",
    "line": "the text of the line up to and with this token",
    "first": "the first word or sign on the line",
    "above": "the first word or sign on the line before that is not empty",
    "indent": "spaces before the first word of the line",
    "column": "tokens since the line began",
    "position": "tokens since the text began",
    "depth": "open brackets",
    "opener": "the innermost open bracket: (, [, { or ''",
    "callee": "the identifier before the innermost open bracket",
    "quote": "the quotation mark of the string that is open, or ''",
    "comment": "whether a comment is open",
    "prose": "'docstring' inside triple quotes, 'string' inside other quotes, 'comment' in a comment, else 'code'",
    "seen": "how often the same token occurred before",
    "since": "tokens since it last occurred, 0 if never",
    "follow": "the token that followed its last occurrence, '' if there was none",
}

#: Signs that change the state stand alone: a token may end between any two of them, so none is read together with the next.
_LEXEMES = re.compile(r"""["'#\n()\[\]{}\\]|\w+|[^"'#\n()\[\]{}\\\w]+""")
_CLOSES = {")": "(", "]": "[", "}": "{"}
_IDENTIFIER = re.compile(r"\w+")
_FIRST = re.compile(r"\s*(\w+|[^\w\s]+)")
_WORD_LENGTH = 80
_CAPITALS, _SMALL, _DIGITS = re.compile(r"[A-Z]"), re.compile(r"[^\W\d_X]"), re.compile(r"\d")
_RUNS = re.compile(r"(.)\1+", re.DOTALL)


class _Lexer:
    """Bracket and string state, fed with token strings one after the other: where the tokens end makes no difference."""

    def __init__(self) -> None:
        self.quote = ""
        self.comment = False
        self.brackets: list[tuple[str, str]] = []
        self._name = ""
        self._name_open = False
        self._escaped = False
        self._marks = 0
        self._bare = False
        self._empty = ""

    def feed(self, text: str) -> None:
        for lexeme in _LEXEMES.findall(text):
            if self.quote:
                self._in_string(lexeme)
            elif self.comment:
                self.comment = lexeme != "\n"
            else:
                self._in_code(lexeme)

    def _in_string(self, lexeme: str) -> None:
        bare, self._bare = self._bare, False
        if lexeme == self.quote[0] and not self._escaped:
            self._marks += 1
            if self._marks == len(self.quote):
                # Two marks in a row may be an empty string, or two thirds of what opens a longer one.
                self._empty = self.quote if bare else ""
                self.quote = ""
            return
        self._marks = 0
        if lexeme == "\n" and len(self.quote) == 1 and not self._escaped:
            self.quote = ""
        self._escaped = lexeme == "\\" and not self._escaped

    def _in_code(self, lexeme: str) -> None:
        empty, self._empty = self._empty, ""
        if lexeme in ('"', "'"):
            self.quote = lexeme * 3 if lexeme == empty else lexeme
            self._marks, self._bare, self._escaped = 0, lexeme != empty, False
        elif lexeme == "#":
            self.comment = True
        elif lexeme in ("(", "[", "{"):
            self.brackets.append((lexeme, self._name))
        elif self.brackets and self.brackets[-1][0] == _CLOSES.get(lexeme):
            self.brackets.pop()
        if is_word := lexeme[0].isalnum() or lexeme[0] == "_":
            self._name = self._name + lexeme if self._name_open else lexeme
        elif not lexeme.isspace():
            self._name = ""
        self._name_open = is_word


def _kind(text: str, word: str) -> str:
    """The class of a token, decided by its first sign that is not a space."""
    bare = text.strip(" \t")
    if not bare:
        return "space"
    head = bare[0]
    if head == "\n":
        return "newline"
    if head.isdigit():
        return "number"
    if head.isalpha() or head == "_":
        return "keyword" if word in KEYWORDS else "name"
    simple = {"(": "open", "[": "open", "{": "open", ")": "close", "]": "close", "}": "close"}
    simple |= {'"': "quote", "'": "quote", ".": "dot", ",": "comma"}
    if head in simple:
        return simple[head]
    return "operator" if head in "+-*/%=<>!&|^~@:;" else "other"


def _prose(lexer: _Lexer) -> str:
    if lexer.quote:
        return "docstring" if len(lexer.quote) == 3 else "string"
    return "comment" if lexer.comment else "code"


@lru_cache(maxsize=65536)
def shape(text: str) -> str:
    """Capital letters as X, small ones as x, digits as 0, line breaks and other signs as they are, each run once."""
    return _RUNS.sub(r"\1", _DIGITS.sub("0", _SMALL.sub("x", _CAPITALS.sub("X", text))))


def read(tokens: list[str]) -> list[dict[str, Any]]:
    """One dictionary of `FIELDS` for every token of a text."""
    lexer = _Lexer()
    last: dict[str, int] = {}
    counts: dict[str, int] = {}
    line, line_start, above = "", 0, ""
    left, word, previous_kind, piece = "", "", "", 1
    rows: list[dict[str, Any]] = []
    for i, text in enumerate(tokens):
        lexer.feed(text)
        *finished, line = (line + text).split("\n")
        for whole in finished:
            done = _FIRST.match(whole)
            above = done.group(1) if done else above
        if finished:
            line_start = i
        names = _IDENTIFIER.findall(word + text)
        ends_in_word = bool(names) and (word + text).endswith(names[-1])
        word = names.pop()[-_WORD_LENGTH:] if ends_in_word else ""
        left = names[-1] if names else left
        first = _FIRST.match(line)
        piece = piece + 1 if text[:1].isalpha() and i and tokens[i - 1][-1:].isalpha() else 1
        previous = last.get(text)
        seen = counts.get(text, 0)
        rows.append(
            {
                "text": text,
                "prev": tokens[i - 1] if i else "",
                "prev2": tokens[i - 2] if i > 1 else "",
                "prev3": tokens[i - 3] if i > 2 else "",
                "pair": (tokens[i - 1] if i else "") + text,
                "shape": shape(text),
                "before": tokens[max(0, i - 8) : i][::-1],
                "piece": piece,
                "word": word,
                "left": left,
                "kind": (kind := _kind(text, word)),
                "prev_kind": previous_kind,
                "line": line,
                "first": first.group(1) if first else "",
                "above": above,
                "indent": len(line) - len(line.lstrip(" ")),
                "column": i - line_start,
                "position": i,
                "depth": len(lexer.brackets),
                "opener": lexer.brackets[-1][0] if lexer.brackets else "",
                "callee": lexer.brackets[-1][1] if lexer.brackets else "",
                "quote": lexer.quote,
                "comment": lexer.comment,
                "prose": _prose(lexer),
                "seen": seen,
                "since": i - previous if previous is not None else 0,
                "follow": tokens[previous + 1] if previous is not None else "",
            }
        )
        previous_kind = kind
        last[text] = i
        counts[text] = seen + 1
    return rows
