"""A clean run, and what of it has to be computed again for texts with edits in them.

An edit leaves the layers before it as they were. In a causal model it also leaves the tokens before it; and where it is made
inside a block behind the mixing of tokens, it changes that block's output at its own token only. So a text with edits goes
through two kinds of passes: the block of its edits, for the edited tokens alone, and the blocks after it, from the first
edited token on. Keys and values of the tokens before come from the clean run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._apply import Frame, misfit, resolved
from autointerp.models._batch import Batch
from autointerp.models._cache import empty_cache, partial_inputs, resumes, rows_of
from autointerp.models._edits import Edit, Operation
from autointerp.models._forward import Pass, Read, forward
from autointerp.models._joining import limits
from autointerp.models._positions import Text
from autointerp.models._stages import Edits, changes_of
from autointerp.models._usage import Usage
from autointerp.records import Site, SiteKind

if TYPE_CHECKING:
    from autointerp.models._layout import Layout
    from autointerp.models._subject import Subject

#: Where an edit at a token changes the block's output at that token alone. Keys, values and what they are computed from are
#: read by later tokens too.
_LOCAL = frozenset(
    {
        SiteKind.Q,
        SiteKind.PATTERN,
        SiteKind.HEAD_OUT,
        SiteKind.ATTN_OUT,
        SiteKind.MLP_IN,
        SiteKind.MLP_HIDDEN,
        SiteKind.MLP_OUT,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One text with its edits, on its way through the model.

    Attributes
    ----------
    number, text: its place in the result, and which text it is.
    edits: those still to be made, each with the columns where.
    skip: how many blocks it starts behind.
    first, last: the first column that differs from the clean run there, and the last that an edit is at.
    changed: what the stream is behind the skipped blocks from `first` to `last`, [columns, width]; None where it is clean.
    """

    number: int
    text: int
    edits: tuple[tuple[Edit, tuple[int, ...]], ...]
    skip: int
    first: int
    last: int
    changed: Tensor | None = field(default=None)


class Suffixes:
    """The texts of a sweep, run clean, and what is computed of them again."""

    def __init__(self, subject: Subject, batch: Batch, edits: Sequence[Sequence[Edit]]) -> None:
        self._subject, self._layout, self._batch, self._edits = subject, subject._layout, batch, edits
        self._columns = batch.ids.shape[1]
        self._skips = _skippable(self._layout)
        self._cache = empty_cache() if resumes(self._layout) else None
        self._budget, self._slack = limits(subject.device)
        self._chosen: dict[tuple[int, int, Any], tuple[int, ...]] = {}
        self._clean = Read()

    def run(self, texts: Sequence[int]) -> Iterator[tuple[list[int], Tensor]]:
        """Numbers of patches, and the logits after each, [numbers, vocabulary]; `texts` says which text each patch is of."""
        rows = [
            self._row(number, text, edits) for number, (text, edits) in enumerate(zip(texts, self._edits, strict=True))
        ]
        self._clean = self._run_clean(rows)
        assert self._clean.logits is not None
        same = [row for row in rows if not self._matters(row)]
        for start in range(0, max(1, len(same)), self._budget):
            here = same[start : start + self._budget]
            yield [row.number for row in here], self._clean.logits[self._index(here).to(self._clean.logits.device), -1]
        behind = [row for row in rows if self._matters(row) and not self._is_local(row)]
        behind += self._through_block([row for row in rows if self._matters(row) and self._is_local(row)])
        for group in self._groups([self._narrowed(row) for row in behind]):
            yield [row.number for row in group], self._to_logits(group)

    def _row(self, number: int, text: int, edits: Sequence[Edit]) -> _Row:
        self._layout.order(edit.site for edit in edits)
        for edit in edits:
            self._check(edit)
        placed = tuple((edit, self._where(text, edit)) for edit in edits)
        columns = [column for _, chosen in placed for column in chosen]
        skip = min((self._skipped(edit.site) for edit in edits), default=0)
        first = min(columns, default=0) if self._cache is not None else 0
        return _Row(number, text, placed if columns else (), skip, first, max(columns, default=0))

    def _check(self, edit: Edit) -> None:
        """See that a value is one for this text and of the site's width. Raises ModelError."""
        shape = edit.value.shape
        if edit.operation is Operation.RESAMPLE:
            return
        if edit.site.kind is SiteKind.PATTERN:
            # How many heads there are shows where the pattern is.
            if len(shape) > 4 or (len(shape) == 4 and shape[0] != 1):
                raise misfit(edit, torch.empty(1, 0, self._columns, self._columns, device="meta"))
            return
        width = self._subject.width_of(edit.site)
        inner = width if edit.part is None else edit.part[1] - edit.part[0]
        allowed = (inner,) if edit.operation is Operation.PROJECT_OUT else (1, inner)
        texts, tokens, own = ((1,) * (3 - len(shape)) + shape)[-3:]
        beyond = edit.part is not None and edit.part[1] > width
        if len(shape) > 3 or texts != 1 or tokens not in (1, self._columns) or own not in allowed or beyond:
            raise misfit(edit, torch.empty(1, self._columns, width, device="meta"))

    def _where(self, text: int, edit: Edit) -> tuple[int, ...]:
        """The columns of a text that an edit is at."""
        source = int(edit.value) if edit.operation is Operation.RESAMPLE else text
        key = (text, source, edit.positions)
        if key not in self._chosen:
            row = slice(text, text + 1)
            mask = self._batch.mask[row]
            chosen = resolved(edit.positions, Text(self._batch.ids[row], mask, self._columns))
            # Padding needs no edit, and none can be taken from it.
            chosen = chosen & mask & self._batch.mask[source]
            self._chosen[key] = tuple(chosen[0].nonzero()[:, 0].tolist())
        return self._chosen[key]

    def _skipped(self, site: Site) -> int:
        """How many blocks come before a site."""
        if not self._skips or site.kind is SiteKind.EMBED:
            return 0
        if site.kind is SiteKind.FINAL:
            return self._subject.layers
        return site.layer + (site.kind is SiteKind.RESID_POST)

    def _is_local(self, row: _Row) -> bool:
        """Whether only the edited tokens of one block have to be computed before the blocks after it."""
        sites = {edit.site.layer for edit, _ in row.edits}
        kinds = {edit.site.kind for edit, _ in row.edits}
        return self._cache is not None and self._skips and len(sites) == 1 and kinds <= _LOCAL

    def _matters(self, row: _Row) -> bool:
        """Whether anything can have changed at the last token."""
        if not row.edits:
            return False
        behind = row.skip + self._is_local(row)
        return self._cache is None or behind < self._subject.layers or row.last == self._columns - 1

    def _narrowed(self, row: _Row) -> _Row:
        """With all blocks behind it, only the last token counts."""
        if self._cache is None or row.skip < self._subject.layers:
            return row
        end = self._columns - 1
        changed = None if row.changed is None else row.changed[-1:]
        return replace(
            row, first=end, changed=changed, edits=tuple((edit, (end,)) for edit, at in row.edits if end in at)
        )

    def _run_clean(self, rows: Sequence[_Row]) -> Read:
        wanted = {edit.site for row in rows for edit, _ in row.edits if edit.operation is Operation.RESAMPLE}
        behind = {row.skip - 1 for row in rows} | {row.skip for row in rows if self._is_local(row)}
        streams = {Site(layer=layer, kind=SiteKind.RESID_POST) for layer in behind if 0 <= layer < self._subject.layers}
        inputs = partial_inputs(self._layout, self._batch.ids, self._batch.mask, self._cache, 0)
        task = Pass(inputs, wanted | streams, logits=True, ending=self._cache is not None)
        return self._forward(task, self._batch.ids.numel())

    def _groups(self, rows: Sequence[_Row]) -> Iterator[list[_Row]]:
        """Rows that go through a pass together: of one start, and near enough to each other in the first column they need."""
        by_start: dict[int, list[_Row]] = defaultdict(list)
        for row in rows:
            by_start[row.skip].append(row)
        for of_start in by_start.values():
            group: list[_Row] = []
            wasted = 0
            for row in sorted(of_start, key=lambda row: row.first):
                if group:
                    wasted += row.first - group[0].first
                    if wasted > self._slack or (len(group) + 1) * (self._columns - group[0].first) > self._budget:
                        yield group
                        group, wasted = [], 0
                group.append(row)
            if group:
                yield group

    def _through_block(self, rows: Sequence[_Row]) -> Iterator[_Row]:
        """The rows behind the block of their edits.

        Nothing there depends on the edits but the tokens that they are at, so one text can carry those of many patches, each
        at columns of its own.
        """
        by_block: dict[tuple[int, int], list[_Row]] = defaultdict(list)
        for row in rows:
            by_block[row.skip, row.text].append(row)
        for skip in sorted({skip for skip, _ in by_block}):
            packs = [pack for (start, _), here in by_block.items() if start == skip for pack in _packed(here)]
            size = max(1, self._budget // self._columns)
            for start in range(0, len(packs), size):
                yield from self._carried_by(packs[start : start + size], Site(layer=skip, kind=SiteKind.RESID_POST))

    def _carried_by(self, packs: Sequence[Sequence[_Row]], site: Site) -> Iterator[_Row]:
        edits = [(place, row.edits) for place, pack in enumerate(packs) for row in pack]
        stream = self._pass([pack[0] for pack in packs], edits, 0, capture=site).sites[site]
        for place, pack in enumerate(packs):
            for row in pack:
                changed = stream[place, row.first : row.last + 1]
                yield replace(row, edits=(), skip=site.layer + 1, changed=changed)

    def _to_logits(self, group: Sequence[_Row]) -> Tensor:
        read = self._pass(group, [(place, row.edits) for place, row in enumerate(group)], group[0].first, capture=None)
        assert read.logits is not None
        return read.logits[:, -1]

    def _pass(
        self, rows: Sequence[_Row], edits: Sequence[tuple[int, Edits]], first: int, *, capture: Site | None
    ) -> Read:
        """The columns from `first` on, from behind the blocks that the rows skip: to the logits, or as far as `capture`."""
        texts, skip = self._index(rows), rows[0].skip
        ids, mask = self._batch.ids[texts], self._batch.mask[texts]
        start = None
        if skip:
            site = Site(layer=skip - 1, kind=SiteKind.RESID_POST)
            clean = self._clean.sites[site]
            start = (site, self._stream(rows, clean[texts.to(clean.device), first:], first))
        cache = rows_of(self._cache, texts, first, unread=skip) if self._cache is not None and first else None
        inputs = partial_inputs(self._layout, ids, mask, cache, first)
        changes = changes_of(edits, self._clean.sites, Frame(mask, first))
        wanted = frozenset() if capture is None else frozenset({capture})
        task = Pass(inputs, wanted, changes, capture is None, start, ending=self._cache is not None)
        return self._forward(task, len(rows) * (self._columns - first))

    def _stream(self, rows: Sequence[_Row], clean: Tensor, first: int) -> Tensor:
        """The residual stream [rows, columns, width] from `first` on, with what is known to have changed."""
        changed = [(place, row) for place, row in enumerate(rows) if row.changed is not None]
        if changed:
            spans = [range(row.first - first, row.last + 1 - first) for _, row in changed]
            place = [place for (place, _), span in zip(changed, spans, strict=True) for _ in span]
            column = [column for span in spans for column in span]
            clean[place, column] = torch.cat([row.changed for _, row in changed if row.changed is not None])
        return clean

    def _index(self, rows: Sequence[_Row]) -> Tensor:
        return torch.tensor([row.text for row in rows], dtype=torch.int64, device=self._batch.ids.device)

    def _forward(self, task: Pass, tokens: int) -> Read:
        read = forward(self._layout, task)
        self._subject.usage.add(Usage(1, tokens))
        return read


def _skippable(layout: Layout) -> bool:
    try:
        return bool(layout.blocks)
    except ModelError:
        return False


def _packed(rows: Sequence[_Row]) -> list[list[_Row]]:
    """Rows of one text so grouped that no column is edited twice in a group."""
    packs: list[list[_Row]] = []
    # The first group in which a column is still free, so that many rows take no comparisons.
    free: dict[int, int] = defaultdict(int)
    for row in rows:
        columns = range(row.first, row.last + 1)
        place = max(free[column] for column in columns)
        if place == len(packs):
            packs.append([])
        packs[place].append(row)
        free |= dict.fromkeys(columns, place + 1)
    return packs
