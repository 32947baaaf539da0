"""Explanations made elsewhere: a feature's number and a sentence about it, in the file formats of other projects."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autointerp._plugins import load_all, load_one, plugin_names
from autointerp.errors import InputError
from autointerp.records import Explanation, Verdict

GROUP = "autointerp.labels"


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody says of a feature."""

    feature: int
    text: str

    def explanation(self) -> Explanation:
        """As an explanation: words alone, which are taken for what it says of input and output, as the source does not say."""
        return Explanation(
            summary=self.text,
            fires_on=self.text,
            promotes=self.text,
            predictor=None,
            verdict=Verdict.EXPLAINED,
            confidence=0.5,
        )


class LabelFormat(Protocol):
    """A way in which labels come. Registered in the entry-point group `autointerp.labels` under its name."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether a file or folder looks like this format, cheaply."""
        ...

    @staticmethod
    def read(path: Path) -> list[Label]:
        """All labels. Raises InputError, which names the file and the place."""
        ...


def read_labels(path: Path, form: str | None = None) -> list[Label]:
    """Read labels in the format of that name, or in the one that recognises the file.

    Raises InputError where no format does, or there is no label in it; PluginError for an unknown name.
    """
    if not path.exists():
        raise InputError(f"there is no {path}: give a record, a file of labels or a folder of them")
    if form is not None:
        chosen = load_one(GROUP, form)
    else:
        found = {name: kind for name, kind in load_all(GROUP).items() if kind.recognises(path)}
        if len(found) != 1:
            names = ", ".join(plugin_names(GROUP))
            raise InputError(
                f"{path} is no record and looks like {len(found)} formats of labels: say --format, of {names}"
            )
        (chosen,) = found.values()
    labels: Sequence[Label] = chosen.read(path)
    if not labels:
        raise InputError(f"{path} holds no label: every feature in it is without a text")
    return list(labels)


def text_of(path: Path) -> str:
    """The text of a file, unpacked where its name ends in .gz. Raises InputError where it cannot be read."""
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({error}): give a whole file in UTF-8") from error


def label_of(path: Path, place: str, feature: object, text: object) -> Label | None:
    """A label of what was found at a place in a file; None for one without a text. Raises InputError for no number."""
    try:
        number = int(str(feature).strip())
    except ValueError:
        number = -1
    if number < 0:
        raise InputError(f"{path}:{place} has the feature {feature!r:.40}: a whole number from 0 is wanted")
    said = " ".join(text.split()) if isinstance(text, str) else ""
    return Label(number, said) if said else None
