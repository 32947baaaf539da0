"""The table of all labels as one HTML file that asks the network for nothing: search, filters, order, links to the pages."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autointerp.errors import OutputError
from autointerp.labelling._label import Label
from autointerp.labelling._store import LabelStore
from autointerp.labelling._summary import EDGES, summarise

NAME = "index.html"
PAGES = "pages"


def page_of(feature: int) -> str:
    """Where the page of a feature stands, beside the table."""
    return f"{PAGES}/feature-{feature}.html"


def write_table(store: LabelStore) -> Path:
    """Write the table into the store's folder, replacing an older one in one step; returns its path. Raises OutputError.

    A row links to the page of its feature where that page is in the folder by now.
    """
    path = store.folder / NAME
    labels = list(store.labels())
    folder = store.folder / PAGES
    pages = {name.name for name in os.scandir(folder)} if folder.is_dir() else set[str]()
    script = _text("table.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    html = (
        _environment()
        .get_template("table.html.j2")
        .render(
            about=store.about,
            summary=summarise(labels),
            edges=EDGES,
            verdicts=sorted({_verdict(label) for label in labels}),
            stages=sorted({label.stage or "none" for label in labels}),
            rows=Markup(_embedded([_row(label, pages) for label in labels])),
            style=Markup(_text("table.css")),
            script=Markup(script),
            script_hash=digest,
        )
    )
    temporary = store.folder / f".autointerp-{secrets.token_hex(8)}.tmp"
    try:
        try:
            temporary.write_text(html, encoding="utf-8", newline="\n")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error.strerror}): choose a folder that you may write to") from error
    return path


def _verdict(label: Label) -> str:
    return label.verdict or label.status


def _row(label: Label, pages: set[str]) -> list[object]:
    """What the script shows of a feature, in the order that it expects."""
    link = page_of(label.feature)
    return [
        label.feature,
        label.fires_on or label.error or "",
        _verdict(label),
        _short(label.simulation),
        _short(label.low),
        _short(label.high),
        _short(label.control),
        _short(label.refine),
        None if label.density is None else float(f"{label.density:.3g}"),
        label.stage or "none",
        label.promotes if label.forward_passes else "",
        link if link.rpartition("/")[2] in pages else None,
        label.error or label.unscored or "",
    ]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _embedded(rows: list[list[object]]) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _text(name: str) -> str:
    return (files("autointerp.labelling") / "templates" / name).read_text(encoding="utf-8").strip()


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("autointerp.labelling"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
