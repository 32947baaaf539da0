"""AgenticInterpBench: what each component of a circuit does, as one of five tags and a note (84 circuits, a JSON file each)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autointerp.errors import InputError
from autointerp.eval._answers import CircuitAnswer
from autointerp.eval.importers._names import component_of
from autointerp.eval.importers._reading import misfit, read_json
from autointerp.eval.importers._reference import Reference

_FORM = "`components`, each with `hook` and `role`: {`tag`, `note`}"


def read_agentic_interp_bench(folder: Path) -> list[Reference]:
    """The cases below `annotations/` of a copy of the data set, in the order of their names; one file does as well.

    Raises InputError where there are none, or for a file of another form.
    """
    places = [folder / "annotations", folder]
    paths = [folder] if folder.is_file() else next((p for at in places if (p := sorted(at.glob("case_*.json")))), [])
    if not paths:
        raise InputError(f"{folder} has no annotations/case_*.json: give the folder of a copy of AgenticInterpBench")
    return [_case(path) for path in paths]


def _case(path: Path) -> Reference:
    case = read_json(path)
    try:
        parts: list[dict[str, Any]] = case["components"]
        named = {component_of(part["hook"]): (str(part["role"]["tag"]), str(part["role"]["note"])) for part in parts}
    except (KeyError, TypeError, AttributeError) as error:
        raise misfit(path, _FORM) from error
    truth = CircuitAnswer(roles={name: tag for name, (tag, _) in named.items()})
    asks = f"Which of the tags {', '.join(sorted(set(truth.roles.values())))} and others fits each component?"
    return Reference(path.stem, asks, truth, notes=tuple((name, note) for name, (_, note) in named.items()))
