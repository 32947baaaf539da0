"""Reading JSON that somebody else wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autointerp.errors import InputError


def read_json(path: Path) -> Any:
    """What a file holds. Raises InputError where it cannot be read or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON file: {error}") from error


def misfit(path: Path, wanted: str) -> InputError:
    """What to raise for a file of another form."""
    return InputError(f"{path} has another form: it should have {wanted}")
