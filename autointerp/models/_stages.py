"""Edits of many texts collected into steps, so that a step costs a few tensor operations however many texts it edits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from autointerp.models._apply import Cells, Change, Frame, carried_out, misfit, query_first
from autointerp.models._edits import Edit, Operation
from autointerp.records import Site, SiteKind

#: A text's edits, each with the columns that it is at.
Edits = Sequence[tuple[Edit, tuple[int, ...]]]


class Stage:
    """Edits of one operation at one site, of parts of one width, at most one for each column of a text; `edit` is one."""

    def __init__(self, edit: Edit) -> None:
        self.edit = edit
        self._pattern = edit.site.kind is SiteKind.PATTERN
        self._width = None if edit.part is None else edit.part[1] - edit.part[0]
        self._rows: list[int] = []
        self._columns: list[int] = []
        self._starts: list[int] = []
        self._sources: list[int] = []
        self._values: list[Tensor] = []

    def add(self, edit: Edit, row: int, columns: tuple[int, ...]) -> None:
        """An edit of the text in `row` of the pass."""
        self._rows += [row] * len(columns)
        self._columns += columns
        if edit.part is not None:
            self._starts += [edit.part[0]] * len(columns)
        if edit.operation is Operation.RESAMPLE:
            self._sources += [int(edit.value)] * len(columns)
            return
        axes = 4 if self._pattern else 3
        value = query_first(edit.value.reshape((1,) * (axes - edit.value.ndim) + edit.value.shape), self._pattern)[0]
        several = value.shape[0] > 1
        self._values.append(value[torch.tensor(columns)] if several else value.expand(len(columns), *value.shape[1:]))

    def cells(self, clean: Tensor | None, frame: Frame, x: Tensor) -> tuple[Operation, Cells]:
        """The step, for a pass over the columns from `frame.first` on that has come to `x`.

        `clean` is what the clean run read at the site.
        """
        device = x.device
        rows, columns = torch.tensor(self._rows, device=device), torch.tensor(self._columns, device=device)
        starts = None if self._width is None else torch.tensor(self._starts, device=device)
        if self.edit.operation is not Operation.RESAMPLE:
            inner = torch.broadcast_shapes(*(value.shape[1:] for value in self._values))
            value = torch.cat([value.expand(len(value), *inner) for value in self._values]).to(x)
            return self.edit.operation, Cells(rows, columns - frame.first, value, starts, self._width)
        assert clean is not None
        sources = torch.tensor(self._sources, device=device)
        value = query_first(clean, self._pattern)[Cells(sources, columns, rows, starts, self._width).index()]
        if self._pattern:
            # As many keys as the pass comes to.
            value = value[..., : frame.mask.shape[1]]
        return Operation.SET, Cells(rows, columns - frame.first, value, starts, self._width)


def changes_of(rows: Iterable[tuple[int, Edits]], clean: dict[Site, Tensor], frame: Frame) -> dict[Site, Change]:
    """What a pass is to do at each site, from rows of the pass and the edits in each.

    A row may occur several times, as long as its edits are then at different columns.
    """
    stages: dict[Site, dict[tuple[Any, ...], Stage]] = defaultdict(dict)
    for row, edits in rows:
        depth: dict[Site, int] = defaultdict(int)
        for edit, columns in edits:
            width = None if edit.part is None else edit.part[1] - edit.part[0]
            key = (depth[edit.site], edit.operation, width)
            depth[edit.site] += 1
            stages[edit.site].setdefault(key, Stage(edit)).add(edit, row, columns)
    return {
        site: partial(_carry_out, [steps[key] for key in sorted(steps, key=lambda key: key[0])], clean.get(site), frame)
        for site, steps in stages.items()
    }


def _carry_out(stages: Sequence[Stage], clean: Tensor | None, frame: Frame, x: Tensor) -> Tensor:
    edit = stages[0].edit
    try:
        ready = [stage.cells(clean, frame, x) for stage in stages]
        return carried_out(ready, frame, x, pattern=edit.site.kind is SiteKind.PATTERN)
    except (RuntimeError, IndexError) as error:
        raise misfit(edit, x) from error
