"""One record as one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autointerp.records import RunRecord, Score
from autointerp.report import _charts, _examples, _numbers
from autointerp.report._claims import claims, other_evidence, state
from autointerp.report._glossary import label, meaning
from autointerp.report._notebook import clock, notebook_of
from autointerp.report._program import coloured_lines
from autointerp.report._tokens import chip, coded, one_line, prose, window

#: From this share of the maximum on, black text reads better than white on the highlight of a dark page.
HOT = 0.57
#: Predictions below this share of the maximum are not underlined: most programs say a little more than zero everywhere.
FAINT = 0.05


def page(record: RunRecord) -> str:
    """The page of one graded run: a complete HTML document with its styles, its drawings and one small script inside.

    It needs no network and no JavaScript (the script only replaces the browser's tooltips by quicker ones). Its content
    security policy forbids loading anything and running any other script.
    """
    script = _source("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    program = record.explanation.predictor
    template = _environment().get_template("page.html.j2")
    return template.render(
        record=record,
        explanation=record.explanation,
        stats=record.stats,
        scores=list(zip(record.scores, _charts.score_bars(record), strict=True)),
        figured=any(isinstance(score, Score) and score.also for score in record.scores),
        program=coloured_lines(prose(program.source)) if program else [],
        claims=claims(record),
        other_evidence=other_evidence(record),
        groups=_examples.grouped(record.examples),
        predicted=any(example.predicted is not None for example in record.examples),
        histogram=_charts.histogram(record.stats),
        notebook=notebook_of(record.ledger),
        style=Markup(_source("page.css")),
        script=Markup(script),
        script_hash=digest,
    )


def _source(name: str) -> str:
    environment = _environment()
    if environment.loader is None:
        raise LookupError("the report templates have no loader")
    return environment.loader.get_source(environment, name)[0].strip()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autointerp.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "chip": chip,
        "clock": clock,
        "coded": coded,
        "dollars": _numbers.dollars,
        "duration": _numbers.duration,
        "label": label,
        "meaning": meaning,
        "minus": lambda text: text.replace("-", "\N{MINUS SIGN}"),
        "number": _numbers.number,
        "one_in": _numbers.one_in,
        "one_line": one_line,
        "percent": _numbers.percent,
        "prose": prose,
        "score": _numbers.score_number,
        "signed": _numbers.signed,
        "state": state,
        "window": window,
    }
    environment.tests["scored"] = lambda result: isinstance(result, Score)
    environment.globals |= {
        "charts": _charts,
        "hot": HOT,
        "faint": FAINT,
        "quantiles": _examples.QUANTILES,
        "strength": _examples.strength,
    }
    return environment
