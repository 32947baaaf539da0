"""A table of two columns, `feature,label`, in CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from autointerp.errors import InputError
from autointerp.study._labels import Label, label_of, text_of


class CsvLabels:
    """The first line names the columns; others beside `feature` and `label` are left alone."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """By its suffix."""
        return path.is_file() and path.suffix.lower() == ".csv"

    @staticmethod
    def read(path: Path) -> list[Label]:
        """All rows with a label. Raises InputError where a column is missing, or a feature is no number."""
        reader = csv.DictReader(io.StringIO(text_of(path)))
        columns = [name.strip().lower() for name in reader.fieldnames or ()]
        if not {"feature", "label"} <= set(columns):
            raise InputError(f"{path} has the columns {', '.join(columns) or 'none'}: feature and label are wanted")
        reader.fieldnames = columns
        rows = (label_of(path, str(reader.line_num), row["feature"], row["label"]) for row in reader)
        return [label for label in rows if label is not None]
