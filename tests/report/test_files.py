from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from autointerp.errors import InputError, OutputError
from autointerp.records import FORMAT, RunRecord
from autointerp.report import page, read_json, write_json, write_page


@pytest.mark.parametrize("name", ["rich_record", "hostile_record", "dead_record"])
def test_a_record_survives_the_disk(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    record = request.getfixturevalue(name)
    write_json(record, tmp_path / "record.json")
    assert read_json(tmp_path / "record.json") == record
    assert json.loads((tmp_path / "record.json").read_bytes())["format"] == FORMAT


def test_a_page_is_written_as_utf8_into_new_folders(rich_record: RunRecord, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "page.html"
    write_page(rich_record, target)
    assert target.read_bytes().decode("utf-8") == page(rich_record)
    assert [path.name for path in target.parent.iterdir()] == ["page.html"]


def test_files_have_the_permissions_of_any_new_file(rich_record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_json(rich_record, tmp_path / "record.json")
    assert (tmp_path / "record.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_interrupted_write_leaves_the_old_file(
    rich_record: RunRecord, dead_record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "record.json"
    write_json(rich_record, target)

    def stop(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_json(dead_record, target)
    assert read_json(target) == rich_record
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("write", [write_page, write_json])
def test_where_nothing_can_be_written_the_message_says_so(write, rich_record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "file" / "page.html", tmp_path / "folder"):
        with pytest.raises(OutputError) as caught:
            write(rich_record, target)
        message = str(caught.value)
        assert str(target) in message
        assert "choose a file in a folder" in message
        assert "\n" not in message
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(rich_record: RunRecord, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        write_page(rich_record, tmp_path / "page.html")


def with_field(record: RunRecord, **fields: object) -> bytes:
    return json.dumps(json.loads(record.model_dump_json()) | fields).encode()


@pytest.mark.parametrize(
    ("content", "found", "remedy"),
    [
        (b"", "no JSON", "again"),
        (b'{"format": 1, "fea', "no JSON", "again"),
        (b"\xff\xfe\x00", "no JSON", "again"),
        (b"[" * 200_000, "no JSON", "again"),
        (b"[1, 2]", "without a `format`", "give the path"),
        (b'{"hello": 1}', "without a `format`", "give the path"),
        (b'{"format": 1}', "feature", "again"),
        (b'{"format": 0}', "format 0", "again"),
        (b'{"format": true}', "format True", "again"),
        (b'{"format": "one\\ntwo"}', "format 'one", "again"),
        (b'{"format": 99, "unknown": []}', "format 99", "upgrade autointerp"),
    ],
)
def test_what_is_no_record_is_named_with_a_remedy(content: bytes, found: str, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_json(path)
    message = str(caught.value)
    assert str(path) in message
    assert found in message
    assert remedy in message
    assert "\n" not in message


def test_a_record_with_a_foreign_or_a_wrong_field(rich_record: RunRecord, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(with_field(rich_record, invented=1))
    with pytest.raises(InputError, match="invented"):
        read_json(path)
    path.write_bytes(with_field(rich_record, cost={"seconds": -1}))
    with pytest.raises(InputError, match=r"cost\.seconds"):
        read_json(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_json(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match="directory"):
        read_json(tmp_path)
