"""Edits carried out: on the activations of a forward pass that may hold the texts of several requests.

Every edit becomes a list of cells, one (row, column) of the activations each, with a value for each cell. Cells of different
texts are independent, so the edits of all texts are made together, and a batch in which each row carries an edit of its own
costs what a batch with one edit costs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models._edits import Edit, Operation
from autointerp.models._positions import Marked, Positions, Text
from autointerp.records import Site, SiteKind

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The place of one request's texts in a forward pass.

    Attributes
    ----------
    text: the request's own texts.
    row, column: where the first of them starts in the batch of the pass.
    """

    text: Text
    row: int = 0
    column: int = 0

    @property
    def rows(self) -> slice:
        """Its rows of the pass."""
        return slice(self.row, self.row + len(self.text.ids))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What of its texts a forward pass computes.

    Attributes
    ----------
    mask: bool [batch, tokens] of the whole texts, those columns included that only the cache knows.
    first: the first column that is computed; those before it are in the cache.
    """

    mask: Tensor
    first: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """An edit and the texts that it is about."""

    edit: Edit
    block: Block


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Some (row, column) pairs of the activations, [cells] each, and what belongs to them.

    `columns` count from the first one computed. `value` [cells, …] broadcasts against the activations there; `start` is
    where the edited part of the width begins, and `width` how much it is, or None for all of it.
    """

    rows: Tensor
    columns: Tensor
    value: Tensor
    start: Tensor | None = None
    width: int | None = None

    def index(self) -> tuple[Tensor, ...]:
        """What picks the cells out of [batch, tokens, width, …]."""
        if self.start is None or self.width is None:
            return self.rows, self.columns
        inner = self.start[:, None] + torch.arange(self.width, device=self.start.device)
        return self.rows[:, None], self.columns[:, None], inner


def edited(placed: Sequence[Placed], frame: Frame, x: Tensor) -> Tensor:
    """The activations of a site after all edits there; x [batch, tokens, width] itself is left as it was."""
    if len(placed) == 1 and _is_whole(placed[0], x, frame):
        return _everywhere(placed[0].edit, x)
    pattern = placed[0].edit.site.kind is SiteKind.PATTERN
    return carried_out(list(_stages(placed, query_first(x, pattern), frame)), frame, x, pattern=pattern)


def carried_out(stages: Sequence[tuple[Operation, Cells]], frame: Frame, x: Tensor, *, pattern: bool) -> Tensor:
    """The activations of a site after one step of cells after the other."""
    before = after = query_first(x, pattern)
    for operation, cells in stages:
        picked = cells.index()
        old = after[picked]
        value = cells.value
        if operation is Operation.RESAMPLE:
            source = value.reshape(len(cells.rows), *(1,) * (picked[0].ndim - 1))
            value = _constant(before[source, *picked[1:]], before[picked], value == cells.rows)
        new = _operate(operation, old, value)
        if pattern:
            # What a padding key gets would take weight from the text, and no text run alone has that key.
            new = torch.where(frame.mask.to(x.device)[cells.rows][:, None, :], new, old)
        after = after.clone() if after is before else after
        after[picked] = new
    return query_first(after, pattern)


def query_first(x: Tensor, pattern: bool) -> Tensor:
    """Attention [batch, heads, queries, keys] with the queries where other sites have tokens (and back); others as they are."""
    return x.transpose(1, 2) if pattern else x


def selected(positions: Positions | Tensor | None, block: Block, frame: Frame, rows: Sequence[int] | None) -> Tensor:
    """Where a selection holds among the computed columns of a block, bool [rows, columns]."""
    text = block.text
    if rows is not None:
        which = torch.tensor(rows, dtype=torch.int64, device=text.ids.device)
        text = Text(text.ids[which], text.mask[which], text.prompt)
    chosen = resolved(positions, text)
    return chosen[:, max(0, frame.first - block.column) :]


def resolved(positions: Positions | Tensor | None, text: Text) -> Tensor:
    """Where positions hold in whole texts, bool [batch, tokens]; None is everywhere, padding included."""
    if positions is None:
        return torch.ones_like(text.mask)
    return (Marked(positions) if isinstance(positions, Tensor) else positions).resolve(text)


def cells_of(
    positions: Positions | Tensor | None, block: Block, frame: Frame, value: Tensor, rows: Sequence[int] | None = None
) -> Cells:
    """The cells that a selection picks, and `value` [texts, tokens, …] at each, broadcast over texts and tokens."""
    # The texts may be on another device than the layer that is edited.
    chosen = selected(positions, block, frame, rows).to(value.device)
    hidden = max(0, frame.first - block.column)
    if value.shape[0] not in (1, len(chosen)) or value.shape[1] not in (1, block.text.prompt):
        raise ModelError("not of the texts' shape")
    if value.shape[1] > 1:
        chosen = chosen.clone()
        chosen[:, max(0, value.shape[1] - hidden) :] = False
    row, column = chosen.nonzero(as_tuple=True)
    picked = value[row if value.shape[0] > 1 else row * 0, column + hidden if value.shape[1] > 1 else column * 0]
    own = row if rows is None else torch.tensor(rows, dtype=torch.int64, device=row.device)[row]
    return Cells(own + block.row, column + hidden + block.column - frame.first, picked)


def _stages(placed: Sequence[Placed], x: Tensor, frame: Frame) -> Iterable[tuple[Operation, Cells]]:
    """The edits of all texts in as few steps as keep the order that each text's edits have."""
    depth: dict[int, int] = defaultdict(int)
    stages: dict[tuple[Any, ...], list[Cells]] = {}
    for one in placed:
        cells = _cells(one, x, frame)
        key = (depth[id(one.block)], one.edit.operation, cells.width, cells.value.ndim)
        depth[id(one.block)] += 1
        stages.setdefault(key, []).append(cells)
    for key in sorted(stages, key=lambda key: key[0]):
        yield key[1], _joined(stages[key])


def _cells(one: Placed, x: Tensor, frame: Frame) -> Cells:
    """One edit as cells of x [batch, tokens, width] or [batch, queries, heads, keys]. Raises ModelError for a misfit."""
    edit, block = one.edit, one.block
    value = edit.value.to(x.device) if edit.operation is Operation.RESAMPLE else edit.value.to(x)
    rows, texts = edit.rows, len(block.text.ids)
    wanted = x.shape[2] if edit.part is None else edit.part[1] - edit.part[0]
    try:
        if rows is not None and not all(0 <= row < texts for row in rows):
            raise ModelError(f"rows {rows} of {texts} texts")
        if edit.part is not None and edit.part[1] > x.shape[2]:
            raise ModelError(f"part {edit.part} of {x.shape[2]}")
        if edit.operation is Operation.RESAMPLE:
            if bool(((value < 0) | (value >= texts)).any()):
                raise ModelError(f"texts to resample from are 0 to {texts - 1}")
            value = value.reshape(-1, 1) + block.row
        else:
            value = _query_first(value, block, x)
        cells = cells_of(edit.positions, block, frame, value, rows)
        if edit.operation is Operation.RESAMPLE:
            cells = _with_source(cells, block, frame)
        else:
            _check_width(edit, cells.value, (wanted, *x.shape[3:]))
    except (ModelError, RuntimeError) as error:
        raise misfit(edit, x, str(error) if isinstance(error, ModelError) else "") from error
    if edit.part is None:
        return cells
    start = torch.full_like(cells.rows, edit.part[0])
    return Cells(cells.rows, cells.columns, cells.value, start, wanted)


def _with_source(cells: Cells, block: Block, frame: Frame) -> Cells:
    """Those cells at which the text to take from has a token."""
    there = block.text.mask.to(cells.rows.device)[cells.value - block.row, cells.columns + frame.first - block.column]
    return Cells(cells.rows[there], cells.columns[there], cells.value[there])


def _query_first(value: Tensor, block: Block, x: Tensor) -> Tensor:
    """A value with all its axes, in the order of x; one row of attention per text reaches no key but the text's own."""
    value = value.reshape((1,) * (x.ndim - value.ndim) + value.shape)
    if x.ndim == 3:
        return value
    keys = value.shape[3]
    if keys == block.text.prompt != x.shape[3]:
        value = nn.functional.pad(value, (block.column, x.shape[3] - block.column - keys))
    return value.transpose(1, 2)


def _check_width(edit: Edit, value: Tensor, inner: tuple[int, ...]) -> None:
    found = tuple(value.shape[1:])
    fits = len(found) == len(inner) and all(have in (1, want) for have, want in zip(found, inner, strict=True))
    # A direction of one number is no direction.
    if not fits or (edit.operation is Operation.PROJECT_OUT and found[-1] != inner[-1]):
        raise ModelError(f"width {found} instead of {inner}")


def _joined(parts: Sequence[Cells]) -> Cells:
    """Cells of the same kind after each other."""
    if len(parts) == 1:
        return parts[0]
    inner = torch.broadcast_shapes(*(cells.value.shape[1:] for cells in parts))
    return Cells(
        torch.cat([cells.rows for cells in parts]),
        torch.cat([cells.columns for cells in parts]),
        torch.cat([cells.value.expand(len(cells.rows), *inner) for cells in parts]),
        torch.cat([cells.start for cells in parts if cells.start is not None]) if parts[0].start is not None else None,
        parts[0].width,
    )


def _is_whole(one: Placed, x: Tensor, frame: Frame) -> bool:
    """Whether an edit is of all that x holds, so that no cells need picking."""
    edit, text = one.edit, one.block.text
    if edit.positions is not None or edit.rows is not None or edit.part is not None:
        return False
    if x.ndim != 3 or len(text.ids) != len(x):
        return False
    if edit.operation is Operation.RESAMPLE:
        return bool(text.mask.all())
    return edit.value.ndim < 2 or edit.value.shape[-2] == 1 or (frame.first == 0 and x.shape[1] == text.prompt)


def _everywhere(edit: Edit, x: Tensor) -> Tensor:
    value = edit.value.to(x.device) if edit.operation is Operation.RESAMPLE else edit.value.to(x)
    try:
        if edit.operation is Operation.RESAMPLE:
            source = value.expand(len(x))
            return _constant(x[source], x, source == torch.arange(len(x), device=x.device))
        if edit.operation is Operation.PROJECT_OUT and value.shape[-1:] != x.shape[-1:]:
            raise RuntimeError("a direction has the width of the site")
        # Expanded to x and no further: a value of more texts than x would change the shape of everything after it.
        return _operate(edit.operation, x, value).expand_as(x)
    except (RuntimeError, IndexError) as error:
        raise misfit(edit, x) from error


def _constant(taken: Tensor, own: Tensor, same: Tensor) -> Tensor:
    """What is taken from other texts, as a constant, so that each gradient is of one text; `same` [rows]: from itself."""
    if not taken.requires_grad:
        return taken
    return torch.where(same.reshape(-1, *(1,) * (taken.ndim - 1)), own, taken.detach())


def _operate(operation: Operation, x: Tensor, v: Tensor) -> Tensor:
    if operation is Operation.ADD:
        return x + v
    if operation is Operation.SCALE:
        return x * v
    if operation is Operation.PROJECT_OUT:
        # A vector of length zero has no direction to take out.
        unit = v / v.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(v.dtype).tiny)
        without: Tensor = x - (x * unit).sum(-1, keepdim=True) * unit
        return without
    return v.expand_as(x)


def misfit(edit: Edit, x: Tensor, reason: str = "") -> ModelError:
    """What is wrong between an edit and activations, in one line."""
    shapes = f"value {tuple(edit.value.shape)} against activations {tuple(x.shape)}"
    if isinstance(edit.positions, Tensor):
        shapes += f" at positions {tuple(edit.positions.shape)}"
    return ModelError(f"the edit at {edit.site} does not fit: {shapes}" + (f" ({reason})" if reason else ""))


def changes(placed: Iterable[Placed], frame: Frame) -> dict[Site, Change]:
    """What a pass is to do at each site, each text's edits in the order given."""
    found: dict[Site, list[Placed]] = defaultdict(list)
    for one in placed:
        found[one.edit.site].append(one)
    return {site: partial(edited, here, frame) for site, here in found.items()}
