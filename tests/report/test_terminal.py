from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from autointerp.records import RunRecord, Score
from autointerp.report import show

RECORDS = ("rich_record", "hostile_record", "dead_record")


def shown(record: RunRecord, width: int = 80, colour: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    console = Console(
        file=file,
        width=width,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
        legacy_windows=False,
    )
    show(record, console)
    file.flush()
    return raw.getvalue().decode(encoding)


def without_styles(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("width", [80, 60, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_every_line_fits(name: str, width: int, colour: bool, request: pytest.FixtureRequest) -> None:
    lines = without_styles(shown(request.getfixturevalue(name), width, colour)).splitlines()
    assert max(cell_len(line) for line in lines) <= min(width, 100)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("colour", [False, True])
def test_no_control_character_reaches_the_terminal(name: str, colour: bool, request: pytest.FixtureRequest) -> None:
    text = without_styles(shown(request.getfixturevalue(name), colour=colour))
    assert [c for c in text if not c.isprintable() and c != "\n"] == []


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_output_that_is_not_unicode_gets_escapes(name: str, encoding: str, request: pytest.FixtureRequest) -> None:
    assert shown(request.getfixturevalue(name), encoding=encoding).isascii()


def test_the_sentence_comes_first(rich_record: RunRecord) -> None:
    text = shown(rich_record)
    assert text.split()[: len(rich_record.explanation.summary.split())] == rich_record.explanation.summary.split()
    places = [
        text.index(word) for word in ("explained, confidence 0.86", "def predict", "simulation", "✓ held", "top ")
    ]
    assert places == sorted(places)


def test_scores_stand_above_their_controls(rich_record: RunRecord) -> None:
    lines = shown(rich_record).splitlines()
    for score in rich_record.scores:
        name = score.name.replace("_", " ")
        (at,) = [index for index, line in enumerate(lines) if line.startswith(name)]
        if not isinstance(score, Score):
            assert lines[at].startswith(f"{name} not scored: {score.reason}"[:80])
            continue
        words = lines[at].removeprefix(name).split()
        assert words == [f"{score.value:.2f}", f"{score.ci[0]:.2f}", "to", f"{score.ci[1]:.2f}", f"{score.n:,}"]
        for below, (control, value) in enumerate(score.control.items(), start=at + 1):
            assert lines[below].split("control: ")[1].startswith(control.replace("_", " "))
            assert float(lines[below].split()[-1]) == pytest.approx(value, abs=0.005)


def test_claims_carry_their_mark(rich_record: RunRecord) -> None:
    marks = re.findall(r"^([✓✗–]) (held|not held|not measured|not tested): ", shown(rich_record), re.MULTILINE)
    assert marks == [("✓", "held"), ("✗", "not held"), ("–", "not measured"), ("–", "not tested")]


def test_without_colour_active_tokens_stand_in_brackets(rich_record: RunRecord) -> None:
    text = shown(rich_record)
    assert "‹def›‹ visit_Call›‹(›self" in text
    assert "\x1b" not in text


def test_with_colour_stronger_tokens_are_further_from_grey(rich_record: RunRecord) -> None:
    text = shown(rich_record, colour=True)
    assert "‹" not in text
    grounds = {
        word: tuple(map(int, ground))
        for *ground, word in re.findall(r"48;2;(\d+);(\d+);(\d+)m( visit_Call|def)\x1b", text)[:2]
    }
    assert max(grounds[" visit_Call"]) - min(grounds[" visit_Call"]) > 200
    assert max(grounds["def"]) - min(grounds["def"]) < 30


def test_no_color_is_obeyed(rich_record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    show(rich_record, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "‹def›" in without_styles(text)
    assert re.search(r"\x1b\[[\d;]*(3[0-7]|38;|48;)[\d;]*m", text) is None


def test_each_quantile_has_a_window_that_holds_its_peak(rich_record: RunRecord) -> None:
    lines = shown(rich_record).splitlines()
    for quantile in ("top", "75-100%", "50-75%", "25-50%", "0-25%"):
        (at,) = [index for index, line in enumerate(lines) if line.startswith(f"{quantile} ")]
        assert "‹def›" in lines[at + 1]
        assert "⏎" in lines[at + 1]
    (at,) = [index for index, line in enumerate(lines) if line.startswith("near miss")]
    assert "silent" in lines[at]
    assert "‹" not in lines[at + 1]


def test_markup_in_tokens_is_printed(hostile_record: RunRecord) -> None:
    assert "[bold red]markup[/]" in shown(hostile_record, colour=True)


def test_a_dead_feature(dead_record: RunRecord) -> None:
    text = shown(dead_record)
    assert "insufficient evidence, confidence 0.97" in text
    for words in ("nothing was scored", "none was registered", "nothing to learn one from", "fired nowhere"):
        assert words in text


def test_a_few_further_figures_stand_below_the_controls(rich_record: RunRecord) -> None:
    first, *others = rich_record.scores
    assert isinstance(first, Score)
    figures = {f"effect at {dose}": dose / 10 for dose in range(6)}
    record = rich_record.model_copy(update={"scores": (first.model_copy(update={"also": figures}), *others)})
    text = shown(record)
    assert text.index("control: shuffled explanation") < text.index("beside: effect at 0")
    assert text.count("beside: effect at") == 4
    assert "beside: 2 more, on the page" in text
