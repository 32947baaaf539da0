"""A folder of explanations as EleutherAI's Delphi writes them: `MODULE_latent12.txt`, each with one JSON string."""

from __future__ import annotations

import json
import re
from pathlib import Path

from autointerp.errors import InputError
from autointerp.study._labels import Label, label_of, text_of

#: What Delphi writes where its explainer's answer could not be read.
_FAILED = "Explanation could not be parsed."
_NAME = re.compile(r"(?P<module>.*)_(?:latent|feature)(?P<index>\d+)\.txt")


class DelphiLabels:
    """One file a feature, whose number stands in the file's name."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """A folder with at least one file of such a name, or one such file."""
        return any(_NAME.fullmatch(file.name) for file in _files(path))

    @staticmethod
    def read(path: Path) -> list[Label]:
        """All files of such a name. Raises InputError for one that is no JSON string, and where there are several modules."""
        named = [(file, match) for file in _files(path) if (match := _NAME.fullmatch(file.name))]
        modules = sorted({match["module"] for _, match in named})
        if len(modules) > 1:
            raise InputError(
                f"{path} holds explanations of {len(modules)} modules ({', '.join(modules[:3])}): give a folder for each"
            )
        labels = []
        for file, match in named:
            try:
                said = json.loads(text_of(file))
            except ValueError as error:
                raise InputError(f"{file} holds no JSON string: give the files as Delphi wrote them") from error
            if said != _FAILED:
                labels.append(label_of(file, "1", match["index"], said))
        return sorted((label for label in labels if label is not None), key=lambda label: label.feature)


def _files(path: Path) -> list[Path]:
    """The files of a folder, or of `explanations` in the folder of a run; a file by itself."""
    if not path.is_dir():
        return [path]
    below = path / "explanations"
    return sorted((below if below.is_dir() else path).iterdir())
