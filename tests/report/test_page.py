from __future__ import annotations

import base64
import hashlib
import itertools
import re

import pytest

from autointerp.records import RunRecord, Score, Unscored
from autointerp.report import page
from tests.report.parsed import Node, parse

RECORDS = ("rich_record", "hostile_record", "dead_record")


@pytest.fixture
def record(request: pytest.FixtureRequest) -> RunRecord:
    value = request.getfixturevalue(request.param)
    assert isinstance(value, RunRecord)
    return value


every_record = pytest.mark.parametrize("record", RECORDS, indirect=True)


def section(html: Node, name: str) -> Node:
    return html.one("section", aria_labelledby=name)


def printed(number: str) -> float:
    return float(number.replace("\N{MINUS SIGN}", "-").replace(",", ""))


@every_record
def test_the_document_is_whole_and_has_an_outline(record: RunRecord) -> None:
    html = parse(page(record))
    assert html.one("html").attributes["lang"] == "en"
    assert str(record.feature.index) in html.one("head").one("title").text()
    assert len(html.all("main")) == 1
    levels = [int(node.tag[1]) for node in html.walk() if re.fullmatch("h[1-6]", node.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [node.attributes["id"] for node in html.walk() if node.has("id")]
    assert len(ids) == len(set(ids))
    labels = [node.attributes["aria-labelledby"] for node in html.walk() if node.has("aria-labelledby")]
    assert set(labels) <= set(ids)


@every_record
def test_nothing_is_loaded_from_anywhere(record: RunRecord) -> None:
    html = parse(page(record))
    loads = [
        (node.tag, name, value)
        for node in html.walk()
        for name, value in node.attributes.items()
        if name in {"src", "href", "srcset", "action", "data", "poster", "background", "formaction", "xlink:href"}
    ]
    assert loads == [("link", "href", "data:,")]
    for source in (html.one("style").text(), html.one("script").text()):
        assert re.findall(r"//\w|url\(|@import|@font-face|\bfetch\(|XMLHttpRequest|import\(", source) == []
    styles = "".join(node.attributes.get("style", "") for node in html.walk())
    assert re.fullmatch(r"[\w\s.:;%-]*", styles)


@every_record
def test_the_policy_allows_one_script_and_no_load(record: RunRecord) -> None:
    html = parse(page(record))
    (policy,) = [node.attributes["content"] for node in html.all("meta") if node.has("http-equiv")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    digest = base64.b64encode(hashlib.sha256(html.one("script").text().encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"


@every_record
def test_every_active_token_is_marked_with_its_activation(record: RunRecord) -> None:
    html = parse(page(record))
    marked = [node for node in html.walk() if node.has("data-activation")]
    groups = {quantile: [] for quantile in ("top", "75-100%", "50-75%", "25-50%", "0-25%", "near miss")}
    for example in record.examples:
        groups.setdefault(example.quantile, []).extend(
            (token, activation)
            for token, activation in zip(example.tokens, example.activations, strict=True)
            if activation > 0
        )
    expected = [pair for pairs in groups.values() for pair in pairs]
    assert [float(node.attributes["data-activation"]) for node in marked] == [
        pytest.approx(activation, rel=1e-3) for _, activation in expected
    ]
    for node, (token, activation) in zip(marked, expected, strict=True):
        share = min(activation / record.stats.maximum, 1)
        (drawn,) = re.findall(r"--a:([\d.]+)", node.attributes["style"])
        assert float(drawn) == pytest.approx(share, abs=1e-3)
        assert node.text(without="ws") == "".join(c for c in token if c in "\n\t" or c.isprintable())


def test_windows_keep_their_text_and_show_their_white_space(rich_record: RunRecord) -> None:
    html = parse(page(rich_record))
    ordered = [*rich_record.examples[1:], rich_record.examples[0]]
    figures = html.all("figure")
    assert [figure.one(cls="text").text(without="ws") for figure in figures] == ["".join(e.tokens) for e in ordered]
    assert [figure.attributes["data-quantile"] for figure in figures] == [e.quantile for e in ordered]
    for figure, example in zip(figures, ordered, strict=True):
        signs = [node.text() for node in figure.all(cls="ws")]
        assert signs == ["⏎"] * "".join(example.tokens).count("\n")
        assert figure.one("figcaption").text().startswith(f"{example.document}:{example.line}")


def test_predictions_stand_beside_activations(rich_record: RunRecord) -> None:
    html = parse(page(rich_record))
    drawn = sorted(float(node.attributes["data-predicted"]) for node in html.all(cls="p"))
    assert drawn == sorted(p for example in rich_record.examples for p in example.predicted or () if p > 0)
    (token,) = [node for node in html.all(cls="on") if node.attributes["data-activation"] == "8.412"]
    assert token.attributes["title"] == "activation 8.41, predicted 5.25"


def test_a_record_without_predictions_offers_none(rich_record: RunRecord) -> None:
    bare = tuple(example.model_copy(update={"predicted": None}) for example in rich_record.examples)
    html = parse(page(rich_record.model_copy(update={"examples": bare})))
    assert html.all(cls="p") == html.all("input") == []
    assert all("predicted" not in node.attributes["title"] for node in html.all(cls="on"))


def test_scores_stand_with_interval_count_and_every_control(rich_record: RunRecord) -> None:
    rows = {node.attributes["data-score"]: node for node in parse(page(rich_record)).walk() if node.has("data-score")}
    scored = [score for score in rich_record.scores if isinstance(score, Score)]
    assert list(rows) == [score.name for score in scored]
    for score in scored:
        row = rows[score.name]
        assert printed(row.one(cls="value").one("b").text()) == pytest.approx(score.value, abs=0.005)
        low, high = row.one(cls="value").one("small").text().split(" to ")
        assert (printed(low), printed(high)) == pytest.approx(score.ci, abs=0.0051)
        assert printed(row.one(cls="texts").text()) == score.n
        controls = {
            pair.one("dt").text(): printed(pair.one("dd").text()) for pair in row.one(cls="controls").all("div")
        }
        assert controls == {
            name.replace("_", " "): pytest.approx(value, abs=0.005) for name, value in score.control.items()
        }
        assert len(row.one("svg").all("circle")) == len(score.control)


def test_further_figures_of_a_score_stand_apart_from_its_controls(rich_record: RunRecord) -> None:
    figures = {"explained_variance": 0.61, "effect at 0.25": -0.2}
    first, *others = rich_record.scores
    assert isinstance(first, Score)
    record = rich_record.model_copy(update={"scores": (first.model_copy(update={"also": figures}), *others)})
    html = parse(page(record))
    (beside,) = html.all("dl", cls="also")
    shown = {pair.one("dt").text(): printed(pair.one("dd").text()) for pair in beside.all("div")}
    assert shown == {name.replace("_", " "): pytest.approx(value, abs=0.005) for name, value in figures.items()}
    assert "further figures" in section(html, "scores").text()
    assert "further figures" not in section(parse(page(rich_record)), "scores").text()


def test_what_is_unscored_shows_a_reason_and_no_number(rich_record: RunRecord) -> None:
    (unscored,) = [score for score in rich_record.scores if isinstance(score, Unscored)]
    row = parse(page(rich_record)).one("tr", data_unscored=unscored.name)
    assert unscored.reason in row.text()
    assert "not scored" in row.text()
    assert re.search(r"\d", row.text()) is None
    assert row.all("svg") == []


def test_claims_say_whether_they_held(rich_record: RunRecord) -> None:
    items = section(parse(page(rich_record)), "explanation").all("ol")[0].all("li")
    states = [item.attributes["data-state"] for item in items]
    assert states == ["held", "not held", "not measured", "not tested"]
    for item, claim in zip(items, rich_record.explanation.effects, strict=True):
        assert claim.sentence() in item.text()
    assert "-0.61 on average" in items[0].text()
    assert "-0.52 on average" in items[0].text()


def test_all_evidence_is_on_the_page_once(rich_record: RunRecord) -> None:
    outcomes = [node.text() for node in parse(page(rich_record)).all(cls="outcome")]
    for evidence in rich_record.evidence:
        assert len([outcome for outcome in outcomes if evidence.outcome in outcome]) == 1


def test_the_program_can_be_copied(rich_record: RunRecord) -> None:
    program = rich_record.explanation.predictor
    assert program is not None
    shown = parse(page(rich_record)).one(cls="program")
    assert shown.text() == program.source
    assert len(shown.all(cls="line")) == program.source.count("\n")
    assert [node.text() for node in shown.all(cls="defined")] == ["predict"]


def test_statistics_and_versions_are_on_the_page(rich_record: RunRecord) -> None:
    html = parse(page(rich_record))
    stats, counts = rich_record.stats, [count for count in rich_record.stats.histogram_counts if count]
    bins = html.one("svg", cls="histogram").all("rect")
    assert len(bins) == len(counts)
    heights = [float(bin.attributes["height"]) for bin in bins]
    assert sorted(heights, reverse=True) == heights
    assert heights[-1] > 0
    text = section(html, "statistics").text()
    for neighbour in stats.neighbours:
        assert f"feature {neighbour.index}" in text
    chips = [node.text() for node in section(html, "statistics").all("code")]
    assert chips == [
        logit.token.replace(" ", "·").replace("\n", "⏎") for logit in (*stats.top_logits, *stats.bottom_logits)
    ]
    footer = html.one("footer").text()
    for _, value in rich_record.versions:
        assert str(value) in footer


def test_hostile_text_stays_text(rich_record: RunRecord, hostile_record: RunRecord) -> None:
    source = page(hostile_record)
    html = parse(source)
    harmless = {node.tag for node in parse(page(rich_record)).walk()}
    assert {node.tag for node in html.walk()} <= harmless
    assert [name for node in html.walk() for name in node.attributes if name.startswith("on")] == []
    assert len(html.all("script")) == 1
    assert "<script>document.title='owned'</script>" in html.one(cls="summary").text()
    assert [c for c in source if not c.isprintable() and c not in "\n\t"] == []
    assert "{{ 7 * 7 }}" in source
    assert "<!--" not in source


def test_control_characters_are_seen(hostile_record: RunRecord) -> None:
    signs = {node.text() for node in parse(page(hostile_record)).one("section", cls="examples").all(cls="ws")}
    assert {"⏎", "⇥", "␀", "␛", "␇", "␍", "␌", "␡", "\\x85", "\\u202e", "\\u200b", "\\u2028"} == signs


def test_a_dead_feature_has_a_page_without_numbers_it_lacks(dead_record: RunRecord) -> None:
    source = page(dead_record)
    html = parse(source)
    assert html.one(cls="verdict").attributes["data-verdict"] == "insufficient_evidence"
    assert "insufficient evidence" in html.one(cls="badge").text()
    assert len(html.all(cls="empty")) == 7
    assert html.all("figure") == html.all("table") == html.all("pre") == []
    text = html.one("body").text().lower()
    assert not re.search(r"\b(none\b(?! recorded)|nan|inf|undefined)\b", text)


@every_record
def test_a_page_is_the_same_every_time(record: RunRecord) -> None:
    assert page(record) == page(record.model_copy(deep=True))
