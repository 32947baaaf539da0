"""The toolbox: what it takes, counts, pages, writes down and answers again."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autointerp.dictionaries import open_dictionary
from autointerp.errors import Adapt, PluginError, ReplayError, RetryWithOther, ToolError
from autointerp.models import Subject
from autointerp.sandbox import describe
from autointerp.testing import tiny_encoder
from autointerp.tools import Arguments, Called, Result, StoppedByError, Tool, Toolbox, ToolLog, Workbench, all_tools
from autointerp.tools._pages import PAGE
from tests.tools.conftest import FEATURE, TEXT

NAMES = [
    "ablate", "activations_on", "attention", "attribute", "compare_features", "feature_stats", "generate", "logit_effects",
    "minimal_pairs", "neighbours", "page", "patch", "run_code", "steer", "top_examples",
]  # fmt: skip
SAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("activations_on", {"texts": [TEXT]}),
    ("ablate", {"texts": [TEXT]}),
    ("feature_stats", {"feature": 7}),
    ("top_examples", {}),
    ("compare_features", {"features": [5]}),
    ("run_code", {"code": "sum([1, 2])"}),
]


def test_these_are_the_tools() -> None:
    assert set(NAMES) <= set(all_tools())
    for name, tool in all_tools().items():
        assert tool.name == name
        assert len(tool.description) > 40
        for field, info in tool.arguments.model_fields.items():
            assert info.description or "description" in json.dumps(
                tool.arguments.model_json_schema()["properties"][field]
            )


def test_schemas_are_what_a_language_model_is_told(toolbox: Toolbox) -> None:
    schemas = {tool.name: tool for tool in toolbox.schemas()}
    assert list(schemas) == sorted(toolbox.tools)
    schema = schemas["ablate"].schema
    assert schema["required"] == ["texts"]
    assert schema["additionalProperties"] is False
    assert "title" not in json.dumps(schema)


@pytest.mark.parametrize(
    ("name", "arguments", "argument", "says"),
    [
        ("ablate", {}, "texts", "required"),
        ("ablate", {"texts": []}, "texts", "at least 1"),
        ("ablate", {"texts": "x"}, "texts", "valid array"),
        ("ablate", {"texts": ["x", 5]}, "texts.1", "string"),
        ("ablate", {"texts": [""]}, "texts.0", "at least 1"),
        ("ablate", {"texts": ["x"] * 33}, "texts", "at most 32"),
        ("ablate", {"texts": ["x y " * 400]}, "texts", "tokens: give a text of 1 to 63"),
        ("ablate", {"texts": ["x"], "feature": 64}, "feature", "0 to 63"),
        ("ablate", {"texts": ["x"], "feature": True}, "feature", "integer"),
        ("ablate", {"texts": ["x"], "feature": "3"}, "feature", "integer"),
        ("ablate", {"texts": ["x"], "positions": [1]}, "positions", "give -1 to 0"),
        ("ablate", {"texts": ["x"], "split": "test"}, "split", "it takes texts"),
        ("ablate", {"texts": [b"x"]}, "arguments", "JSON"),
        ("ablate", {"texts": {1, 2}}, "arguments", "JSON"),
        ("steer", {"texts": ["x"], "strengths": [float("nan")]}, "strengths.0", "nan"),
        ("steer", {"texts": ["x"], "strengths": [float("inf")]}, "strengths.0", "inf"),
        ("steer", {"texts": ["x"], "strengths": [1e300]}, "strengths.0", "less than"),
        ("steer", {"texts": ["x"], "tokens": ["two words"]}, "tokens", "give single tokens"),
        ("patch", {"target": "x", "source": "y", "sites": ["resid_mid.0"]}, "sites.0", "resid_post.0 to 2"),
        ("patch", {"target": "x", "source": "x y z w", "sites": ["mlp_out.0"]}, "positions", "name positions"),
        ("patch", {"target": "x", "source": "y", "sites": ["pattern.0"]}, "sites", "head_out"),
        ("patch", {"target": "x", "source": "x", "sites": ["mlp_out.0"]}, "answer", "two different"),
        ("attention", {"text": "x", "layer": 9, "head": 0}, "layer", "0 to 2"),
        ("attention", {"text": "x", "layer": 0, "head": 9}, "head", "0 to 3"),
        ("minimal_pairs", {"text": "x", "replacements": [{"old": "y", "new": ""}]}, "replacements.0.old", "occurs 0"),
        ("minimal_pairs", {"text": "x", "replacements": [{"old": "x", "new": ""}]}, "replacements.0.new", "nothing"),
        ("attribute", {"text": "x"}, "text", "silent"),
        ("generate", {"texts": ["x"], "samples": 8, "max_new_tokens": 64}, "max_new_tokens", "context 64"),
        ("run_code", {"code": "1 / 0"}, "code", "ZeroDivisionError"),
        ("run_code", {"code": "print('so far')\nx"}, "code", "so far"),
        ("page", {"handle": "r99"}, "handle", "no answer"),
        ("pull_the_plug", {}, "tool", "ablate"),
    ],
)  # fmt: skip
def test_bad_arguments_are_answered_with_what_would_do(
    toolbox: Toolbox, name: str, arguments: dict[str, Any], argument: str, says: str
) -> None:
    with pytest.raises(RetryWithOther) as error:
        toolbox.call(name, arguments)
    assert error.value.argument == argument
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("bad", ["\ud800", "\x00", "🧨" * 3, "\u202ex"])
def test_odd_characters_do_no_harm(toolbox: Toolbox, subject: Subject, bad: str) -> None:
    try:
        found = toolbox.call("activations_on", {"texts": [bad]}).data
    except RetryWithOther:
        assert bad == "\ud800"
    else:
        assert len(found["texts"][0]["tokens"]) == len(subject.encode(bad))


@pytest.fixture(scope="module")
def encoder_bench(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    subject = Subject.load(str(tiny_encoder(tmp_path_factory.mktemp("encoder") / "model")))
    return replace(bench, subject=subject, dictionary=open_dictionary("neurons:mlp.1", subject))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ablate", {"texts": ["x"]}),
        ("steer", {"texts": ["x"], "strengths": [1.0]}),
        ("logit_effects", {}),
        ("generate", {"texts": ["x"]}),
        ("patch", {"target": "x", "source": "y", "sites": ["resid_post.0"]}),
    ],
)
def test_what_a_model_cannot_do_is_said(encoder_bench: Workbench, name: str, arguments: dict[str, Any]) -> None:
    with Toolbox(encoder_bench) as toolbox, pytest.raises(Adapt):
        toolbox.call(name, arguments)
    assert toolbox.log.calls[0].failure is not None


def test_an_encoder_has_activations(encoder_bench: Workbench) -> None:
    with Toolbox(encoder_bench) as toolbox:
        row = toolbox.call("activations_on", {"texts": [TEXT]}).data["texts"][0]
    assert len(row["tokens"]) == len(row["activations"]) == len(encoder_bench.subject.encode(TEXT))


class NoArguments(Arguments):
    pass


class Lines(Result):
    lines: tuple[str, ...]


class Long(Tool[NoArguments, Lines]):
    name = "long"
    description = "Many lines."
    arguments = NoArguments
    result = Lines

    def run(self, bench: Workbench, arguments: NoArguments) -> Lines:
        return Lines(lines=tuple(f"line {i} " + "x" * (i % 97) for i in range(1000)))

    def render(self, result: Lines) -> str:
        return "\n".join(result.lines)


class Broken(Long):
    name = "broken"

    def run(self, bench: Workbench, arguments: NoArguments) -> Lines:
        raise ZeroDivisionError("a defect")


@pytest.fixture
def extended(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Toolbox:
    there = {**all_tools(), "long": Long(), "broken": Broken()}
    monkeypatch.setattr("autointerp.tools._toolbox.all_tools", lambda: there)
    return Toolbox(bench)


def test_a_long_answer_is_paged_without_loss(extended: Toolbox) -> None:
    called = extended.call("long")
    assert called.pages > 3
    assert len(called.text) <= PAGE
    assert f'page(handle="{called.handle}", number=2)' in called.text
    pages = [called.text, *(extended.page(called.handle, n) for n in range(2, called.pages + 1))]
    assert all(len(page) <= PAGE for page in pages)
    bodies = [line for page in pages for line in page.splitlines() if not line.startswith("[page ")]
    assert bodies == [f"line {i} " + "x" * (i % 97) for i in range(1000)]
    assert extended.call("page", {"handle": called.handle, "number": 3}).text.startswith(pages[2][:100])
    with pytest.raises(RetryWithOther, match="pages 1 to"):
        extended.page(called.handle, called.pages + 1)


def test_a_defect_stops_the_run(extended: Toolbox) -> None:
    with pytest.raises(ZeroDivisionError, match="a defect"):
        extended.call("broken")
    with pytest.raises(StoppedByError):
        extended.functions()["broken"]()
    code = "try:\n    broken()\nexcept BaseException:\n    pass\n1"
    with pytest.raises(ZeroDivisionError, match="a defect"):
        extended.call("run_code", {"code": code})
    extended.close()


def test_a_call_costs_what_it_ran(toolbox: Toolbox, bench: Workbench) -> None:
    usage = bench.subject.usage
    before = usage.forward_passes, usage.tokens
    called = toolbox.call("ablate", {"texts": [TEXT]})
    assert (called.cost.forward_passes, called.cost.tokens) == (
        usage.forward_passes - before[0],
        usage.tokens - before[1],
    )
    assert called.cost.forward_passes == 2
    assert called.cost.seconds > 0
    inside = toolbox.call("run_code", {"code": f"for i in range(3): ablate(texts=[{TEXT!r}])"})
    assert inside.cost.forward_passes == 6
    records = toolbox.log.calls
    assert [record.inside for record in records] == [None, 2, 2, 2, None]
    assert toolbox.call("feature_stats").cost.forward_passes == 0


def same(first: Called, second: Called) -> bool:
    return (first.result, first.text, first.handle, first.cost) == (
        second.result, second.text, second.handle, second.cost
    )  # fmt: skip


def test_a_log_replays_without_a_model(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Toolbox(bench) as toolbox:
        first = [toolbox.call(name, arguments) for name, arguments in SAMPLES]
        with pytest.raises(RetryWithOther) as refused:
            toolbox.call("ablate", {"texts": ["x"], "feature": 99})
        toolbox.call("run_code", {"code": "feature_stats()['feature']"})
    path = tmp_path / "log.json"
    path.write_text(toolbox.log.model_dump_json())
    log = ToolLog.model_validate_json(path.read_text())
    assert (log.model, log.dictionary, log.feature) == (
        bench.subject.fingerprint, bench.dictionary.fingerprint, FEATURE
    )  # fmt: skip

    def nothing_runs(*_: Any, **__: Any) -> None:
        raise AssertionError("a replay ran something")

    monkeypatch.setattr(Subject, "run", nothing_runs)
    monkeypatch.setattr("autointerp.tools._run_code.open_sandbox", nothing_runs)
    replayed = Toolbox.replay(log)
    again = [replayed.call(name, arguments) for name, arguments in reversed(SAMPLES)]
    assert all(same(a, b) for a, b in zip(first, reversed(again), strict=True))
    with pytest.raises(RetryWithOther) as error:
        replayed.call("ablate", {"texts": ["x"], "feature": 99})
    assert (str(error.value), error.value.argument) == (str(refused.value), "feature")
    with pytest.raises(ReplayError, match="no further call"):
        replayed.call("ablate", {"texts": [TEXT]})
    with pytest.raises(ReplayError):
        replayed.call("feature_stats")


def test_concurrent_calls_share_passes_and_find_the_same(bench: Workbench) -> None:
    texts = [f"def build_item{i}(self, path):\n    return x\n" for i in range(16)]
    calls = [("ablate", {"texts": [text]}) for text in texts] + [("activations_on", {"texts": [t]}) for t in texts]
    with Toolbox(bench) as alone:
        expected = [alone.call(name, arguments) for name, arguments in calls]

    async def all_at_once() -> list[Called]:
        boxes = [Toolbox(bench) for _ in calls]
        found = await asyncio.gather(*(box.acall(*call) for box, call in zip(boxes, calls, strict=True)))
        for box in boxes:
            await asyncio.to_thread(box.close)
        return found

    usage = bench.subject.usage
    before = usage.forward_passes
    found = asyncio.run(all_at_once())
    assert usage.forward_passes - before < sum(called.cost.forward_passes for called in expected) / 2
    for one, other in zip(found, expected, strict=True):
        assert one.cost.forward_passes == other.cost.forward_passes
        assert _near(one.data, other.data)
    # The last of them closed the worker that they shared.
    with bench.subject.worker():
        pass


def _near(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_near(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(_near, first, second))
    return first == pytest.approx(second, abs=1e-4) if isinstance(first, float) else bool(first == second)


def test_somebody_elses_worker_is_left_open(bench: Workbench) -> None:
    async def one() -> None:
        async with Toolbox(bench) as toolbox:
            await toolbox.acall("activations_on", {"texts": [TEXT]})

    with bench.subject.worker() as worker:
        asyncio.run(one())
        assert worker.submit is not None
        assert any(thread.name.startswith("worker of") for thread in threading.enumerate())


def test_functions_speak_the_codes_language(toolbox: Toolbox) -> None:
    functions = toolbox.functions()
    assert {"run_code", "page"}.isdisjoint(functions)
    assert functions["activations_on"]([TEXT]) == toolbox.call("activations_on", {"texts": [TEXT]}).data
    with pytest.raises(ValueError, match="feature"):
        functions["ablate"](texts=["x"], feature=-1)
    with pytest.raises(TypeError, match="at most 2"):
        functions["activations_on"](["x"], 3, 4)
    with pytest.raises(TypeError, match="twice"):
        functions["activations_on"](["x"], texts=["y"])
    assert next(iter(inspect.signature(functions["steer"]).parameters)) == "texts"
    assert "minimal_pairs(text, replacements, feature=None)" in describe(functions)
    assert "auc" in toolbox.tools["run_code"].guide()


def test_tools_can_be_chosen(bench: Workbench) -> None:
    assert list(Toolbox(bench, ["steer", "ablate"]).tools) == ["ablate", "steer"]
    assert "run_code" not in Toolbox(bench, sandbox=None).tools
    with pytest.raises(PluginError, match="there are ablate"):
        Toolbox(bench, ["hammer"])


def test_a_silent_feature_has_no_effect(toolbox: Toolbox) -> None:
    found = toolbox.call("ablate", {"texts": ["x", TEXT]})
    assert found.data["removed"][0] == found.data["shifts"][0]["kl"] == 0
    assert found.data["shifts"][0]["raised"] == []
    assert found.data["shifts"][1]["kl"] > 0


def test_errors_are_of_two_kinds() -> None:
    assert issubclass(RetryWithOther, ToolError)
    assert issubclass(Adapt, ToolError)
    assert str(RetryWithOther("feature", "give 0 to 5")) == "feature: give 0 to 5"
