"""What `read` says of a text, against known answers and against Python's own tokenizer."""

from __future__ import annotations

import argparse
import inspect
import io
import json
import keyword
import textwrap
import tokenize
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autointerp.programs import FIELDS, KEYWORDS, read

SNIPPET = ["def", " area", "(", "self", ",", " w", "=", "3", "):", "\n    ", "return", " self", ".", "w", " #", " ok"]


def at(tokens: list[str], place: int, *fields: str) -> tuple[Any, ...]:
    row = read(tokens)[place]
    return tuple(row[field] for field in fields)


def test_a_reading_has_the_fields_that_are_listed() -> None:
    rows = read(SNIPPET)
    assert len(rows) == len(SNIPPET)
    assert all(list(row) == list(FIELDS) for row in rows)
    assert read([]) == []


def test_pieces_of_words_are_counted_from_letter_to_letter() -> None:
    tokens = [" un", "believ", "ably", " so", "9", "k", "x", ".", "y", "\n", "z", "é", "_", "a"]
    assert [row["piece"] for row in read(tokens)] == [1, 2, 3, 1, 1, 1, 2, 1, 1, 1, 1, 2, 1, 1]


def test_keywords() -> None:
    assert set(keyword.kwlist) < KEYWORDS


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("text", SNIPPET),
        ("prev", ["", *SNIPPET[:-1]]),
        ("prev2", ["", "", *SNIPPET[:-2]]),
        ("prev3", ["", "", "", *SNIPPET[:-3]]),
        (
            "kind",
            [
                "keyword",
                "name",
                "open",
                "keyword",
                "comma",
                "name",
                "operator",
                "number",
                "close",
                "newline",
                "keyword",
                "keyword",
                "dot",
                "name",
                "other",
                "name",
            ],
        ),
        ("word", ["def", "area", "", "self", "", "w", "", "3", "", "", "return", "self", "", "w", "", "ok"]),
        (
            "left",
            ["", "def", "area", "area", "self", "self", "w", "w", "3", "3", "3", "return", "self", "self", "w", "w"],
        ),
        ("first", ["def"] * 9 + [""] + ["return"] * 6),
        ("above", [""] * 9 + ["def"] * 7),
        ("indent", [0] * 9 + [4] * 7),
        ("column", [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6]),
        ("position", list(range(16))),
        ("depth", [0, 0, 1, 1, 1, 1, 1, 1] + [0] * 8),
        ("opener", ["", "", "(", "(", "(", "(", "(", "("] + [""] * 8),
        ("callee", ["", ""] + ["area"] * 6 + [""] * 8),
        ("comment", [False] * 14 + [True] * 2),
        ("prose", ["code"] * 14 + ["comment"] * 2),
        ("seen", [0] * 16),
        ("since", [0] * 16),
        ("follow", [""] * 16),
    ],
)
def test_known_answers(field: str, values: list[Any]) -> None:
    assert [row[field] for row in read(SNIPPET)] == values


def test_line_and_before() -> None:
    assert at(SNIPPET, 8, "line") == ("def area(self, w=3):",)
    assert at(SNIPPET, 11, "line", "before") == (
        "    return self",
        ["return", "\n    ", "):", "3", "=", " w", ",", "self"],
    )


def test_repetitions() -> None:
    tokens = ["a", "b", "a", "c", "a", "a"]
    assert [(r["seen"], r["since"], r["follow"]) for r in read(tokens)] == [
        (0, 0, ""),
        (0, 0, ""),
        (1, 2, "b"),
        (0, 0, ""),
        (2, 2, "c"),
        (3, 1, "a"),
    ]


@pytest.mark.parametrize(
    ("tokens", "fields", "values"),
    [
        # words in pieces
        (["for", "_", "each", "("], ("word", "left", "callee"), ("", "for_each", "for_each")),
        (["for", "_", "each"], ("word", "left"), ("for_each", "")),
        (["se", "lf.", "x"], ("word", "left"), ("x", "self")),
        (["self."], ("word", "left"), ("", "self")),
        (["a", " b.c", "d"], ("word", "left"), ("cd", "b")),
        (["de", "f"], ("kind", "word"), ("keyword", "def")),
        # a word that begins like the one before it
        (["def", " default"], ("word", "left"), ("default", "def")),
        (["in", " in"], ("word", "left"), ("in", "in")),
        (["def", "\n", "fail"], ("word", "left"), ("fail", "def")),
        # lines
        (["a = 1\n", "\n", "  b", "\n\n  "], ("line", "first", "above", "indent"), ("  ", "", "b", 2)),
        (["a\nb\nc"], ("line", "first", "above", "column"), ("c", "c", "b", 0)),
        (["x", "\n)", "\n"], ("above", "first"), (")", "")),
        # brackets
        (["f", "([{", "}"], ("depth", "opener", "callee"), (2, "[", "")),
        (["f (", "g ["], ("depth", "opener", "callee"), (2, "[", "g")),
        (["("] * 3 + [")]"], ("depth", "opener"), (2, "(")),
        ([")", "]"], ("depth", "opener"), (0, "")),
        (["'('", "# (", "\n", "("], ("depth",), (1,)),
        # strings
        (["x = 'a"], ("quote", "prose"), ("'", "string")),
        (["x = 'a", "\n"], ("quote", "prose"), ("", "code")),
        (["'it", "\\", "'", "s"], ("quote",), ("'",)),
        (["'it", "\\", "\\", "'", "s"], ("quote",), ("",)),
        (["'a", "\\", "\n", "b"], ("quote",), ("'",)),
        (['"""', "a\n", '"', '"', " b"], ("quote", "prose"), ('"""', "docstring")),
        (['""', '"a', '"'], ("quote",), ('"""',)),
        (['""', '"a', '""', '"'], ("quote",), ("",)),
        (['""', ' "a'], ("quote",), ('"',)),
        (["''", '"a'], ("quote",), ('"',)),
        (["''''''"], ("quote",), ("",)),
        (["'a", "'", "'", "b"], ("quote",), ("'",)),
        (["'\"'", " #'"], ("quote", "comment"), ("", True)),
        (["'#'"], ("comment",), (False,)),
        (["# it's \\", "\n", "x"], ("quote", "comment", "prose"), ("", False, "code")),
        (["r'\\", "'", "a"], ("quote",), ("'",)),
    ],
)
def test_known_answers_at_the_last_token(tokens: list[str], fields: tuple[str, ...], values: tuple[Any, ...]) -> None:
    assert at(tokens, -1, *fields) == values


SOURCES = [
    "x = {'a': [1, (2, 3)], \"b\": ''}\n",
    "def f(a, b=('x', \"y#(\")):  # comment ( with ' signs\n    return a[b]\n",
    'class A:\n    """Doc "with" \'quotes\' and \\""" more."""\n\n'
    "    def g(self):\n        '''x\n('''\n        return \"\"\n",
    "s = 'a\\\\' + 'b\\'c' + r'\\'' + 'd\\\n e'\nt = ('x'\n     \"y\")\n",
    'x = 1 # \\\ny = \'\\n\' "" \'\'\'\'\'\'\nz = """"a"""\n',
    "if (a[1:{'x': 2}['x']]  # (\n    ):\n    pass\n",
    "b = b'\\x00' + br\"\\\"\" + u'é'\n# last",
    inspect.getsource(textwrap),
    inspect.getsource(json.JSONEncoder),
    inspect.getsource(argparse.HelpFormatter),
]


def truth(source: str) -> tuple[list[int], list[str]]:
    """Bracket depth, and code, string, docstring or comment, after every character, as the standard library has it."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    depth, prose = [0] * len(source), ["code"] * len(source)
    change = [0] * (len(source) + 1)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        begin, end = (starts[line - 1] + column for line, column in (token.start, token.end))
        if token.type == tokenize.OP and token.string in "([{":
            change[begin] += 1
        if token.type == tokenize.OP and token.string in ")]}":
            change[begin] -= 1
        if token.type == tokenize.COMMENT:
            prose[begin:end] = ["comment"] * (end - begin)
        if token.type == tokenize.STRING:
            opening = begin + len(token.string) - len(token.string.lstrip("rRbBuUfF"))
            triple = source[opening : opening + 3] in ('"""', "'''")
            inside = range(opening + (2 if triple else 0), end - 1)
            for place in inside:
                prose[place] = "docstring" if triple else "string"
    total = 0
    for place in range(len(source)):
        total += change[place]
        depth[place] = total
    return depth, prose


def opening_of_triple(source: str, place: int) -> bool:
    """Whether a character is one of the first two marks of a triple quote: nothing to its left tells what they open."""
    return any(source[start : start + 3] in ('"""', "'''") for start in (place - 1, place))


@pytest.mark.parametrize("source", SOURCES, ids=range(len(SOURCES)))
def test_the_state_after_every_character_is_that_of_pythons_tokenizer(source: str) -> None:
    rows = read(list(source))
    depth, prose = truth(source)
    assert [row["depth"] for row in rows] == depth
    found = [row["prose"] for row in rows]
    wrong = [i for i in range(len(source)) if found[i] != prose[i] and not opening_of_triple(source, i)]
    assert [(i, source[max(0, i - 10) : i + 1], found[i], prose[i]) for i in wrong] == []


STATE = ("word", "left", "line", "first", "above", "indent", "depth", "opener", "callee", "quote", "comment", "prose")
pythonic = st.lists(
    st.sampled_from([*"()[]{}'\"#\\\n ab_1.,=é", '"""', "'''", "def", " self", "\n    ", " f(x", "\\'"]), max_size=40
)


@given(st.one_of(st.lists(st.text(max_size=6), max_size=20), pythonic))
@example(["a", "\r\n", "\x0c", "\u2028", "b"])
def test_a_reading_looks_at_nothing_to_its_right(tokens: list[str]) -> None:
    rows = read(tokens)
    for length in range(len(tokens)):
        assert read(tokens[:length]) == rows[:length]


@given(pythonic, st.randoms(use_true_random=False))
def test_the_state_does_not_depend_on_where_tokens_end(pieces: list[str], random: Any) -> None:
    text = "".join(pieces)
    cuts = sorted(random.sample(range(len(text) + 1), min(5, len(text) + 1)))
    tokens = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    fine, coarse = read(list(text)), read(tokens)
    place = 0
    for token, row in zip(tokens, coarse, strict=True):
        place += len(token)
        if place:
            assert {field: row[field] for field in STATE} == {field: fine[place - 1][field] for field in STATE}


@given(st.lists(st.text(max_size=6), max_size=20))
def test_any_text_is_read(tokens: list[str]) -> None:
    for i, row in enumerate(read(tokens)):
        assert "".join(tokens[: i + 1]).endswith(row["line"])
        assert row["position"] == i
        assert row["depth"] >= 0
        assert (row["seen"] > 0) == (row["since"] > 0)
