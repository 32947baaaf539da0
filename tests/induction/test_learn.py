"""Rules whose truth is known have to be found, and to run where programs run."""

from __future__ import annotations

import ast
from functools import cache

import numpy as np
import pytest

from autointerp.induction import Rule, _columns, learn
from autointerp.induction._learn import MOST_ENTRIES
from autointerp.programs import predict
from tests.induction.synthetic import RULES, single_token, text

TRAIN = [text(seed) for seed in range(60)]
FRESH = [text(1000 + seed) for seed in range(30)]


@cache
def learned(name: str) -> list[Rule]:
    return learn(TRAIN, [RULES[name](tokens) for tokens in TRAIN])


def best(name: str) -> Rule:
    """Rules come by length; what a scientist would pick is the one that fits."""
    return max(learned(name), key=lambda rule: rule.fit)


def entries(source: str) -> int:
    """Entries of all tables of a program."""
    return sum(len(node.keys) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Dict))


@pytest.mark.parametrize("name", RULES)
def test_a_known_rule_is_recovered(name: str) -> None:
    true = np.concatenate([RULES[name](tokens) for tokens in FRESH])
    predicted = np.concatenate(predict(best(name).program, FRESH))
    assert np.corrcoef(predicted, true)[0, 1] > 0.9
    assert predicted.min() >= 0


@pytest.mark.parametrize("name", ["single_token", "token_after_another", "first_on_the_line"])
def test_a_simple_rule_is_recovered_by_a_short_program(name: str) -> None:
    true = np.concatenate([RULES[name](tokens) for tokens in FRESH])
    short = [rule for rule in learned(name) if rule.program.lines <= 12]
    fits = [np.corrcoef(np.concatenate(predict(rule.program, FRESH)), true)[0, 1] for rule in short]
    assert max(fits) > 0.9


@pytest.mark.parametrize("name", RULES)
def test_every_program_runs_in_the_sandbox(name: str) -> None:
    for rule in learned(name):
        assert [len(values) for values in predict(rule.program, FRESH[:2])] == [len(tokens) for tokens in FRESH[:2]]


@pytest.mark.parametrize("name", RULES)
def test_shorter_rules_are_not_longer_than_longer_ones(name: str) -> None:
    rules = learned(name)
    lines = [rule.program.lines for rule in rules]
    assert rules
    assert lines == sorted(lines)
    assert len({rule.program for rule in rules}) == len(rules)


@pytest.mark.parametrize("name", RULES)
def test_programs_have_at_most_the_stated_entries(name: str) -> None:
    found = [entries(rule.program.source) for rule in learned(name)]
    assert all(1 <= count <= MOST_ENTRIES for count in found)


@pytest.mark.parametrize("name", RULES)
def test_every_entry_says_something(name: str) -> None:
    for rule in learned(name):
        tables = [node for node in ast.walk(ast.parse(rule.program.source)) if isinstance(node, ast.Dict)]
        assert all(ast.literal_eval(value) != 0 for table in tables for value in table.values)


@pytest.mark.parametrize("name", RULES)
def test_no_entry_is_noise_beside_the_largest_activation(name: str) -> None:
    largest = max(max(RULES[name](tokens)) for tokens in TRAIN)
    for rule in learned(name):
        tables = [node for node in ast.walk(ast.parse(rule.program.source)) if isinstance(node, ast.Dict)]
        smallest = min(abs(ast.literal_eval(value)) for table in tables for value in table.values)
        # Entries are rounded to a two-hundredth of the largest.
        assert smallest >= (1 / 100 - 1 / 200) * largest


@pytest.mark.parametrize("name", RULES)
def test_the_fit_it_states_is_the_fit_it_has(name: str) -> None:
    true = np.concatenate([RULES[name](tokens) for tokens in TRAIN])
    for rule in learned(name):
        predicted = np.concatenate(predict(rule.program, TRAIN))
        assert rule.fit == pytest.approx(np.corrcoef(predicted, true)[0, 1], abs=0.02)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("single_token", ["value"]),
        ("token_after_another", ["after", "="]),
        ("inside_brackets", ["("]),
    ],
)
def test_the_sentence_says_what_matters(name: str, words: list[str]) -> None:
    for word in words:
        assert word in best(name).sentence


def test_the_same_texts_give_the_same_programs() -> None:
    values = [RULES["name_outside_brackets"](tokens) for tokens in TRAIN]
    assert learn(TRAIN, values) == learned("name_outside_brackets")


def test_what_was_read_before_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feature explained alone and after others: the numbers that values have in a process are not in its program."""
    random = np.random.default_rng(0)
    # Of many tokens of much the same worth, entries are worth the same now and then.
    activations = [[float(random.integers(0, 2)) for _ in tokens] for tokens in TRAIN]
    found = []
    for before in ([], TRAIN[::-1], FRESH):
        monkeypatch.setattr(_columns, "_NUMBERS", [{} for _ in _columns._FIELDS])
        monkeypatch.setattr(_columns, "_VALUES", [[] for _ in _columns._FIELDS])
        _columns._coded.cache_clear()
        if before:
            learn(before, [[float(i % 3) for i in range(len(tokens))] for tokens in before])
        found.append([rule.program.source for rule in learn(TRAIN, activations)])
    _columns._coded.cache_clear()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_activations_may_have_any_scale(scale: float) -> None:
    values = [[scale * value for value in single_token(tokens)] for tokens in TRAIN]
    predicted = np.concatenate(predict(learn(TRAIN, values)[-1].program, FRESH))
    true = np.concatenate([single_token(tokens) for tokens in FRESH]) * scale
    assert np.corrcoef(predicted, true)[0, 1] > 0.95
    np.testing.assert_allclose(predicted, true, atol=0.6 * scale)


def test_noise_gives_a_program_that_runs() -> None:
    random = np.random.default_rng(0)
    values = [(random.random(len(tokens)) * (random.random(len(tokens)) < 0.05)).tolist() for tokens in TRAIN]
    for rule in learn(TRAIN, values):
        predicted = np.concatenate(predict(rule.program, FRESH))
        assert np.isfinite(predicted).all()
        assert np.isfinite(rule.fit)


def test_tokens_of_any_kind_can_stand_in_a_program() -> None:
    odd = ["'", '"', "\\", "\n", "�", "\x00", "{}", "é", " \t", '"""', "%s"]
    texts = [[*odd, *tokens[:20]] for tokens in TRAIN[:30]]
    for token in odd:
        values = [[1.0 * (other == token) for other in tokens] for tokens in texts]
        predicted = predict(learn(texts, values)[-1].program, texts)
        assert np.corrcoef(np.concatenate(predicted), np.concatenate(values))[0, 1] > 0.9, token


@pytest.mark.parametrize("brace", ["{", "}", "{}", " f'{"])
def test_a_sentence_shows_braces_as_they_are(brace: str) -> None:
    texts = [[brace if token == "(" else token for token in tokens] for tokens in TRAIN]
    near = [[2.0 * any(t == brace for t in tokens[max(0, i - 8) : i]) for i in range(len(tokens))] for tokens in texts]
    assert any(f"within 8 tokens after `{repr(brace)[1:-1]}`" in rule.sentence for rule in learn(texts, near))


def test_a_sentence_says_numbers_in_a_row_as_one() -> None:
    sentence = best("crowded_with_signs").sentence
    assert "with 3 to 5 of the last 5 tokens among" in sentence or "with 3 to 4 of the last 5 tokens among" in sentence
