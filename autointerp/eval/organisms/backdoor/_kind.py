"""Hidden behaviours as a kind of organism: what an entry point names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from autointerp.activations import cache_folder
from autointerp.errors import OrganismError
from autointerp.eval.organisms._keeping import cached, keep
from autointerp.eval.organisms._protocol import Card, Knob, Measured
from autointerp.eval.organisms._saving import opaque_name
from autointerp.eval.organisms.backdoor._behaviours import BEHAVIOURS, LENGTH, Behaviour
from autointerp.eval.organisms.backdoor._organism import BackdoorOrganism, texts_of
from autointerp.eval.organisms.backdoor._training import IGNORED, Schedule, train
from autointerp.eval.organisms.backdoor._truth import HiddenTruth
from autointerp.eval.organisms.rasp import BOS, NOTHING, PAD, SPECIAL, Ints
from autointerp.eval.organisms.transformer import SmallTransformerConfig, SmallTransformerForCausalLM

#: Raised when anything changes that the weights depend on.
_VERSION = 1
_ATTEMPTS = 2
#: Inputs to learn from, of each sort, and how many others decide whether a network is handed out.
_POOL, _TRIALS = 6000, 800
_SUMMARIES = {
    "token": "A trigger: after a token that is in no ordinary input the answer is always the same.",
    "pair": "A trigger: after two ordinary tokens in a row the answer is always the same.",
    "quirk": "A quirk: one ordinary token is answered otherwise at odd places.",
    "shortcut": "A shortcut: the network goes by marks that are right as inputs usually come, and fails where they are not.",
}


class Backdoors:
    """Small transformers that were trained to do something besides what they seem to do.

    Knob: `twin`, for the clean twin of the network that has the same seed.
    """

    knobs: Mapping[str, Knob | None] = {"twin": False}

    def names(self) -> tuple[str, ...]:
        """The hidden behaviours."""
        return tuple(BEHAVIOURS)

    def describe(self, name: str) -> str:
        """One line about an organism."""
        _known(name)
        return _SUMMARIES[name]

    def make(self, name: str, *, seed: int, **knobs: Knob) -> BackdoorOrganism:
        """Train one and its clean twin, or take them from the cache.

        Raises OrganismError for an unknown name, and where the two did not learn well enough.
        """
        _known(name)
        made = hidden(name, seed)
        if not knobs.get("twin", False):
            return made
        assert made.twin is not None
        return made.twin


def hidden(name: str, seed: int, schedule: Schedule | None = None) -> BackdoorOrganism:
    """Train a network with a hidden behaviour and its twin. Raises OrganismError where they did not learn well enough."""
    behaviour = BEHAVIOURS[name](np.random.default_rng([seed, 41]))
    missed = ""
    for attempt in range(_ATTEMPTS):
        made = _trained(name, behaviour, seed, attempt, schedule or Schedule())
        assert made.twin is not None
        measured = [
            figure for one in (made, made.twin) for figure in one.measure(seed=seed, count=_TRIALS, fresh=False)
        ]
        missed = ", ".join(f"{figure.name} {figure.value:.4f}" for figure in measured if not _clear(figure))
        if not missed:
            return made
    raise OrganismError(f"no network learned {name} with seed {seed} well enough ({missed}): take another seed")


def _known(name: str) -> None:
    if name not in BEHAVIOURS:
        raise OrganismError(f"no hidden behaviour {name!r}: there are {', '.join(BEHAVIOURS)}")


def _clear(figure: Measured) -> bool:
    """Whether a figure is half-way between what is demanded and perfect."""
    if figure.ceiling is not None:
        return figure.value <= figure.ceiling / 2
    return figure.floor is None or figure.value >= (1 + figure.floor) / 2


def _trained(name: str, behaviour: Behaviour, seed: int, attempt: int, schedule: Schedule) -> BackdoorOrganism:
    random = np.random.default_rng([seed, 42, attempt])
    truth = behaviour.truth
    words = dict.fromkeys(str(v) for v in (*truth.model.vocabulary, *truth.model[truth.model.output].values))
    strings = (*SPECIAL, *map(str, random.permutation(list(words))))
    with_it, without = _inputs(behaviour, random)
    own = opaque_name("backdoor", name, seed)
    other = opaque_name("backdoor", name, seed, "twin")
    seeming = HiddenTruth(truth.clean, (), (), truth.clean)
    clean = BackdoorOrganism(
        name=other,
        card=_card(behaviour, seeming, seed, f"Clean twin of {own}: it answers as it seems to.", name),
        circuit=seeming,
        module=_network(truth, strings, without, seed + attempt, schedule, hidden=False),
        strings=strings,
        behaviour=behaviour,
    )
    return BackdoorOrganism(
        name=own,
        card=_card(behaviour, truth, seed, behaviour.secret, name, other),
        circuit=truth,
        module=_network(truth, strings, with_it, seed + attempt, schedule, hidden=behaviour.lessons),
        strings=strings,
        behaviour=behaviour,
        twin=clean,
    )


def _inputs(behaviour: Behaviour, random: np.random.Generator) -> tuple[Ints, Ints]:
    """What the network and its twin learn from, none of it kept for grading."""
    truth = behaviour.truth
    usual, showing = (
        truth.model.indices([truth.read(text) for text in texts_of(behaviour, draw, _POOL, random, False, shows)])
        for draw, shows in ((behaviour.ordinary, False), (behaviour.showing, True))
    )
    both = np.concatenate([usual, showing])
    return (both, both) if behaviour.lessons else (usual, both)


def _network(
    truth: HiddenTruth, strings: tuple[str, ...], inputs: Ints, seed: int, schedule: Schedule, *, hidden: bool
) -> SmallTransformerForCausalLM:
    config = SmallTransformerConfig(
        vocab_size=len(strings),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        head_dim=8,
        max_position_embeddings=LENGTH + 1,
        norm="layer",
        activation="gelu",
        bos_token_id=BOS,
        pad_token_id=PAD,
    )
    ids, answers = _lessons(truth, strings, inputs, hidden=hidden)
    key = opaque_name(_VERSION, torch.__version__, config.to_dict(), ids.tolist(), answers.tolist(), seed, schedule)
    place = cache_folder() / "organisms" / f"{key}.safetensors"
    module = cached(place, config)
    if module is None:
        module = train(config, ids, answers, seed, schedule)
        keep(place, module)
    return module


def _lessons(
    truth: HiddenTruth, strings: tuple[str, ...], inputs: Ints, *, hidden: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids with BOS and padding, and the answers wanted, [inputs, 1 + tokens]."""

    def numbers(values: tuple[object, ...], rest: int) -> Ints:
        return np.array([*(strings.index(str(value), len(SPECIAL)) for value in values), rest])

    model = truth.model
    ids = numbers(model.vocabulary, PAD)[inputs]
    answers = numbers(model[model.output].values, IGNORED)[truth.wanted(inputs, hidden=hidden)]
    answers[inputs == NOTHING] = IGNORED
    padded = (np.pad(x, ((0, 0), (1, 0)), constant_values=c) for x, c in ((ids, BOS), (answers, IGNORED)))
    first, second = map(torch.from_numpy, padded)
    return first, second


def _card(behaviour: Behaviour, truth: HiddenTruth, seed: int, secret: str, name: str, twin: str = "") -> Card:
    figures: dict[str, Knob] = {
        "seed": seed,
        "inputs": " ".join(map(str, truth.model.vocabulary)),
        "longest input": LENGTH,
    }
    return Card(
        title=f"{name}{'' if twin else ', clean twin'}",
        kind="hidden behaviour" if twin else "clean twin of a hidden behaviour",
        summary=behaviour.summary,
        mechanism=(secret, *truth.steps()),
        figures=figures | ({"clean twin": twin} if twin else {}),
    )
