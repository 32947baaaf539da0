"""Texts that a scientist writes: checked, turned into tokens, and shown with a value at each token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from autointerp.errors import RetryWithOther
from autointerp.records import Site
from autointerp.tools._bench import Workbench

#: Texts of one call, and characters of one text.
MOST_TEXTS, MOST_CHARACTERS = 32, 20_000

Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
Texts = Annotated[
    tuple[Text, ...],
    Field(min_length=1, max_length=MOST_TEXTS, description="Texts of your own, up to 32; each must fit the context."),
]
FeatureNumber = Annotated[
    int | None, Field(ge=0, description="Number of the feature; null for the feature under study.")
]
Positions = Annotated[
    tuple[int, ...] | None,
    Field(
        min_length=1,
        max_length=256,
        description="Token positions to intervene at: 0 is the first token of the text, -1 the last; null for all.",
    ),
]
Read = Annotated[
    int, Field(description="Position whose next-token prediction is compared: 0 is the first token, -1 the last.")
]
Count = Annotated[int, Field(ge=1, le=50, description="How many tokens to list at either end.")]


def feature_number(bench: Workbench, asked: int | None, argument: str = "feature") -> int:
    """The feature that is meant. Raises RetryWithOther for one that the dictionary does not have."""
    feature = bench.feature.index if asked is None else asked
    if not 0 <= feature < bench.dictionary.size:
        raise RetryWithOther(
            argument, f"there is no feature {feature}: give a number from 0 to {bench.dictionary.size - 1}"
        )
    return feature


def token_ids(bench: Workbench, texts: Sequence[str], argument: str = "texts") -> list[list[int]]:
    """Token ids of each text, BOS first.

    Raises RetryWithOther for a text without tokens, one longer than the context, and one that repeats a held-out passage.
    """
    subject = bench.subject
    found = []
    for number, text in enumerate(texts):
        ids = subject.encode(text)
        which = argument if len(texts) == 1 else f"{argument}.{number}"
        if not 0 < len(ids) < subject.context:
            raise RetryWithOther(which, f"it has {len(ids)} tokens: give a text of 1 to {subject.context - 1}")
        refuse_held_out(bench, ids, which)
        found.append([subject.bos, *ids])
    return found


def refuse_held_out(bench: Workbench, ids: Sequence[int], argument: str) -> None:
    """Raise RetryWithOther for tokens that repeat a passage kept for grading."""
    if bench.held_out(ids):
        raise RetryWithOther(
            argument, "it repeats a passage of the held-out documents word for word: write another text"
        )


def strings(bench: Workbench, ids: Iterable[int]) -> tuple[str, ...]:
    """Each token as the text that it adds."""
    names = bench.subject.strings
    return tuple(names[i] for i in ids)


def columns(positions: Sequence[int] | None, ids: Sequence[int], argument: str = "positions") -> list[int]:
    """Where positions of a text are in its ids, which start with BOS; all of the text for None."""
    length = len(ids) - 1
    if positions is None:
        return list(range(1, length + 1))
    return [column(position, ids, argument) for position in positions]


def column(position: int, ids: Sequence[int], argument: str) -> int:
    """Where a position of a text is in its ids. Raises RetryWithOther outside of the text."""
    length = len(ids) - 1
    if not -length <= position < length:
        raise RetryWithOther(
            argument, f"{position} is outside a text of {length} tokens: give {-length} to {length - 1}"
        )
    return 1 + position % length


def single_tokens(bench: Workbench, texts: Sequence[str], argument: str = "tokens") -> list[int]:
    """The token id of each text. Raises RetryWithOther for one that is not a single token."""
    found = []
    for number, text in enumerate(texts):
        ids = bench.subject.encode(text)
        if len(ids) != 1:
            pieces = list(strings(bench, ids))
            which = argument if len(texts) == 1 else f"{argument}.{number}"
            raise RetryWithOther(which, f"{text!r:.80} is {len(ids)} tokens, {pieces[:8]}: give single tokens")
        found += ids
    return found


def site_of(bench: Workbench, name: str, argument: str) -> Site:
    """A site by its name, such as resid_post.3. Raises RetryWithOther, which lists those that the model has."""
    there = bench.subject.sites()
    for site in there:
        if name == str(site):
            return site
    kinds = dict.fromkeys(site.kind for site in there)
    spans = [
        f"{kind}.{layers[0]} to {layers[-1]}"
        for kind in kinds
        if (layers := [s.layer for s in there if s.kind is kind])
    ]
    raise RetryWithOther(argument, f"there is no site {name!r}: there are {', '.join(spans)}")


def visible(text: str) -> str:
    """A token or text on one line."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def marked(tokens: Sequence[str], values: Sequence[float]) -> str:
    """The text on one line, each token that has a value in brackets with it."""
    return "".join(
        f"[{visible(token)}]({value:.3g})" if value else visible(token)
        for token, value in zip(tokens, values, strict=True)
    )
