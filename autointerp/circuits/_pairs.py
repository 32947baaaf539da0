"""Pairs of prompts that differ in what a task is about, and the checks that make their comparison mean something."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autointerp.errors import InputError
from autointerp.models import Subject

_FIELDS = ("clean", "corrupted", "right", "wrong")


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt, its counterfactual, and what is answered after the last token of each.

    Attributes
    ----------
    clean, corrupted: token ids of equal number, the first being BOS.
    right: the ids that answer the clean prompt; any of them counts.
    wrong: those that answer the corrupted one.
    """

    clean: tuple[int, ...]
    corrupted: tuple[int, ...]
    right: tuple[int, ...]
    wrong: tuple[int, ...]

    @property
    def changed(self) -> tuple[int, ...]:
        """The positions at which the prompts differ."""
        return tuple(i for i, (a, b) in enumerate(zip(self.clean, self.corrupted, strict=True)) if a != b)

    def swapped(self) -> Pair:
        """The same pair read the other way round."""
        return Pair(self.corrupted, self.clean, self.wrong, self.right)


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Pairs whose prompts are all of one length, as tensors; `rows` are their numbers among all pairs.

    Nothing is padded, so that no intervention has to say what it means at padding.
    """

    rows: Tensor
    clean: Tensor
    corrupted: Tensor
    right: Tensor
    wrong: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, some: slice | Tensor) -> Prompts:
        """Some of the pairs."""
        return Prompts(self.rows[some], self.clean[some], self.corrupted[some], self.right[some], self.wrong[some])


def prompts_of(subject: Subject, pairs: Sequence[Pair]) -> list[Prompts]:
    """Pairs grouped by their length, in the order of first appearance; answers as shares of a vocabulary-long row.

    `right` and `wrong` are [pairs, vocabulary] with 1 / number of answers at each answer.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        groups[len(pair.clean)].append(number)
    vocabulary = vocabulary_of(subject)

    def shares(answers: Sequence[tuple[int, ...]]) -> Tensor:
        rows = torch.zeros(len(answers), vocabulary)
        for row, ids in zip(rows, answers, strict=True):
            row[list(ids)] = 1 / len(ids)
        return rows

    return [
        Prompts(
            torch.tensor(numbers),
            torch.tensor([pairs[i].clean for i in numbers]),
            torch.tensor([pairs[i].corrupted for i in numbers]),
            shares([pairs[i].right for i in numbers]),
            shares([pairs[i].wrong for i in numbers]),
        )
        for numbers in groups.values()
    ]


def chunks(groups: Sequence[Prompts], size: int) -> Iterator[Prompts]:
    """The pairs of every group, at most `size` at a time."""
    for group in groups:
        for start in range(0, len(group), size):
            yield group.part(slice(start, start + size))


def vocabulary_of(subject: Subject) -> int:
    """How many logits the model has. Raises InputError for a model without."""
    if not subject.has_logits:
        raise InputError(f"{subject.name} has no logits: a task needs a model with a head")
    logits = subject.run(torch.tensor([subject.probe[:1]]), logits=True).logits
    assert logits is not None
    return logits.shape[-1]


def text_pair(subject: Subject, clean: str, corrupted: str, right: str, wrong: str) -> Pair:
    """A pair from texts, BOS put in front.

    Raises InputError where the tokenizer does not cut the two texts into equally many tokens, or does not continue a text
    by one token for its answer.
    """
    first, second = subject.encode(clean), subject.encode(corrupted)
    return Pair(
        (subject.bos, *first),
        (subject.bos, *second),
        (answer_after(subject, clean, right),),
        (answer_after(subject, corrupted, wrong),),
    )


def answer_after(subject: Subject, text: str, answer: str) -> int:
    """The one token by which the tokenizer continues a text with an answer. Raises InputError where it is not one."""
    before, after = subject.encode(text), subject.encode(text + answer)
    if len(after) != len(before) + 1 or after[: len(before)] != before:
        found = len(after) - len(before)
        raise InputError(
            f"the answer {answer!r} after {text[-30:]!r} is not one token more but {found}, or changes those before it: "
            "choose an answer and a text that the tokenizer keeps apart"
        )
    return after[-1]


def faults(subject: Subject, pair: Pair, vocabulary: int) -> list[str]:
    """What is wrong with a pair, in words; nothing where it is sound."""
    found = []
    if len(pair.clean) != len(pair.corrupted):
        found.append(f"clean has {len(pair.clean)} tokens and corrupted {len(pair.corrupted)}: they have to be aligned")
    elif not pair.changed:
        found.append("clean and corrupted are the same")
    elif pair.clean[0] != pair.corrupted[0]:
        found.append("the prompts differ in their first token, which is BOS")
    if len(pair.clean) < 2 or len(pair.clean) > subject.context:
        found.append(f"{len(pair.clean)} tokens are not 2 to {subject.context}")
    if not pair.right or not pair.wrong or set(pair.right) & set(pair.wrong):
        found.append(f"right {list(pair.right)} and wrong {list(pair.wrong)} have to be answers that differ")
    ids = {*pair.clean, *pair.corrupted, *pair.right, *pair.wrong}
    if outside := sorted(i for i in ids if not 0 <= i < vocabulary):
        found.append(f"id {outside[0]} is outside the vocabulary of {vocabulary}")
    return found


def check_pairs(subject: Subject, pairs: Sequence[Pair]) -> None:
    """See that pairs are sound for this model. Raises InputError, which names the first that is not and why."""
    if not pairs:
        raise InputError("a task without pairs: give one at least")
    vocabulary = vocabulary_of(subject)
    for number, pair in enumerate(pairs):
        if reasons := faults(subject, pair, vocabulary):
            raise InputError(f"pair {number}: {'; '.join(reasons)}")


def read_pairs(subject: Subject, path: Path) -> list[Pair]:
    """Pairs from JSON lines with the fields clean, corrupted, right, wrong.

    Each field is a text, or a list of token ids (prompts then start with BOS). A line may give several right or wrong answers
    as a list of texts.

    Raises InputError for a file that cannot be read, and for a line that is not such a pair, by its number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({error}): give a file of JSON lines") from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            pairs.append(_read_pair(subject, json.loads(line)))
        except (ValueError, InputError) as error:
            raise InputError(f"{path} line {number}: {error}") from error
    check_pairs(subject, pairs)
    return pairs


def _read_pair(subject: Subject, content: Any) -> Pair:
    if not isinstance(content, dict) or set(content) != set(_FIELDS):
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"a pair has the fields {', '.join(_FIELDS)}, found {found}")
    clean, corrupted = (_prompt(subject, content[field]) for field in _FIELDS[:2])
    right, wrong = (
        _answers(subject, content[prompt], content[field])
        for prompt, field in (("clean", "right"), ("corrupted", "wrong"))
    )
    return Pair(clean, corrupted, right, wrong)


def _prompt(subject: Subject, value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        return (subject.bos, *subject.encode(value))
    if _is_ids(value):
        return tuple(value)
    raise InputError(f"a prompt is a text or a list of token ids, not {value!r:.60}")


def _answers(subject: Subject, prompt: Any, value: Any) -> tuple[int, ...]:
    if _is_ids(value):
        return tuple(value)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(f"answers are a text, texts or token ids, not {value!r:.60}")
    if not isinstance(prompt, str):
        raise InputError("answers to prompts of token ids are token ids")
    return tuple(answer_after(subject, prompt, text) for text in texts)


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(i) is int for i in value)
