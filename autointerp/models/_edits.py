"""Interventions as data: where, on which positions, which operation, with which value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from operator import index
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._positions import Positions, positions_from_dict
from autointerp.models._tensors import from_plain, plain
from autointerp.records import Site


class Operation(StrEnum):
    """What an edit does with the activation x and its value v."""

    SET = "set"
    ADD = "add"
    SCALE = "scale"
    PROJECT_OUT = "project_out"
    RESAMPLE = "resample"


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One change of the activations at a site.

    Attributes
    ----------
    site: where.
    operation: set x to v, add v to x, multiply x by v, take the component along v out of x, or put in its place what another
        text of the batch has at the same site and column, as it was before any edit there. Where that text has padding, x
        stays. A gradient takes what comes from another text for a constant.
    value: broadcastable to [batch, tokens, width]; a vector of [width], or one for each text or token, for `project_out`. For
        `resample` int64 [batch] or a single number: the text to take from. At a `pattern` site, broadcastable to [batch,
        heads, tokens, tokens]. A value of one token applies wherever the positions say; one of several has a row for each
        column of the prompts, and then nothing that is generated is edited.
    positions: where the edit applies: a selection, or bool [batch, tokens]; None for everywhere. At a `pattern` site the
        positions are those of the queries.
    rows: the texts of the batch to edit, by number; the value and the positions are then about these texts alone, and [batch]
        above is their number. None for all.
    part: the half-open range of the width to edit, such as the columns of one head in `head_out`; at a `pattern` site, of the
        heads. The value is then about this part alone. None for the whole.
    """

    site: Site
    operation: Operation
    value: Tensor
    positions: Positions | Tensor | None = None
    rows: tuple[int, ...] | None = None
    part: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.operation not in _OPERATIONS:
            raise ModelError(f"an edit cannot {self.operation!r}: there are {', '.join(Operation)}")
        object.__setattr__(self, "operation", Operation(self.operation))
        if self.operation is Operation.RESAMPLE and (self.value.dtype != torch.int64 or self.value.ndim > 1):
            found = f"{self.value.dtype} {tuple(self.value.shape)}"
            raise ModelError(f"the edit at {self.site} resamples from texts given as int64 [batch], not {found}")
        if self.positions is not None and not isinstance(self.positions, Positions | Tensor):
            raise ModelError(f"positions are a selection such as At or a bool tensor, not {self.positions!r:.60}")
        if self.rows is not None:
            object.__setattr__(self, "rows", tuple(index(row) for row in self.rows))
        if self.part is not None:
            start, stop = (index(end) for end in self.part)
            if not 0 <= start < stop:
                raise ModelError(f"the edit at {self.site} is of the empty part {start} to {stop}")
            object.__setattr__(self, "part", (start, stop))

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON can hold, the value bit by bit."""
        positions = self.positions
        return {
            "site": self.site.model_dump(mode="json"),
            "operation": str(self.operation),
            "value": plain(self.value),
            "positions": plain(positions) if isinstance(positions, Tensor) else positions and positions.to_dict(),
            "rows": None if self.rows is None else list(self.rows),
            "part": None if self.part is None else list(self.part),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Edit:
        """What `to_dict` wrote. Raises ModelError for anything else."""
        try:
            rows, part = data["rows"], data["part"]
            return cls(
                Site.model_validate(data["site"]),
                data["operation"],
                from_plain(data["value"]),
                read_positions(data["positions"]),
                None if rows is None else tuple(rows),
                None if part is None else (part[0], part[1]),
            )
        except (KeyError, TypeError, IndexError, ValidationError) as error:
            raise ModelError(f"not an edit as data: {data!r:.80}; write it with Edit.to_dict") from error


_OPERATIONS = frozenset(Operation)


def read_positions(data: dict[str, Any] | None) -> Positions | Tensor | None:
    """Positions from plain data: a selection, a mask or nothing."""
    if data is None:
        return None
    return positions_from_dict(data) if "positions" in data else from_plain(data)
