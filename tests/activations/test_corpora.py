"""Texts from every kind of file, and from a hub that is played by a server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from autointerp.activations import Document, open_corpus
from autointerp.errors import CorpusError


def texts(name: Path | str) -> list[str]:
    return [document.text for document in open_corpus(str(name)).documents()]


def parquet(file: Path, /, **columns: list[object]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=2)
    return file


def test_a_text_file_with_marks_between_its_texts(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("one\n\nstill one\n<|endoftext|>\ntwo<|endoftext|>three<|endoftext|>\n\nfour\r\n")
    assert texts(path) == ["one\n\nstill one\n", "two", "three", "four\n"]


def test_a_text_file_without_marks_is_cut_at_blank_lines(tmp_path: Path) -> None:
    paragraph = "word " * 200 + "\n"
    path = tmp_path / "c.txt"
    path.write_text(f"{paragraph}\n{paragraph}\n{paragraph}\nlast\n")
    first, second = texts(path)
    assert first == f"{paragraph}\n{paragraph}"
    assert second == f"{paragraph}\nlast\n"


def test_documents_of_a_text_file_are_named_by_content(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    found = []
    for order in (["a", "b"], ["b", "c", "a"]):
        path.write_text("<|endoftext|>".join(order))
        found.append({d.text: d.id for d in open_corpus(str(path)).documents()})
    assert found[0].items() <= found[1].items()


def test_a_parquet_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "c.parquet", number=[1, 2, 3, 4, 5], text=["a", "b", None, "", "c"])
    documents = list(open_corpus(str(path)).documents())
    assert [d.text for d in documents] == ["a", "b", "c"]
    lines = tmp_path / "c.jsonl"
    lines.write_text("".join(json.dumps({"text": t}) + "\n" for t in "abc"))
    assert documents == list(open_corpus(str(lines)).documents())


def test_other_columns_that_hold_texts(tmp_path: Path) -> None:
    assert texts(parquet(tmp_path / "c.parquet", content=["a"], path=["b"])) == ["a"]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"body": ["a"], "n": [1]}, "no column text or content or document, only body, n"),
        ({"text": [1, 2]}, "column text holds no strings: 1"),
    ],
)
def test_a_parquet_file_without_texts(tmp_path: Path, columns: dict[str, list[object]], says: str) -> None:
    path = parquet(tmp_path / "c.parquet", **columns)
    with pytest.raises(CorpusError, match=says) as caught:
        texts(path)
    assert "\n" not in str(caught.value)


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    path.write_bytes(b"PAR1 and so on")
    with pytest.raises(CorpusError, match="cannot be read") as caught:
        texts(path)
    assert "\n" not in str(caught.value)


def test_without_pyarrow_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "c.parquet", text=["a"])
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CorpusError, match=r"needs pyarrow to be read: pip install 'autointerp-agents\[parquet\]'"):
        texts(path)


def test_a_folder_of_files_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.rs").write_text("fn main() {}\n")
    (tmp_path / "a.jsonl").write_text('{"text": "from lines"}\n')
    parquet(tmp_path / "b.parquet", text=["from a table"])
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    found = list(open_corpus(str(tmp_path)).documents())
    assert [d.text for d in found] == ["from lines", "from a table", "fn main() {}\n"]
    assert found[2] == Document("src/main.rs", "fn main() {}\n")


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as is asked for a dataset: what the branch of Parquet files holds, and the files."""

    folder: Path
    sha = "c0ffee" * 6 + "beef"

    def do_HEAD(self) -> None:
        self.respond(body=False)

    def do_GET(self) -> None:
        self.respond(body=True)

    def respond(self, *, body: bool) -> None:
        parts = self.path.split("?")[0].split("/")
        if self.path.startswith("/api/datasets/someone/stories/revision/"):
            files = sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*.parquet"))
            answer = {"id": "someone/stories", "sha": self.sha, "siblings": [{"rfilename": f} for f in files]}
            self.send(200, json.dumps(answer).encode(), body)
        elif parts[1:5] == ["datasets", "someone", "stories", "resolve"] and parts[5] == self.sha:
            content = self.folder.joinpath(*parts[6:]).read_bytes()
            self.send(200, content, body, ETag=f'"{parts[-1]}"', **{"X-Repo-Commit": self.sha})
        else:
            self.send(404, b"{}", body, **{"X-Error-Code": "RepoNotFound"})

    def send(self, code: int, content: bytes, body: bool, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import huggingface_hub
    from huggingface_hub import constants, hf_api

    parquet(tmp_path / "hub" / "default" / "train" / "0000.parquet", text=["a", "b"])
    parquet(tmp_path / "hub" / "default" / "train" / "0001.parquet", text=["c"])
    parquet(tmp_path / "hub" / "default" / "test" / "0000.parquet", text=["d"])
    parquet(tmp_path / "hub" / "other" / "train" / "0000.parquet", text=["e"])
    kind = type("Here", (Hub,), {"folder": tmp_path / "hub"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(constants, "ENDPOINT", address)
            patch.setattr(
                constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
            )
            patch.setattr(constants, "HF_HUB_OFFLINE", False)
            patch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
            patch.setattr(huggingface_hub, "HfApi", lambda: hf_api.HfApi(endpoint=address))
            huggingface_hub.close_session()
            yield address
    finally:
        huggingface_hub.close_session()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("someone/stories", ["a", "b", "c"]),
        ("someone/stories/default/test", ["d"]),
        ("someone/stories/other", ["e"]),
        ("someone/stories/default/train/0001.parquet", ["c"]),
    ],
)
def test_a_dataset_of_the_hub(hub: str, name: str, expected: list[str]) -> None:
    corpus = open_corpus(f"hf:{name}")
    assert [d.text for d in corpus.documents()] == expected
    assert [d.text for d in corpus.documents()] == expected


def test_the_mark_of_a_dataset_is_that_of_its_revision_and_files(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("hf:someone/stories", "hf:someone/stories/default/test", "hf:someone/stories/default/train/0001.parquet")
    marks = [open_corpus(name).fingerprint for name in names]
    assert open_corpus(names[0]).fingerprint == marks[0]
    monkeypatch.setattr(Hub, "sha", "d00d" * 10)
    assert len({*marks, open_corpus(names[0]).fingerprint}) == 4


def test_a_part_that_a_dataset_does_not_have(hub: str) -> None:
    with pytest.raises(CorpusError, match="has no default/dev: there is default/test, default/train, other/train"):
        open_corpus("hf:someone/stories/default/dev")


def test_a_dataset_that_is_not_there(hub: str) -> None:
    with pytest.raises(CorpusError, match="nobody/nothing cannot be fetched from the Hub") as caught:
        open_corpus("hf:nobody/nothing")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hf:", "hf:owner", "hf:/name", "hf:owner/"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(CorpusError, match="is no dataset: write hf:OWNER/NAME"):
        open_corpus(name)


def test_without_a_network_one_line_says_so() -> None:
    with pytest.raises(CorpusError, match="check its name and the network, or give a file") as caught:
        open_corpus("hf:someone/stories")
    assert "\n" not in str(caught.value)
