"""The card holds what was measured, and says so where a target is missed."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.pystdlib.card import card, constants_table, number, text_histogram, text_table, verdict
from training.pystdlib.measure_rows import DENSITY, Row, Side, below_all, without_density

ROWS = [
    Row("model", 1.0512, "bits/byte", 1.3, "<= 1.10"),
    Row("explained variance", 0.87, "share", 0.0, ">= 0.90"),
    Row("loss, clean", 2.5, "nats/token"),
    Row(DENSITY + "1.0e-03 to 3.2e-03", 500, "latents"),
    Row(DENSITY + "3.2e-03 to 1.0e-02", 1000, "latents"),
]


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [(1.1, "<= 1.10", True), (1.11, "<= 1.10", False), (0.9, ">= 0.90", True), (0.89, ">= 0.90", False)],
)
def test_targets_are_comparisons(value: float, target: str, met: bool) -> None:
    assert Row("x", value, "", None, target).met is met
    assert Row("x", value, "").met is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (1.05123, "1.051"), (2048.0, "2,048"), (0.0, "0"), (0.98, "0.98")]
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_verdict_names_what_is_missed() -> None:
    assert verdict(ROWS) == (
        "Missed: explained variance (0.87, target >= 0.90). "
        "The model's bits per byte are below those of every baseline."
    )
    assert verdict(ROWS[:1]).startswith("All targets are met.")
    worse = [Row("model", 1.4, "bits/byte", 1.3, "<= 1.10")]
    assert not below_all(worse)
    assert "not below those of every baseline" in verdict(worse)


def test_tables_and_histogram() -> None:
    shown, bars = without_density(ROWS)
    line = text_table(shown).splitlines()[2]
    assert " ".join(line.split()) == "explained variance 0.87 share 0 >= 0.90 NO"
    assert text_histogram(bars).splitlines() == [
        "1.0e-03 to 3.2e-03      500  " + "#" * 20,
        "3.2e-03 to 1.0e-02    1,000  " + "#" * 40,
    ]
    assert text_histogram([]) == ""


def test_constants_are_those_of_the_scripts() -> None:
    from training.pystdlib import language_model, tokenizer

    text = constants_table()
    assert f"`MUON_RATE` {language_model.MUON_RATE:g}" in text
    assert text.count("`CONTEXT`") == 1
    assert f"`VOCABULARY` {tokenizer.VOCABULARY}" in text


def test_the_card_is_filled_and_names_no_folder(tmp_path: Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": 3,
        "hidden_size": 48,
        "num_attention_heads": 2,
        "intermediate_size": 99,
        "vocab_size": 4096,
        "tie_word_embeddings": True,
        "max_position_embeddings": 256,
        "dtype": "float16",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "cfg.json").write_text(
        json.dumps({"architecture": "jumprelu", "d_sae": 77, "d_in": 48, "dtype": "float16"})
    )
    (tmp_path / "model.safetensors").write_bytes(bytes(1_500_000))
    sides = (Side(9, bytes(1234), np.zeros(400, dtype=np.int32)), Side(1, bytes(56), np.zeros(30, dtype=np.int32)))
    text = card(ROWS, sides, tmp_path, 123_456, tmp_path, 2)
    assert "9 files, 1,234 bytes and 400 tokens for training" in " ".join(text.split())
    assert "3 layers of width 48" in text
    assert "123,456 parameters, 1.5 MB" in text
    assert "| explained variance | 0.87 | share | 0 | >= 0.90 | NO |" in text
    assert "77 latents" in text
    assert str(tmp_path) not in text
    assert not {"{", "}"} & set(text)
