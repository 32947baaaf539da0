"""A rule's own numbers are those of its program in the sandbox."""

from __future__ import annotations

from autointerp.induction import learn
from autointerp.programs import predict


def test_a_rules_terms_predict_what_its_program_does() -> None:
    words = [
        ["def", " f", "(", "x", ")", ":", "\n", " ", "return", " x", "\n"],
        ["x", " =", " (", "y", ",", " x", ")"],
    ] * 12
    values = [
        [2.0 if i and text[i - 1].strip() in ("(", "def") else 0.3 * (token == " x") for i, token in enumerate(text)]
        for text in words
    ]
    fresh = [["class", " A", "(", "B", ")", ":"], ["f", "(", "def", " x"], ["\n"]]
    rules = learn(words, values)
    assert rules
    for rule in rules:
        assert [row.tolist() for row in rule.terms.predict(fresh)] == predict(rule.program, fresh)
