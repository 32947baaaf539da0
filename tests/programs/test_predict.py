"""Programs are run on texts, and whatever they return instead of activations is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autointerp.errors import ProgramError
from autointerp.programs import Predictor, predict, read
from autointerp.records import Program
from autointerp.sandbox import Limits

TEXTS = [["def", " f", "("], ["x"], [" f", "\n"]]
LIMITS = Limits(seconds=0.5, memory=64 * 2**20)


@pytest.fixture(scope="module")
def predictor() -> Iterator[Predictor]:
    with Predictor(LIMITS) as opened:
        yield opened


def returning(expression: str) -> Program:
    return Program(source=f"def predict(tokens):\n    return {expression}\n")


def refusal(predictor: Predictor, program: Program) -> str:
    with pytest.raises(ProgramError) as caught:
        predictor(program, TEXTS)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert len(message) <= 300
    # The next call finds a sandbox that works.
    assert predictor(returning("[1] * len(tokens)"), [["a", "b"]]) == [[1.0, 1.0]]
    return message


def test_one_number_for_each_token(predictor: Predictor) -> None:
    program = returning("[len(t) + 0.5 if t.startswith(' ') else 0 for t in tokens]")
    expected = [[0.0, 2.5, 0.0], [0.0], [2.5, 0.0]]
    assert predictor(program, TEXTS) == expected
    assert predict(program, TEXTS) == expected
    assert all(type(value) is float for values in predictor(program, TEXTS) for value in values)


def test_more_texts_than_go_in_at_once(predictor: Predictor) -> None:
    texts = [[str(i)] * (i % 3) for i in range(150)]
    assert predictor(returning("[float(t) for t in tokens]"), texts) == [[float(t) for t in text] for text in texts]
    assert predictor(returning("[]"), []) == []


def test_a_program_can_read(predictor: Predictor) -> None:
    program = returning("[t['position'] + 10 * t['depth'] + 100 * (t['prev'] == 'def') for t in read(tokens)]")
    expected = [[t["position"] + 10 * t["depth"] + 100 * (t["prev"] == "def") for t in read(text)] for text in TEXTS]
    assert predictor(program, TEXTS) == expected
    assert expected[0] == [0, 101, 12]


def test_a_program_may_have_helpers_and_imports(predictor: Predictor) -> None:
    source = """
import re

WORD = re.compile(r"\\s*[a-z]+$")

def strength(token):
    return 2.0 if WORD.match(token) else 0.0

def predict(tokens):
    return [strength(token) for token in tokens]  # the end
"""
    assert predictor(Program(source=source), TEXTS) == [[2.0, 2.0, 0.0], [2.0], [2.0, 0.0]]


def test_one_program_sees_nothing_of_another(predictor: Predictor) -> None:
    predictor(Program(source="kept = 1\ndef predict(tokens):\n    return [0] * len(tokens)"), TEXTS)
    assert "kept" in refusal(predictor, returning("[kept] * len(tokens)"))


@pytest.mark.parametrize(
    "source",
    [
        "def predict(tokens):\n    return [t['depth'] + len(t['word']) for t in read(tokens)]",
        "W = 'word'\ndef predict(tokens):\n    return [t['depth'] + len(t[W]) for t in read(tokens)]",
        "def predict(tokens):\n    return [t.get('depth', 9) + len(t.get('word', '')) for t in read(tokens)]",
        "def predict(tokens):\n    import re\n    re.compile('\\d')\n"
        "    return [t['depth'] + len(t['word']) for t in read(tokens)]",
    ],
)
def test_a_program_gets_every_field_that_it_names(predictor: Predictor, source: str) -> None:
    expected = [[float(t["depth"] + len(t["word"])) for t in read(text)] for text in TEXTS]
    assert predictor(Program(source=source), TEXTS) == expected
    assert predictor(Program(source=source), TEXTS) == expected


def test_what_a_program_does_to_a_reading_stays_with_it(predictor: Predictor) -> None:
    spoil = "[t['before'].append('x') or t.update({'depth': 9}) or 0 for t in read(tokens)]"
    predictor(returning(spoil), TEXTS)
    assert predictor(returning("[t['depth'] + len(t['before']) for t in read(tokens)]"), TEXTS) == [
        [0, 1, 3],
        [0],
        [0, 1],
    ]


def test_a_source_that_is_too_long_is_not_even_parsed(predictor: Predictor) -> None:
    assert "at most 100000 are run" in refusal(predictor, Program(source="x" + "[0]" * 10**6))


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("[1.0]", "returned 1 values for a text of 3 tokens; it must return one per token"),
        ("[1.0] * 100", "returned 100 values for a text of 3 tokens"),
        ("[]", "returned 0 values"),
        ("None", "returned NoneType for a text of 3 tokens"),
        ("1.0", "returned float"),
        ("'abc'", "returned str"),
        ("(1, 2, 3)", "returned tuple"),
        ("{0: 1, 1: 2, 2: 3}", "returned dict"),
        ("[1, 2, float('nan')]", "returned nan; every activation must be a finite number"),
        ("[1, 2, float('inf')]", "returned inf"),
        ("[1, 2, 1e308 * 10]", "returned inf"),
        ("[1, 2, True]", "returned True"),
        ("[1, 2, '3']", "returned '3'"),
        ("[1, 2, None]", "returned None"),
        ("[1, 2, 'x' * 10000]", "returned 'xxx"),
        ("[[1], [2], [3]]", "returned a value of type list"),
        ("[1, 2, 10 ** 400]", "returned a value of type int"),
        ("[1, 2, 10 ** 5000]", "returned a value of type int"),
        ("[1, 2, 3j]", ""),
        ("[1, 2, 1 / 0]", "ZeroDivisionError"),
        ("[undefined] * 3", "undefined"),
        ("read(5)", "list of token strings"),
        ("read('abc')", "list of token strings"),
        ("read([1, 2, 3])", "list of token strings"),
        ("read(tokens * 10000)", "at most 4096 tokens"),
        ("read(['x' * 100000])", "32768 characters"),
        ("open('/etc/hostname').read()", "PermissionError"),
    ],
)
def test_what_is_no_list_of_activations_is_refused(predictor: Predictor, expression: str, says: str) -> None:
    assert says in refusal(predictor, returning(expression))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "predict"),
        ("x = 1", "predict"),
        ("predict = 5", ""),
        ("def predict(a, b):\n    return [0]", ""),
        ("def predict(tokens:\n    return [0]", "SyntaxError"),
        ("def predict(tokens):\nreturn [0]", "SyntaxError"),
        ("def predict(tokens):\n    while True:\n        pass", "time"),
        ("while True:\n    pass", "time"),
        ("def predict(tokens):\n    x = []\n    while True:\n        x.append('x' * 100000)", "memory"),
        ("def predict(tokens):\n    return [0] * 10**9", "memory"),
        ("def predict(tokens):\n    return predict(tokens)", "Recursion"),
        ("def predict(tokens):\n    x = []\n    for i in range(5000):\n        x = [x]\n    return [x, x, x]", ""),
        # sources that do something to the call that follows them
        ("texts_ = []\ndef predict(tokens):\n    return []", "more than define predict"),
        ("def predict(tokens):\n    return []\nx = \\", "more than define predict"),
        ("def predict(tokens):\n    return []\nif False:\n  pass\nx = '''", ""),
        ("def predict(tokens):\n    return '\ud800'", ""),
    ],
)
def test_programs_that_fail(predictor: Predictor, source: str, says: str) -> None:
    assert says in refusal(predictor, Program.model_construct(source=source))


def test_a_program_cannot_change_the_texts_of_the_next_call(predictor: Predictor) -> None:
    texts = [["a", "b"]]
    predictor(
        Program(source="def predict(tokens):\n    n = len(tokens)\n    tokens.clear()\n    return [0] * n"), texts
    )
    assert texts == [["a", "b"]]
