"""`autointerp tools`: the list, calls with flags made from arguments, and what is said of bad ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autointerp.study import Laboratory
from autointerp.tools import Toolbox, all_tools
from tests.cli.running import Call
from tests.tools.benches import bench_of

TEXT = "def build_item(self, path):\n    return name\n"


@pytest.fixture
def options(inputs: dict[str, object]) -> list[object]:
    return [part for name, value in {**inputs, "feature": 3}.items() for part in (f"--{name}", value)]


def test_the_list_names_every_tool(call: Call) -> None:
    done = call("tools", "list")
    assert done.code == 0
    heads = [line.split()[0] for line in done.out.splitlines() if not line.startswith(" ")]
    assert heads == sorted(all_tools())
    found = json.loads(call("tools", "list", "--json").out)
    assert [tool["name"] for tool in found] == sorted(all_tools())
    assert found[0]["arguments"]["properties"]["texts"]["type"] == "array"


@pytest.mark.parametrize(
    ("name", "flags", "arguments"),
    [
        ("ablate", ["--text", TEXT, "--text", "x = 1", "--read", "2", "--count", "3"],
         {"texts": [TEXT, "x = 1"], "read": 2, "count": 3}),
        ("steer", ["--text", TEXT, "--strength", "2.5", "--strength", "-1", "--token", "("],
         {"texts": [TEXT], "strengths": [2.5, -1.0], "tokens": ["("]}),
        ("compare_features", ["--features", "5", "--features", "7"], {"features": [5, 7]}),
        ("minimal_pairs", ["--text", TEXT, "--replacement", '{"old": "self", "new": "cls"}'],
         {"text": TEXT, "replacements": [{"old": "self", "new": "cls", "which": 1}]}),
        ("run_code", ["--code", "feature_stats()['feature']"], {"code": "feature_stats()['feature']"}),
    ],
)  # fmt: skip
def test_a_call_is_that_of_a_toolbox(
    call: Call, laboratory: Laboratory, options: list[object], name: str, flags: list[str], arguments: dict[str, Any]
) -> None:
    done = call("tools", "call", name, *flags, *options, "--json", "--quiet")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["tool"] == name
    assert {key: found["arguments"][key] for key in arguments} == arguments
    with Toolbox(bench_of(laboratory, 3)) as toolbox:
        expected = toolbox.call(name, arguments)
    assert found["cost"]["forward_passes"] == expected.cost.forward_passes
    if name != "run_code":
        shared = {key: value for key, value in expected.data.items() if key in ("shifts", "cells", "variants")}
        assert {key: found["result"][key] for key in shared} == json.loads(json.dumps(shared))


def test_without_json_it_prints_the_whole_answer(call: Call, options: list[object]) -> None:
    done = call("tools", "call", "activations_on", "--text", TEXT, *options, "--quiet")
    assert done.code == 0
    assert done.out.startswith("feature 3: [token](activation)")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["hammer"], 2, "hammer"),
        (["ablate"], 2, "--text"),
        (["ablate", "--text", "x", "--split", "test"], 2, "--split"),
        (["ablate", "--text", "x", "--read", "first"], 2, "--read"),
        (["top_examples", "--quantile", "best"], 2, "best"),
        (["ablate", "--text", "x", "--read", "7"], 1, "read: 7 is outside a text of 1 tokens"),
        (["minimal_pairs", "--text", "x", "--replacement", "x=y"], 1, "is not JSON"),
    ],
)
def test_bad_flags_get_one_line(call: Call, options: list[object], words: list[str], code: int, says: str) -> None:
    done = call("tools", "call", *words, *options, "--quiet")
    assert done.code == code
    assert says in done.line


def test_a_feature_out_of_range_is_told_first(call: Call, options: list[object]) -> None:
    done = call("tools", "call", "feature_stats", *options, "--feature", "64", "--quiet")
    assert (done.code, "0 to 63" in done.line) == (1, True)


_SINGULAR = {
    "texts": "text",
    "positions": "position",
    "queries": "query",
    "features": "features",
    "tokens": "token",
    "replacements": "replacement",
    "sites": "site",
    "strengths": "strength",
}


def test_every_argument_has_a_flag(call: Call) -> None:
    for name, tool in all_tools().items():
        if name == "page":
            continue
        done = call("tools", "call", name, "--help")
        assert done.code == 0
        for field in tool.arguments.model_fields:
            flag = _SINGULAR.get(field, field)
            assert f"--{flag.replace('_', '-')}" in done.out
