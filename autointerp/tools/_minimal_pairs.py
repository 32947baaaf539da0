"""`minimal_pairs`: change a text in one place and see what becomes of a feature's activation."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from autointerp.errors import RetryWithOther
from autointerp.tools._bench import Workbench
from autointerp.tools._changes import inside
from autointerp.tools._texts import MOST_CHARACTERS, FeatureNumber, Text, feature_number, marked, strings, token_ids
from autointerp.tools._tool import Arguments, Result, Tool


class Replacement(BaseModel):
    """One edit of a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    old: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, description="What to replace, exactly.")]
    new: Annotated[str, Field(max_length=MOST_CHARACTERS, description="What to put there; may be empty.")]
    which: Annotated[int, Field(ge=1, le=1000, description="Which occurrence, from 1.")] = 1


class MinimalPairsArguments(Arguments):
    """A text, and edits of it, each tried by itself."""

    text: Annotated[Text, Field(description="A text of your own.")]
    replacements: Annotated[
        tuple[Replacement, ...],
        Field(min_length=1, max_length=31, description="Edits; each is made in the original text, by itself."),
    ]
    feature: FeatureNumber = None


class Variant(Result):
    """One edited text, with the activation at every token.

    `same_before` and `same_after` are how many tokens at either end are those of the original; `before` and `after` are the
    strongest activations of the original and of the variant, `change` their difference, and `change_after_edit` the
    largest change, up or down, at a token behind the edit that both have (0 where there is none).
    """

    text: str
    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    same_before: int
    same_after: int
    before: float
    after: float
    change: float
    change_after_edit: float


class MinimalPairsResult(Result):
    """The original and its variants."""

    feature: int
    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    variants: tuple[Variant, ...]


class MinimalPairs(Tool[MinimalPairsArguments, MinimalPairsResult]):
    """See the module."""

    name = "minimal_pairs"
    description = (
        "Edit a text in one place at a time and compare a feature's activation, in activation units: the strongest anywhere,"
        " and the largest change at a token behind the edit that is itself the same. The quickest way to find out which part"
        " of a text a feature needs."
    )
    arguments = MinimalPairsArguments
    result = MinimalPairsResult

    def run(self, bench: Workbench, arguments: MinimalPairsArguments) -> MinimalPairsResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        edited = [
            replaced(arguments.text, one, f"replacements.{number}") for number, one in enumerate(arguments.replacements)
        ]
        ids = token_ids(bench, [arguments.text], "text")
        for number, text in enumerate(edited):
            ids += token_ids(bench, [text], f"replacements.{number}.new")
        site = bench.dictionary.input_site
        x = bench.run(bench.subject.batch(ids), capture=[site]).sites[site]
        values = inside(bench, bench.dictionary.encode_one(x, feature).float(), ids).tolist()
        rows = [row[1 : len(text)] for row, text in zip(values, ids, strict=True)]
        variants = []
        for text, own, row in zip(edited, ids[1:], rows[1:], strict=True):
            head, tail = shared(ids[0][1:], own[1:])
            behind = [b - a for a, b in zip(rows[0][::-1][:tail], row[::-1][:tail], strict=True)]
            variants.append(
                Variant(
                    text=text,
                    tokens=strings(bench, own[1:]),
                    activations=tuple(row),
                    same_before=head,
                    same_after=tail,
                    before=max(rows[0]),
                    after=max(row),
                    change=max(row) - max(rows[0]),
                    change_after_edit=max(behind, key=abs, default=0.0),
                )
            )
        original = strings(bench, ids[0][1:])
        return MinimalPairsResult(
            feature=feature, tokens=original, activations=tuple(rows[0]), variants=tuple(variants)
        )

    def render(self, result: MinimalPairsResult) -> str:
        """See `Tool.render`."""
        lines = [
            f"feature {result.feature}: [token](activation)",
            f"original: {marked(result.tokens, result.activations)}",
        ]
        lines += [
            f"{number}: strongest {v.before:.3g} → {v.after:.3g} ({v.change:+.3g}), behind the edit"
            f" {v.change_after_edit:+.3g}: {marked(v.tokens, v.activations)}"
            for number, v in enumerate(result.variants)
        ]
        return "\n".join(lines) + "\n"


def replaced(text: str, one: Replacement, argument: str) -> str:
    """The text with one occurrence replaced. Raises RetryWithOther where there is none."""
    start = -1
    for number in range(one.which):
        start = text.find(one.old, start + 1)
        if start < 0:
            raise RetryWithOther(
                f"{argument}.old", f"{one.old!r:.80} occurs {number} times in the text, not {one.which}"
            )
    found = text[:start] + one.new + text[start + len(one.old) :]
    if not found:
        raise RetryWithOther(f"{argument}.new", "nothing is left of the text: leave some")
    return found


def shared(first: list[int], second: list[int]) -> tuple[int, int]:
    """How many tokens two texts share at the start, and of the rest at the end."""
    most = min(len(first), len(second))
    head = next((i for i in range(most) if first[i] != second[i]), most)
    tail = next((i for i in range(most - head) if first[-1 - i] != second[-1 - i]), most - head)
    return head, tail
