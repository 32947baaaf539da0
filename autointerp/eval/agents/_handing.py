"""What an agent's process writes when it is done."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: More is no answer to anything.
MOST_BYTES = 8_000_000


class Handed(BaseModel):
    """The answer as plain data, and what the agent says that it used."""

    model_config = ConfigDict(frozen=True)

    answer: dict[str, Any]
    forward_passes: int | None = Field(default=None, ge=0)
    dollars: float | None = Field(default=None, ge=0)


def handed_in(text: bytes) -> Handed | str:
    """What was written, or in one line why it cannot be read."""
    if len(text) > MOST_BYTES:
        return f"the answer has {len(text):,} bytes; at most {MOST_BYTES:,} are read"
    try:
        return Handed.model_validate_json(text)
    except ValidationError as error:
        return f"the answer cannot be read: {error.errors()[0]['msg']}"
