"""What is exported, read by other programs; and the table in a browser."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from autointerp.errors import InputError, OutputError, UnavailableError
from autointerp.labelling import LabelStore, export, summarise, write_table
from autointerp.study import read_labels
from tests.labelling.made import Says, cascade

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStore]:
    """Five features: three explained, one too rare, one that failed."""
    told = [0.9, 0.5, None, UnavailableError("</script><b>down"), 0.8]
    about = {"model": "m", "dictionary": "d", "site": "resid_post.2", "features": "8"}
    with LabelStore(tmp_path_factory.mktemp("labels"), about=about) as opened:
        asyncio.run(cascade(Says("free", told.__getitem__)).run(opened, range(5)))
        yield opened


def test_parquet(store: LabelStore, tmp_path: Path) -> None:
    assert export(store, tmp_path / "labels.parquet") == 5
    table = pyarrow.parquet.read_table(tmp_path / "labels.parquet")
    assert table.column("feature").to_pylist() == [0, 1, 2, 3, 4]
    assert table.column("refine").to_pylist() == [0.9, 0.5, None, None, 0.8]
    assert table.column("beats").to_pylist() == [True, True, True, None, True]
    assert str(table.schema.field("simulation").type) == "double"
    assert str(table.schema.field("n").type) == "int64"


def test_json_lines_and_csv_hold_the_same(store: LabelStore, tmp_path: Path) -> None:
    assert export(store, tmp_path / "labels.jsonl") == export(store, tmp_path / "labels.csv") == 5
    lines = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in lines] == [row["status"] for row in rows]
    assert lines[3]["simulation"] is None
    assert rows[3]["simulation"] == ""
    assert rows[3]["error"] == lines[3]["error"] == "free: </script><b>down"


def test_neuronpedias_format_is_read_back_by_the_reader_of_its_exports(store: LabelStore, tmp_path: Path) -> None:
    path = tmp_path / "explanations.jsonl"
    assert export(store, path, "neuronpedia") == 3
    assert [(label.feature, label.text) for label in read_labels(path)] == [
        (feature, "on what free says") for feature in (0, 1, 4)
    ]


def test_formats_that_there_are_not(store: LabelStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'labels.xlsx' says no format: end it in \.parquet"):
        export(store, tmp_path / "labels.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        export(store, tmp_path / "file" / "labels.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_summary_counts_by_hand(store: LabelStore) -> None:
    found = summarise(store.labels())
    assert (found.features, found.failed, found.explained, found.scored) == (5, 1, 3, 4)
    assert found.share_explained == 0.6
    assert found.verdicts == {"explained": 3, "insufficient_evidence": 1, "failed": 1}
    assert (found.mean, found.refine) == (0.5, pytest.approx((0.9 + 0.5 + 0.8) / 3))
    assert sum(found.histogram) == 4
    assert found.histogram[15] == 4  # from 0.5 to 0.6
    assert "60.0%" in found.lines()[0]
    assert summarise([]).lines()


def test_the_table_is_one_file_that_loads_nothing(store: LabelStore) -> None:
    html = write_table(store).read_text()
    assert html.count("<script") == html.count("</script>") == 2
    assert "default-src 'none'" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
@pytest.mark.parametrize(
    ("actions", "features"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("set('search', 'down')", [3]),
        ("set('verdict', 'explained')", [0, 1, 4]),
        ("set('low', '0.45'); set('verdict', 'insufficient_evidence')", [2]),
        ("set('low', '0.55')", []),
        ("sort(7)", [0, 4, 1, 2, 3]),
        ("sort(7); sort(7)", [1, 4, 0, 2, 3]),
    ],
)
def test_the_table_in_a_browser(store: LabelStore, tmp_path: Path, actions: str, features: list[int]) -> None:
    (store.folder / "pages").mkdir(exist_ok=True)
    (store.folder / "pages" / "feature-4.html").write_text("a page")
    html = write_table(store).read_text()
    # The probe is a second script, so the policy that forbids it is taken out of this copy.
    probe = """<script>
    const set = (name, value) => {
      const element = document.getElementById(name);
      element.value = value;
      element.dispatchEvent(new Event("input"));
    };
    const sort = key => document.querySelector(`th button[data-key="${key}"]`).click();
    ACTIONS;
    const seen = [...document.querySelectorAll("#rows tr")].map(row => Number(row.cells[0].textContent));
    const links = [...document.querySelectorAll("#rows a")].map(link => link.getAttribute("href"));
    document.title = JSON.stringify({seen, links, bold: document.querySelectorAll("#rows .wide b").length});
    </script></body>""".replace("ACTIONS", actions)
    start = html.index('<meta http-equiv="Content-Security-Policy"')
    html = html[:start] + html[html.index(">", start) + 1 :]
    page = tmp_path / "probed.html"
    page.write_text(html.replace("</body>", probe))
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    found = json.loads(title)
    assert found["seen"] == features
    assert found["links"] == (["pages/feature-4.html"] if 4 in features else [])
    assert found["bold"] == 0
