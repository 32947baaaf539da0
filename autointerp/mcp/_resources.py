"""What a host may attach: the features, and what runs found, as text in pages and as the page for people."""

from __future__ import annotations

import re
from dataclasses import dataclass

import mcp_types as types

from autointerp.errors import AutointerpError, RetryWithOther
from autointerp.mcp._book import page_of
from autointerp.mcp._desk import Desk
from autointerp.mcp._explain import result_text
from autointerp.mcp._looking import ListFeatures
from autointerp.mcp._opening import Tell
from autointerp.mcp._runs import Run
from autointerp.report import page
from autointerp.tools import all_tools

SCHEME = "autointerp"
_FEATURES = f"{SCHEME}://features"
_FEATURE = re.compile(rf"{SCHEME}://features/(\d{{1,12}})")
_RUN = re.compile(rf"{SCHEME}://runs/([\w-]{{1,40}})(?:/pages/(\d{{1,6}})|/(page\.html))?")
_TEXT, _HTML = "text/plain", "text/html"
#: Without asking anything else: what a feature's resource shows.
_SHOWN = ("feature_stats", "top_examples")


@dataclass(frozen=True, slots=True)
class Content:
    """What is at an address."""

    text: str
    mime_type: str


def templates() -> list[types.ResourceTemplate]:
    """The addresses with a part to fill in."""
    made = types.ResourceTemplate
    return [
        made(
            uri_template=f"{_FEATURES}/{{feature}}",
            name="feature",
            title="A feature",
            description="Figures of a feature, texts that activate it most, and runs that explained it.",
            mime_type=_TEXT,
        ),
        made(
            uri_template=f"{SCHEME}://runs/{{run}}",
            name="run",
            title="What a run found",
            description="The first page of what explain_result shows.",
            mime_type=_TEXT,
        ),
        made(
            uri_template=f"{SCHEME}://runs/{{run}}/pages/{{number}}",
            name="run_page",
            title="A page of what a run found",
            description="A further page of what explain_result shows.",
            mime_type=_TEXT,
        ),
        made(
            uri_template=f"{SCHEME}://runs/{{run}}/page.html",
            name="run_html",
            title="The page of a run, for people",
            description="One self-contained HTML document, in whole: to be looked at in a browser, too long for a model.",
            mime_type=_HTML,
            annotations=types.Annotations(audience=["user"]),
        ),
    ]


def resources(desk: Desk) -> list[types.Resource]:
    """What is there now: the list of features, and two addresses for every run that is done."""
    found = [
        types.Resource(
            uri=_FEATURES,
            name="features",
            title="Features",
            description="The features of the dictionary that are active most often.",
            mime_type=_TEXT,
        )
    ]
    for run in desk.runs.all():
        if run.state == "done":
            found += _of_run(run)
    return found


async def read(desk: Desk, uri: str, tell: Tell) -> Content:
    """What is at an address.

    Raises RetryWithOther for one that there is not, and what the tools raise that say the same.
    """
    if uri == _FEATURES:
        answer = await ListFeatures().answer(desk, {"order": "density", "count": 100}, tell)
        return Content(answer.text, _TEXT)
    if match := _FEATURE.fullmatch(uri):
        return Content(await _feature(desk, int(match[1]), tell), _TEXT)
    if match := _RUN.fullmatch(uri):
        run = desk.runs[match[1]]
        text = result_text(run)
        if match[3]:
            assert run.record is not None
            return Content(page(run.record), _HTML)
        if match[2]:
            return Content(page_of(text, run.id, int(match[2])), _TEXT)
        return Content(desk.book.first(text, run.id), _TEXT)
    known = ", ".join([_FEATURES, *(template.uri_template for template in templates())])
    raise RetryWithOther("uri", f"nothing is at {uri[:120]!r}; there are {known}")


def _of_run(run: Run) -> list[types.Resource]:
    what = f"feature {run.feature}, {run.strategy}"
    return [
        types.Resource(
            uri=f"{SCHEME}://runs/{run.id}",
            name=run.id,
            title=f"{run.id}: {what}",
            description="What the run found, as text.",
            mime_type=_TEXT,
        ),
        types.Resource(
            uri=f"{SCHEME}://runs/{run.id}/page.html",
            name=f"{run.id}.html",
            title=f"{run.id}: {what}, page for people",
            description="One self-contained HTML document, to be looked at in a browser.",
            mime_type=_HTML,
            annotations=types.Annotations(audience=["user"]),
        ),
    ]


async def _feature(desk: Desk, number: int, tell: Tell) -> str:
    laboratory = await desk.opening.wait(tell)
    there = all_tools()
    parts: list[str] = []
    async with desk.benches.at(laboratory, number) as toolbox:
        for name in _SHOWN:
            if name not in there:
                continue
            try:
                parts.append((await toolbox.acall(name)).text)
            except AutointerpError as error:
                parts.append(f"{name}: {error}\n")
    runs = [run for run in desk.runs.all() if run.feature == number]
    parts += [f"{run.id} ({run.strategy}): {run.state}\n" for run in runs]
    return desk.book.first("\n".join(parts))
