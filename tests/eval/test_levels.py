"""Realism levels 1 and 2: what they look like, and that the circuit is still there."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from autointerp.activations import cache_folder
from autointerp.errors import OrganismError
from autointerp.eval.organisms import CircuitOrganism
from autointerp.eval.organisms._trained import trained
from autointerp.eval.organisms.programs import LIBRARY
from autointerp.eval.organisms.rasp import (
    Disguise,
    Given,
    Program,
    Select,
    SelectorWidth,
    Tokens,
    compile_program,
    disguised,
    interpret,
    lay_out,
    shuffled,
)
from autointerp.eval.organisms.training import Schedule
from autointerp.eval.organisms.transformer import written
from tests.eval.conftest import circuit
from tests.eval.networks import answers, values_of

BRIEF = Schedule(batch=64, guided=150, most=600, cooling=250, checks=50)


def holds(organism: CircuitOrganism) -> bool:
    return all(figure.holds for figure in organism.check(count=400))


@pytest.mark.parametrize("name", ["opener", "mean", "induction"])
def test_a_change_of_coordinates_changes_no_answer(name: str) -> None:
    made = LIBRARY[name].build()
    compiled = compile_program(made)
    inputs = values_of(compiled.model, compiled.model.inputs(below=0, otherwise=200, random=np.random.default_rng(0)))
    wanted = [[str(value) for value in interpret(made, tokens)] for tokens in inputs]
    for other in (
        shuffled(compiled, np.random.default_rng(1)),
        disguised(compiled, Disguise(), np.random.default_rng(1)),
    ):
        assert answers(written(other), other, inputs) == wanted
        assert other.weights.tokens.shape != compiled.weights.tokens.shape or not np.array_equal(
            other.weights.tokens, compiled.weights.tokens
        )


def test_a_disguise_shares_dimensions_hides_zeros_and_adds_idle_parts(disguised_induction: CircuitOrganism) -> None:
    organism = disguised_induction
    layout, config = lay_out(organism.circuit.model), organism.module.config
    # More directions than dimensions: a one-hot variable of n values takes n - 1 at most.
    variables = organism.circuit.model.variables
    one_hot = sum(variable.encoding == "categorical" for variable in variables)
    assert config.hidden_size <= layout.width - one_hot
    plain = written(compile_program(LIBRARY["induction"].build()))
    for (name, hidden), bare in zip(organism.module.named_parameters(), plain.parameters(), strict=True):
        if name.endswith("proj.weight"):
            assert float((hidden == 0).double().mean()) == 0.0
            assert float((bare == 0).double().mean()) > 0.5
    assert config.num_attention_heads == plain.config.num_attention_heads + 1
    assert config.intermediate_size > plain.config.intermediate_size
    assert {component.site.kind for component in organism.circuit.unused} == {"head_out", "mlp_hidden"}
    assert organism.card.figures["noise"] > 0


def test_the_circuit_survives_its_disguise(disguised_induction: CircuitOrganism) -> None:
    assert holds(disguised_induction)


@pytest.mark.parametrize("name", ["sort-by-frequency", "above-mean", "length", "previous"])
def test_programs_that_bear_little_noise_get_little(name: str) -> None:
    # The first two count or compare what hardly differs; `length` is rarely wrong where it is.
    organism = circuit(name, level=1)
    noise = organism.card.figures["noise"]
    assert noise <= 0.002 if name != "previous" else noise >= 0.01
    assert holds(organism)


def test_idle_neurons_speak_no_louder_than_the_others() -> None:
    """Their output is noise alone; with inputs as large as those of a steep step it would drown everything."""
    compiled = compile_program(LIBRARY["distinct"].build())
    quiet = disguised(compiled, Disguise(noise=5e-4), np.random.default_rng([7, 1]))
    inputs = values_of(compiled.model, compiled.model.inputs(below=1000, otherwise=0, random=np.random.default_rng(0)))
    wanted = [[str(value) for value in interpret(LIBRARY["distinct"].build(), tokens)] for tokens in inputs]
    assert answers(written(quiet), quiet, inputs) == wanted


@pytest.fixture(scope="module")
def learned() -> CircuitOrganism:
    return teach("first")


def teach(name: str, schedule: Schedule | None = BRIEF, label: str = "") -> CircuitOrganism:
    made = LIBRARY[name].build(4)
    return trained(label or f"test-{name}", made, compile_program(made), 0, schedule)


def test_a_trained_network_keeps_the_circuit(learned: CircuitOrganism) -> None:
    assert holds(learned)
    config = learned.module.config
    assert (config.norm, config.activation) == ("layer", "gelu")
    assert type(learned.subject().module.model.norm) is torch.nn.LayerNorm
    assert learned.card.figures["level"] == 2
    assert learned.circuit.unused
    computed = [v.name for v in learned.circuit.model.variables if not isinstance(v, Given)]
    assert learned.variables() == computed
    # Nothing of a compiled circuit's bareness is left.
    assert all(float((p == 0).double().mean()) < 0.5 for n, p in learned.module.named_parameters() if "weight" in n)


def test_a_trained_network_is_cached(learned: CircuitOrganism) -> None:
    began = time.monotonic()
    again = teach("first")
    assert time.monotonic() - began < 4
    assert same(again, learned)


def test_a_broken_cache_is_not_trusted_and_training_gives_the_same_bits(
    learned: CircuitOrganism, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept,) = (path for path in (cache_folder() / "organisms").iterdir() if same_bytes(path, learned))
    monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path))
    (tmp_path / "organisms").mkdir()
    (tmp_path / "organisms" / kept.name).write_bytes(kept.read_bytes()[:-100])
    assert same(teach("first"), learned)
    assert (tmp_path / "organisms" / kept.name).read_bytes() == kept.read_bytes()


def same_bytes(path: Path, organism: CircuitOrganism) -> bool:
    state, kept = organism.module.state_dict(), load_file(path)
    return kept.keys() == state.keys() and all(torch.equal(kept[name], value) for name, value in state.items())


def same(one: CircuitOrganism, other: CircuitOrganism) -> bool:
    state = other.module.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.module.state_dict().items())


def test_a_network_that_did_not_learn_is_not_handed_out() -> None:
    hasty = Schedule(batch=8, guided=1, most=2, cooling=2, checks=1)
    with pytest.raises(
        OrganismError, match=r"no network learned reverse well enough \(accuracy 0\.\d+.*shorter length"
    ):
        teach("reverse", hasty, "hasty")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["distance-to-first", "add-previous"])
def test_more_networks_learn_their_programs(name: str) -> None:
    assert holds(teach(name, None))


def test_an_ordinary_counting_head_is_the_same_in_both_directions() -> None:
    tokens = Tokens(name="tokens")
    width = SelectorWidth(Select(tokens, tokens, lambda k, q: k <= q))
    for causal in (False, True):
        made = Program("ordered", "none", "", width, (1, 2, 3), 4, causal)
        compiled = disguised(compile_program(made), Disguise(noise=1e-4), np.random.default_rng(0))
        inputs = [[1, 2, 3, 1], [3, 2], [2]]
        wanted = [[str(value) for value in interpret(made, tokens)] for tokens in inputs]
        assert answers(written(compiled), compiled, inputs) == wanted
