"""Generation: greedy text equals that of transformers, and under edits that of a loop over whole texts with plain hooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models import After, At, Batch, Edit, Generated, Marked, Operation, Positions, Subject, TokenIs
from autointerp.records import Site, SiteKind
from tests.models.families import FAMILIES, WIDTH, hooked, write_family
from tests.models.plain import plain_run

CAUSAL = [name for name, family in FAMILIES.items() if family.causal]
PROMPTS = [[0, 3, 4, 5, 6, 7, 8, 9], [0, 40, 30], [0, 11, 12, 13, 14]]
NEW = 9


def site(layer: int, kind: str) -> Site:
    return Site(layer=layer, kind=SiteKind(kind))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", params=CAUSAL)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Subject]:
    folder = write_family(FAMILIES[request.param], tmp_path_factory.mktemp("family"))
    return request.param, Subject.load(str(folder))


def loop(prompt: list[int], logits_of: Callable[[Tensor, int], Tensor], new: int = NEW) -> list[int]:
    """The likeliest token, time and again, running the whole text each time."""
    text = list(prompt)
    for _ in range(new):
        text.append(int(logits_of(torch.tensor([text]), len(prompt))[0, -1].argmax()))
    return text


def test_greedy_text_is_that_of_transformers(family: tuple[str, Subject]) -> None:
    _, subject = family
    batch = subject.batch(PROMPTS, side="left")
    ours = subject.generate(PROMPTS, max_new_tokens=NEW, stop=())
    theirs = subject.module.generate(
        batch.ids,
        attention_mask=batch.mask.long(),
        max_new_tokens=NEW,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=2,
    )
    start = batch.ids.shape[1]
    assert ours.new == theirs[:, start:].tolist()
    assert ours.texts == [[*prompt, *new] for prompt, new in zip(PROMPTS, ours.new, strict=True)]
    assert len({tuple(new) for new in ours.new}) == len(PROMPTS)
    stopping = subject.module.generate(
        batch.ids,
        attention_mask=batch.mask.long(),
        max_new_tokens=NEW,
        do_sample=False,
        eos_token_id=ours.new[0][2],
        pad_token_id=2,
    )
    stopped = subject.generate(PROMPTS, max_new_tokens=NEW, stop=[ours.new[0][2]])
    for new, row in zip(stopped.new, stopping[:, start:].tolist(), strict=True):
        assert new == row[: len(new)]
        assert set(row[len(new) :]) <= {2}
    assert len(stopped.new[0]) <= 3


@pytest.mark.parametrize("kind", ["mlp_hidden", "resid_post", "k", "head_out"])
def test_text_under_edits_is_that_of_a_loop_with_hooks(family: tuple[str, Subject], kind: str) -> None:
    """At every token, with the cache: an edit before the last token has left its mark in the keys and values."""
    name, subject = family
    place = FAMILIES[name].places[kind]
    value = 2 * noise(FAMILIES[name].width(kind))

    def logits_of(ids: Tensor, _: int) -> Tensor:
        return hooked(subject.module, ids, edits={kind: (place, lambda x: x * value)}, layer=1)[1].logits

    given = [Edit(site(1, kind), Operation.SCALE, value)]
    expected = [loop(prompt, logits_of) for prompt in PROMPTS]
    assert subject.generate(PROMPTS, max_new_tokens=NEW, edits=given, stop=()).texts == expected
    assert subject.generate(PROMPTS, max_new_tokens=NEW, stop=()).texts != expected


SELECTIONS: dict[str, tuple[Positions, Callable[[list[int], int, int], bool]]] = {
    "generated": (Generated(), lambda text, prompt, place: place >= prompt),
    "prompt": (~Generated(), lambda text, prompt, place: place < prompt),
    "ends of the prompt": (At([1, -1]), lambda text, prompt, place: place in (1, prompt - 1)),
    "a number to come": (At([9, 10]), lambda text, prompt, place: place in (9, 10)),
    "even tokens": (TokenIs(range(0, 300, 2)), lambda text, prompt, place: text[place] % 2 == 0),
    "after a token": (
        After(TokenIs(range(150, 300))),
        lambda text, prompt, place: any(token >= 150 for token in text[:place]),
    ),
}


@pytest.mark.parametrize("selection", SELECTIONS)
def test_positions_follow_the_growing_text(subject: Subject, selection: str) -> None:
    positions, told = SELECTIONS[selection]
    first, second, value, gain = site(0, "mlp_out"), site(1, "resid_post"), 4 * noise(32), torch.tensor(0.4)

    def logits_of(ids: Tensor, prompt: int) -> Tensor:
        text = ids[0].tolist()
        where = torch.tensor([[told(text, prompt, place) for place in range(len(text))]])[..., None]
        hooks = [
            (first, lambda x: torch.where(where, x + value, x)),
            (second, lambda x: torch.where(where, x * gain, x)),
        ]
        return plain_run(subject.module, ids, edits=hooks)[1]

    given = [Edit(first, Operation.ADD, value, positions), Edit(second, Operation.SCALE, gain, positions)]
    expected = [loop(prompt, logits_of, 14) for prompt in PROMPTS]
    assert subject.generate(PROMPTS, max_new_tokens=14, edits=given, stop=()).texts == expected
    assert subject.generate(PROMPTS, max_new_tokens=14, stop=()).texts != expected


def test_values_and_masks_of_the_prompt_say_nothing_of_what_is_generated(subject: Subject) -> None:
    batch = subject.batch(PROMPTS, side="left")
    where, value, mask = site(1, "resid_post"), 3 * noise(*batch.ids.shape, 32), noise(*batch.ids.shape) > 0
    mask &= batch.mask
    for edit in (Edit(where, Operation.ADD, value), Edit(where, Operation.SET, value[:, :1], Marked(mask))):
        found = subject.generate(batch, max_new_tokens=NEW, edits=[edit], stop=())
        for row, prompt in enumerate(PROMPTS):
            fill = batch.ids.shape[1] - len(prompt)

            def change(
                x: Tensor, row: int = row, fill: int = fill, edit: Edit = edit, known: int = len(prompt)
            ) -> Tensor:
                x = x.clone()
                if edit.positions is None:
                    x[:, :known] += value[row : row + 1, fill:]
                else:
                    chosen = torch.cat([mask[row, fill:], torch.zeros(x.shape[1] - known, dtype=torch.bool)])
                    x[:, chosen] = value[row, 0]
                return x

            text = loop(
                prompt, lambda ids, _, change=change: plain_run(subject.module, ids, edits=[(where, change)])[1]
            )
            assert found.texts[row] == text


def test_resampling_goes_on_while_texts_are_generated(subject: Subject) -> None:
    prompts, where = [[0, 70, 71, 72], [0, 80, 81, 82]], site(1, "mlp_out")
    texts = torch.tensor(prompts)
    for _ in range(NEW):
        logits = plain_run(subject.module, texts, edits=[(where, lambda x: x[[1, 1]])])[1]
        texts = torch.cat([texts, logits[:, -1:].argmax(-1)], 1)
    edit = Edit(where, Operation.RESAMPLE, torch.tensor([1, 1]))
    assert subject.generate(prompts, max_new_tokens=NEW, edits=[edit], stop=()).texts == texts.tolist()


def test_each_text_stops_by_itself(subject: Subject) -> None:
    free = subject.generate(PROMPTS, max_new_tokens=20, stop=()).new
    stop = {free[0][3], free[1][7]}
    stopped = subject.generate(PROMPTS, max_new_tokens=20, stop=stop).new
    for row, new in enumerate(free):
        ends = [place for place, token in enumerate(new) if token in stop]
        assert stopped[row] == (new[: ends[0] + 1] if ends else new)


def test_the_model_ends_texts_with_its_own_token_by_default(subject: Subject) -> None:
    """The tiny model's is 0: an edit that favours it ends the text at once."""
    where, direction = site(0, "final"), subject.unembedding[0]
    edit = Edit(where, Operation.ADD, 100 * direction / subject.module.model.norm.weight)
    assert subject.generate([[0, 70]], max_new_tokens=5, edits=[edit]).new == [[0]]


def test_drawing_follows_the_seed_and_the_distribution(subject: Subject) -> None:
    drawn = subject.generate(PROMPTS, max_new_tokens=NEW, temperature=1.0, seed=3, stop=())
    again = subject.generate(PROMPTS, max_new_tokens=NEW, temperature=1.0, seed=3, stop=())
    other = subject.generate(PROMPTS, max_new_tokens=NEW, temperature=1.0, seed=4, stop=())
    assert drawn.new == again.new
    assert drawn.new != other.new
    rows = 4000
    tokens = subject.generate([[0, 70, 71]] * rows, max_new_tokens=1, temperature=2.0, stop=()).new
    counts = torch.bincount(torch.tensor(tokens)[:, 0], minlength=300)
    with torch.no_grad():
        shares = (subject.module(torch.tensor([[0, 70, 71]])).logits[0, -1] / 2).softmax(0)
    spread = (shares * (1 - shares) / rows).sqrt()
    assert ((counts / rows - shares).abs() <= 5 * spread + 1 / rows).all()


class Bare(nn.Module):
    """A causal model without a cache: each token is the mean of the embeddings so far, mixed once."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.mix = nn.Linear(8, 8)
        self.head = nn.Linear(8, 20)

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        mask = torch.ones_like(ids) if attention_mask is None else attention_mask
        x = self.embed(ids) * mask[..., None]
        x = x.cumsum(1) / mask.cumsum(1).clamp(min=1)[..., None]
        return self.head(torch.tanh(self.mix(x)))


def test_a_model_without_a_cache_generates_too() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Bare()
    subject = Subject.wrap(module, sites={"embed": "embed", "mlp_out.0": "mix"}, logits="head")
    prompts, value = [[0, 3, 4, 5], [0, 7]], 2 * noise(8)

    def logits_of(ids: Tensor, _: int) -> Tensor:
        handle = module.mix.register_forward_hook(lambda _, __, out: out + value)
        try:
            with torch.no_grad():
                return module(ids)
        finally:
            handle.remove()

    given = [Edit(site(0, "mlp_out"), Operation.ADD, value)]
    found = subject.generate(prompts, max_new_tokens=NEW, edits=given, stop=())
    assert found.texts == [loop(prompt, logits_of) for prompt in prompts]


def test_usage_counts_each_token_once(model_folder: Path) -> None:
    subject = Subject.load(str(model_folder))
    before = (subject.usage.forward_passes, subject.usage.tokens)
    found = subject.generate([[0, 70, 71], [0, 72]], max_new_tokens=5, stop=())
    assert (found.usage.forward_passes, found.usage.tokens) == (5, 6 + 4 * 2)
    assert (subject.usage.forward_passes, subject.usage.tokens) == (before[0] + 5, before[1] + 14)


@pytest.mark.parametrize(
    ("prompts", "arguments", "message"),
    [
        (PROMPTS, {"max_new_tokens": 0}, "max_new_tokens is 0"),
        (PROMPTS, {"temperature": -1.0}, "temperature is -1.0"),
        (PROMPTS, {"temperature": float("nan")}, "temperature is nan"),
        (PROMPTS, {"max_new_tokens": 57}, "65 tokens are more than the context of 64"),
        (PROMPTS, {"edits": [Edit(Site(layer=9, kind="q"), Operation.ADD, torch.zeros(1))]}, "has no layer 9"),
        (PROMPTS, {"edits": [Edit(Site(layer=1, kind="mlp_out"), Operation.ADD, torch.zeros(31))]}, "does not fit"),
        ([[0, 3], []], {}, "pad them on the left"),
        ([], {}, r"texts are int64 \[batch, tokens\]"),
        (Batch(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([[True, True, False]])), {}, "pad them on the left"),
        (Batch(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([[True, False, True]])), {}, "pad them on the left"),
    ],
)
def test_what_cannot_be_generated(subject: Subject, prompts: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        subject.generate(prompts, **({"max_new_tokens": 3} | arguments))


def test_an_encoder_writes_no_text(tmp_path: Path) -> None:
    encoder = Subject.load(str(write_family(FAMILIES["bert"], tmp_path)))
    with pytest.raises(ModelError, match="writes no text: generation needs a causal model with a head"):
        encoder.generate([[0, 3, WIDTH]], max_new_tokens=1)
