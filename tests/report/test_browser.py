"""The page in a real browser: what it computes, not what the source says."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from autointerp.records import RunRecord
from autointerp.report import page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--dump-dom",
)
SCHEMES = {"dark": 0, "light": 1}

#: Measures the page from inside and leaves the result in an attribute of the document around it.
PROBE = """
const parse = (colour) => {
  const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
  return { rgb: [r, g, b], a };
};
const over = (top, below) => top.rgb.map((c, i) => c * top.a + below[i] * (1 - top.a));
const ground = (element) => {
  const below = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
  return over(parse(getComputedStyle(element).backgroundColor), below);
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (element) => {
  const behind = ground(element);
  const ink = over(parse(getComputedStyle(element).color), behind);
  const [low, high] = [luminance(ink), luminance(behind)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const said = [...document.querySelectorAll("body *")].filter(
  (e) => !e.closest("svg, script, .ws, [hidden]") && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()),
);
const active = [...document.querySelectorAll("[data-activation]")];
active[0]?.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
const readout = document.getElementById("readout");
parent.document.documentElement.dataset.measured = JSON.stringify({
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  width: document.documentElement.clientWidth,
  overflow: document.documentElement.scrollWidth,
  alphas: active.map((e) => parse(getComputedStyle(e).backgroundColor).a),
  activations: active.map((e) => Number(e.dataset.activation)),
  readout: readout.hidden ? null : readout.textContent,
  faint: said.map((e) => [contrast(e), e.className, e.textContent.slice(0, 30)]).filter(([c]) => c < 4.5),
  paragraphs: said.length,
});
"""


def browse(source: str, folder: Path, scheme: str = "light") -> tuple[str, list[str]]:
    """The document after its scripts ran, and the lines that it wrote to the console."""
    target = folder / "page.html"
    target.write_text(source, encoding="utf-8")
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
            "--window-size=1200,1600",
            target.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    console = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode("utf-8"), console


def with_probe(source: str, width: int) -> str:
    """A frame of that width (a window cannot be as narrow as a telephone) around a copy of a page that runs the probe.

    The page's own policy would refuse the probe, so the copy has another.
    """
    opened, replaced = re.subn(r"script-src '[^']*'", "script-src 'unsafe-inline'", source, count=1)
    assert replaced == 1
    probed = opened.replace("</body>", f"<script>{PROBE}</script></body>")
    frame = f'<iframe style="border: 0; width: {width}px; height: 900px" srcdoc="{html.escape(probed)}"></iframe>'
    return f"<!doctype html><meta charset=utf-8><title>frame</title>{frame}"


def measured(record: RunRecord, folder: Path, scheme: str, width: int) -> dict[str, object]:
    document, console = browse(with_probe(page(record), width), folder, scheme)
    assert console == []
    (found,) = re.findall(r'data-measured="([^"]*)"', document)
    result = json.loads(html.unescape(found))
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("name", ["rich_record", "hostile_record", "dead_record"])
def test_a_page_opens_without_a_word_on_the_console(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    record = request.getfixturevalue(name)
    document, console = browse(page(record), tmp_path)
    assert console == []
    assert f"<h1>Feature {record.feature.index}</h1>" in document
    assert re.findall("<title>(.*?)</title>", document, re.DOTALL)[0].startswith(f"Feature {record.feature.index} ")


def test_a_foreign_script_is_refused_and_the_console_is_heard(dead_record: RunRecord, tmp_path: Path) -> None:
    intruded = page(dead_record).replace("</body>", "<script>document.title = 'owned'</script></body>")
    document, console = browse(intruded, tmp_path)
    assert "<title>owned</title>" not in document
    assert any("Content Security Policy" in line for line in console)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "width"), [("rich_record", 1150), ("rich_record", 420), ("hostile_record", 420), ("dead_record", 420)]
)
def test_what_the_browser_computes(
    name: str, width: int, scheme: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    record = request.getfixturevalue(name)
    result = measured(record, tmp_path, scheme, width)
    assert result["dark"] is (scheme == "dark")
    assert result["width"] == width
    assert result["overflow"] == width
    assert result["faint"] == []
    alphas, activations = result["alphas"], result["activations"]
    assert isinstance(alphas, list)
    assert isinstance(activations, list)
    assert len(alphas) == sum(value > 0 for example in record.examples for value in example.activations)
    assert all(alpha > 0.1 for alpha in alphas)
    by_activation = [alpha for _, alpha in sorted(zip(activations, alphas, strict=True))]
    assert by_activation == sorted(by_activation)
    if activations:
        assert str(result["readout"]).startswith("activation ")
