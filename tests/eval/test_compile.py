"""The compiler: networks against the interpreter, on every input there is, and what it refuses."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import torch

from autointerp.errors import OrganismError
from autointerp.eval.organisms.programs import LIBRARY, random_program
from autointerp.eval.organisms.rasp import (
    BOS_DIRECTION,
    NOTHING,
    Aggregate,
    Attend,
    Encoding,
    Given,
    Indices,
    Limits,
    Map,
    Program,
    Select,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
    compile_program,
    interpret,
    lay_out,
    trace,
)
from autointerp.eval.organisms.transformer import written
from tests.eval.networks import PAD, answers, token_ids, values_of

TOKENS, INDICES = Tokens(name="tokens"), Indices(name="indices")
#: Seeds of random programs that once came out wrong or not at all.
SEEDS = (0, 1, 2, 3, 4, 5, 6, 7)


def program(output: SOp, vocabulary: tuple = ("a", "b", "c"), length: int = 4, causal: bool = False) -> Program:
    return Program("under test", "none", "", output, vocabulary, length, causal)


def check_exact(made: Program, *, below: int = 1500, interpreted: int = 25) -> None:
    """On every input the network and the causal model agree; on some, with the interpreter, variable by variable."""
    compiled = compile_program(made)
    model = compiled.model
    inputs = model.inputs(below=below, otherwise=below, random=np.random.default_rng(0))
    texts = values_of(model, inputs)
    solved = model.solve(inputs)[model.output]
    found = answers(written(compiled), compiled, texts)
    for row, answer in zip(solved, found, strict=True):
        assert answer == [str(model[model.output].values[i]) for i in row[: len(answer)]]
    for place in np.linspace(0, len(texts) - 1, interpreted).astype(int):
        expected = trace(made, texts[place])
        got = model.values(texts[place])
        assert {name: got[name] for name in expected} == expected


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_is_computed_exactly(name: str) -> None:
    check_exact(LIBRARY[name].build())


@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs_are_computed_exactly(seed: int) -> None:
    check_exact(random_program(seed))


@pytest.mark.parametrize(("depth", "width"), [(1, 1), (1, 3), (3, 1)])
def test_the_knobs_of_random_programs(depth: int, width: int) -> None:
    made = random_program(11, depth=depth, width=width, length=4)
    layers = lay_out(compile_program(made).model).depth
    assert depth // 2 <= layers <= 4 * depth + width
    check_exact(made)


def test_a_random_program_is_that_of_its_seed() -> None:
    first, again, other = (random_program(seed) for seed in (3, 3, 4))
    assert compile_program(first).model == compile_program(again).model
    assert compile_program(first).model != compile_program(other).model


@pytest.mark.parametrize("name", ["sort", "opener", "mean", "above-mean", "induction"])
def test_every_variable_lies_where_the_layout_says(name: str) -> None:
    made = LIBRARY[name].build()
    compiled = compile_program(made)
    layout, module = lay_out(compiled.model), written(compiled)
    inputs = compiled.model.inputs(below=2000, otherwise=2000, random=np.random.default_rng(0))[::13]
    stream: list[torch.Tensor] = []
    handle = module.model.norm.register_forward_pre_hook(lambda _, args: stream.append(args[0]))
    ids = token_ids(compiled, values_of(compiled.model, inputs))
    with torch.no_grad():
        module(ids, attention_mask=ids != PAD)
    handle.remove()
    final = stream[0].double().numpy()
    solved = compiled.model.solve(inputs)
    for variable in compiled.model.variables:
        start, stop = layout.directions[variable.name]
        written_there = layout.write(variable)[solved[variable.name]][..., start:stop]
        there = inputs != NOTHING
        np.testing.assert_allclose(final[:, 1:, start:stop][there], written_there[there], atol=2e-4)
        # BOS holds the same for every input, and reading a variable there gives nothing.
        np.testing.assert_allclose(final[:, 0, start:stop] - final[0, 0, start:stop], 0, atol=1e-5)
        np.testing.assert_allclose(final[:, 0] @ layout.read(variable).T, 0, atol=1e-4)
    assert (np.abs(final[:, 1:, BOS_DIRECTION][there]) < 1e-6).all()


def test_padding_and_the_other_texts_of_a_batch_change_nothing() -> None:
    compiled = compile_program(LIBRARY["sort"].build())
    module = written(compiled)
    texts = [[4, 2, 1, 3, 3], [2, 1], [3]]
    together = answers(module, compiled, texts)
    assert together == [answers(module, compiled, [text])[0] for text in texts]


def test_a_numerical_variable_may_be_any_number() -> None:
    half = Map(lambda i: int(i) / 4 - 0.5, INDICES, numerical=True, name="half")
    both = SequenceMap(lambda a, b: a * b < 0, half, Map(lambda i: 1 - int(i), INDICES, numerical=True))
    check_exact(program(both))
    first = Aggregate(Select(INDICES, TOKENS, lambda k, _: k == 0), half, default=9)
    check_exact(program(Map(str, first)))


def test_the_default_is_found_at_bos() -> None:
    later = Select(INDICES, INDICES, operator.gt)
    nowhere = Aggregate(
        later & Select(TOKENS, TOKENS, operator.eq), Map(lambda _: 3, TOKENS, numerical=True), default=-2
    )
    made = program(Map(int, nowhere))
    assert interpret(made, list("aba")) == (3, -2, -2)
    check_exact(made)


def test_a_variable_that_nothing_selects_by_may_take_one_value() -> None:
    same = Select(TOKENS, TOKENS, lambda k, q: True)
    check_exact(program(Map(lambda n: n > 0, SelectorWidth(same))))


def test_all_that_is_wrong_is_said_at_once() -> None:
    number = Map(lambda t: t == "a", TOKENS, numerical=True, name="number")
    empty = SelectorWidth(Select(TOKENS, TOKENS, lambda k, q: k == "z"), name="width")
    outside = Map(lambda n: int(n) * 10, empty, values=(0, 10), name="tens")
    selects = SelectorWidth(Select(number, TOKENS, operator.eq), name="chosen")
    breaks = Map(lambda n: 1 // int(n), selects, name="inverse")
    twice = SequenceMap(operator.add, outside, SelectorWidth(Select(TOKENS, TOKENS, operator.eq)))
    output = SequenceMap(operator.add, twice, breaks, numerical=True, name="sum")
    with pytest.raises(OrganismError) as error:
        compile_program(program(output), Limits(width=10, layers=1, heads=1, neurons=5, head_width=1))
    message = str(error.value)
    for reason in (
        "width has an empty selector",
        "tens returns 20, 30, 40, outside its declared values 0, 10",
        "chosen selects by numerical keys, number",
        "inverse fails on 0: ZeroDivisionError",
        "the output sum is numerical",
        "residual dimensions, 10 are allowed",
        "layers, 1 are allowed",
        "heads in a layer, 1 are allowed",
        "neurons in a layer, 5 are allowed",
        "dimensions in a head, 1 are allowed",
    ):
        assert reason in message
    assert "\n" not in message


def test_values_that_read_alike_are_refused() -> None:
    with pytest.raises(OrganismError, match="different values read alike as tokens: 1"):
        compile_program(program(Map(lambda t: "1" if t == 2 else t, TOKENS), vocabulary=(1, 2)))


def test_text_is_no_number() -> None:
    with pytest.raises(OrganismError, match="number is numerical, and a is no number"):
        compile_program(program(Map(lambda t: t, TOKENS, numerical=True, name="number"), vocabulary=("a", 1)))


def test_too_many_means_are_refused() -> None:
    wide = Map(lambda i: 7 ** int(i), INDICES, numerical=True)
    mean = Aggregate(Select(TOKENS, TOKENS, operator.eq), wide, default=0, name="mean")
    with pytest.raises(OrganismError, match="mean can take more than 4096 values"):
        compile_program(program(Map(lambda m: m > 1, mean), length=9))


def test_counting_takes_two_components() -> None:
    made = LIBRARY["histogram"].build()
    model = compile_program(made).model
    head, table = model["histogram.share"], model["histogram"]
    assert isinstance(head, Attend)
    assert head.encoding is Encoding.NUMERICAL
    assert head.source is None
    assert table.parents == (("histogram.share", "input"),)
    assert [v.name for v in model.variables if isinstance(v, Given)] == ["tokens"]
