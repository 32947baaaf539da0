"""Generation under edits: several prompts of different length, a token a step, with a cache of keys and values.

An edit at an earlier token has left its mark in the cache, and no selection of positions changes its mind about earlier tokens
(see `_positions`), so going on from the cache computes what running the whole text again would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from autointerp.models._apply import Block, Frame, Placed, changes
from autointerp.models._batch import Batch
from autointerp.models._cache import below, empty_cache, partial_inputs, resumes, rows_of
from autointerp.models._edits import Edit
from autointerp.models._forward import Pass, forward
from autointerp.models._layout import Layout
from autointerp.models._positions import Text
from autointerp.models._run import joined_batch
from autointerp.models._usage import Usage


@dataclass(frozen=True, slots=True, eq=False)
class Continuation:
    """One generation, as data. The fields are the arguments of `Subject.generate`; the batch is padded on the left."""

    batch: Batch
    max_new_tokens: int
    edits: tuple[Edit, ...] = ()
    temperature: float = 0.0
    seed: int = 0
    stop: frozenset[int] = frozenset()

    @property
    def columns(self) -> int:
        """How many tokens its longest prompt has."""
        return self.batch.ids.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class Completions:
    """What was generated.

    Attributes
    ----------
    texts: token ids of prompt and continuation, without padding.
    new: the continuations alone, the stopping token included.
    usage: what the generation cost by itself; a pass that it shared counts as one.
    """

    texts: list[list[int]]
    new: list[list[int]]
    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True, eq=False)
class _Member:
    """A request in a decoding: its rows, and what each of them still may do."""

    request: Continuation
    row: int
    column: int
    new: list[list[int]]
    live: list[bool]
    draws: list[torch.Generator]
    usage: Usage = field(default_factory=Usage)

    @property
    def rows(self) -> range:
        return range(self.row, self.row + len(self.new))

    def accept(self, tokens: Sequence[int]) -> None:
        """Take the next token of each row that is not done."""
        for number, token in enumerate(tokens):
            if self.live[number]:
                self.new[number].append(token)
                enough = len(self.new[number]) >= self.request.max_new_tokens
                self.live[number] = not enough and token not in self.request.stop


class Decoding:
    """A generation under way, of several requests at once; each gets what it would have got alone."""

    def __init__(self, layout: Layout, requests: Sequence[Continuation]) -> None:
        self._layout = layout
        device = layout.device
        joint = joined_batch([request.batch for request in requests], left=True)
        self._ids, self._mask = joint.ids.to(device), joint.mask.to(device)
        self._cache = empty_cache() if resumes(layout) else None
        self._first = 0
        self._members: list[_Member] = []
        row = 0
        for request in requests:
            count = len(request.batch)
            draws = [torch.Generator().manual_seed((request.seed << 20 | number) % 2**63) for number in range(count)]
            column = self._ids.shape[1] - request.columns
            self._members.append(_Member(request, row, column, [[] for _ in range(count)], [True] * count, draws))
            row += count

    @property
    def tokens(self) -> int:
        """How many tokens the pass under way holds, those in the cache included."""
        return self._ids.numel()

    @property
    def requests(self) -> list[Continuation]:
        """Those that are not finished."""
        return [member.request for member in self._members]

    def step(self) -> tuple[Usage, list[tuple[Continuation, Completions]]]:
        """Generate one token for every text. Returns what it cost, and the requests that this finished."""
        chosen = self._choose(self._logits())
        cost = Usage(1, self._ids[:, self._first :].numel())
        for member in self._members:
            whole = self._first == 0
            member.usage.add(Usage(1, len(member.new) * (self._ids.shape[1] - member.column if whole else 1)))
            member.accept(chosen[member.row : member.row + len(member.new)])
        # A text that is done goes on unseen until its request is: other texts of the request may resample from it.
        token = torch.tensor(chosen, dtype=torch.int64, device=self._ids.device)[:, None]
        self._ids = torch.cat([self._ids, token], 1)
        self._mask = torch.cat([self._mask, torch.ones_like(token, dtype=torch.bool)], 1)
        self._first = self._ids.shape[1] - 1 if self._cache is not None else 0
        done = [member for member in self._members if not any(member.live)]
        if done:
            self._drop(done)
        return cost, [(member.request, _completions(member)) for member in done]

    @property
    def begun(self) -> bool:
        """Whether there has been a step."""
        return any(member.new[0] for member in self._members)

    def absorb(self, other: Decoding) -> None:
        """Take over the generations of another decoding; both have begun. Those with fewer columns get padding in front."""
        columns = max(self._ids.shape[1], other._ids.shape[1])
        rows = len(self._ids)
        for one in (self, other):
            for member in one._members:
                member.column += columns - one._ids.shape[1]
        for member in other._members:
            member.row += rows
        joint = joined_batch([Batch(self._ids, self._mask), Batch(other._ids, other._mask)], left=True)
        self._ids, self._mask = joint.ids, joint.mask
        self._members += other._members
        if self._cache is not None and other._cache is not None:
            self._cache = below(self._cache, other._cache)
            self._first = columns - 1

    def drop(self, requests: Sequence[Continuation]) -> None:
        """Go on without some of the requests."""
        self._drop([member for member in self._members if any(member.request is request for request in requests)])

    def _logits(self) -> Tensor:
        """Of the token after each text, [batch, vocabulary]."""
        inputs = partial_inputs(self._layout, self._ids, self._mask, self._cache, self._first)
        placed = [Placed(edit, block) for member, block in self._blocks() for edit in member.request.edits]
        edits = changes(placed, Frame(self._mask, self._first))
        read = forward(self._layout, Pass(inputs, edits=edits, logits=True, ending=self._cache is not None))
        assert read.logits is not None
        return read.logits[:, -1].float()

    def _blocks(self) -> list[tuple[_Member, Block]]:
        found = []
        for member in self._members:
            rows = slice(member.rows.start, member.rows.stop)
            text = Text(self._ids[rows, member.column :], self._mask[rows, member.column :], member.request.columns)
            found.append((member, Block(text, member.row, member.column)))
        return found

    def _choose(self, logits: Tensor) -> list[int]:
        """The likeliest token, or one drawn at the request's temperature from a stream of each text's own."""
        chosen: list[int] = logits.argmax(1).tolist()
        for member in self._members:
            if member.request.temperature > 0:
                for row, draw in zip(member.rows, member.draws, strict=True):
                    shares = (logits[row].double().cpu() / member.request.temperature).softmax(0).cumsum(0)
                    at = torch.rand((), generator=draw, dtype=torch.float64) * shares[-1]
                    chosen[row] = min(int(torch.searchsorted(shares, at, right=True)), len(shares) - 1)
        return chosen

    def _drop(self, members: Sequence[_Member]) -> None:
        self._members = [member for member in self._members if not any(member is gone for gone in members)]
        kept = torch.tensor([row for member in self._members for row in member.rows], dtype=torch.int64)
        kept = kept.to(self._ids.device)
        row = 0
        for member in self._members:
            member.row, row = row, row + len(member.new)
        self._ids, self._mask = self._ids[kept], self._mask[kept]
        if self._cache is not None and self._members and self._cache.get_seq_length():
            self._cache = rows_of(self._cache, kept, self._cache.get_seq_length())


def _completions(member: _Member) -> Completions:
    prompts = [
        ids[mask].tolist() for ids, mask in zip(member.request.batch.ids, member.request.batch.mask, strict=True)
    ]
    texts = [[*prompt, *new] for prompt, new in zip(prompts, member.new, strict=True)]
    return Completions(texts, member.new, member.usage)
