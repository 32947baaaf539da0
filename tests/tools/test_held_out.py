"""Held-out text cannot be had from a tool: not by its words, not by its name, not by code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from autointerp.activations import SplitView
from autointerp.activations._held_out import RUN, HeldOutRuns
from autointerp.errors import RetryWithOther
from autointerp.study import Laboratory
from autointerp.tools import Toolbox, Workbench, all_tools


def ids_of(view: SplitView, passage: int) -> list[int]:
    found: list[int] = view.texts([passage])[0].tolist()
    return found


def runs(view: SplitView) -> set[tuple[int, ...]]:
    rows = [ids_of(view, passage) for passage in range(view.passages)]
    return {tuple(row[i : i + RUN]) for row in rows for i in range(len(row) - RUN + 1)}


@pytest.fixture(scope="module")
def secret(laboratory: Laboratory) -> list[tuple[list[int], str]]:
    """Passages of the test split of which a part stands in no train document, and their text."""
    train, found = runs(laboratory.index.train), []
    tokenizer: Any = laboratory.subject.tokenizer
    for passage in range(laboratory.index.test.passages):
        ids = ids_of(laboratory.index.test, passage)
        text = tokenizer.decode(ids)
        own = {tuple(ids[i : i + RUN]) for i in range(0, len(ids) - RUN + 1, RUN)}
        if own - train and laboratory.subject.encode(text) == ids:
            found.append((ids, text))
    assert len(found) > 5
    return found


def test_it_is_what_sets_say(laboratory: Laboratory) -> None:
    index = laboratory.index
    held_out = index.held_out
    train, kept = runs(index.train), runs(index.refine) | runs(index.test)
    stored = set()
    for view in (index.refine, index.test):
        for passage in range(view.passages):
            ids = ids_of(view, passage)
            stored |= {tuple(ids[i : i + RUN]) for i in range(0, len(ids) - RUN + 1, RUN)}
    assert len(held_out) == len(stored - train) > 0
    for run in sorted(kept - train)[:300]:
        assert held_out(run) == (run in stored)
    assert not any(held_out(run) for run in sorted(train)[:2000])


def test_train_passages_are_never_refused(laboratory: Laboratory) -> None:
    train = laboratory.index.train
    assert not any(laboratory.index.held_out(ids_of(train, passage)) for passage in range(train.passages))


@pytest.mark.parametrize("start", [0, 1, 5, 11])
def test_a_long_run_is_found_wherever_it_begins(laboratory: Laboratory, start: int) -> None:
    index = laboratory.index
    train, count = runs(index.train), 0
    for passage in range(index.test.passages):
        part = ids_of(index.test, passage)[start : start + 2 * RUN - 1]
        if len(part) == 2 * RUN - 1 and not any(tuple(part[i : i + RUN]) in train for i in range(RUN)):
            assert index.held_out([5, 6, 7, *part, 8])
            count += 1
    assert count


def test_short_texts_are_asked_about_too(laboratory: Laboratory) -> None:
    assert not laboratory.index.held_out([])
    assert not laboratory.index.held_out([1] * (RUN - 1))


def calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("activations_on", {"texts": ["def f():", text]}),
        ("ablate", {"texts": [text]}),
        ("steer", {"texts": [text]}),
        ("minimal_pairs", {"text": text, "replacements": [{"old": text[0], "new": "#"}]}),
        ("minimal_pairs", {"text": "§", "replacements": [{"old": "§", "new": text}]}),
        ("patch", {"target": text, "source": text, "sites": ["resid_post.0"]}),
        ("patch", {"target": "x", "source": text, "sites": ["resid_post.0"]}),
        ("logit_effects", {"texts": [text]}),
        ("attention", {"text": text, "layer": 0, "head": 0}),
        ("generate", {"texts": [text], "max_new_tokens": 1}),
        ("attribute", {"text": text}),
    ]


def test_every_tool_that_takes_text_is_tried() -> None:
    takes = {
        name
        for name, tool in all_tools().items()
        if {"text", "texts", "target", "source"} & set(tool.arguments.model_fields)
    }
    assert takes == {name for name, _ in calls("text")}


def test_by_its_words(toolbox: Toolbox, secret: Sequence[tuple[list[int], str]]) -> None:
    for _, text in secret[:3]:
        for name, arguments in calls(text):
            with pytest.raises(RetryWithOther, match="held-out"):
                toolbox.call(name, arguments)
    assert all(record.result is None for record in toolbox.log.calls)


def test_by_its_words_in_code(toolbox: Toolbox, secret: Sequence[tuple[list[int], str]]) -> None:
    text = secret[0][1]
    half = len(text) // 2
    code = f"text = {text[:half]!r}\ntext = ''.join([text, {text[half:]!r}])\nactivations_on(texts=[text])"
    with pytest.raises(RetryWithOther, match="held-out"):
        toolbox.call("run_code", {"code": code})


@pytest.mark.parametrize("extra", ["split", "document", "documents", "passage", "view", "seed_of_split"])
def test_by_its_name(toolbox: Toolbox, laboratory: Laboratory, extra: str) -> None:
    name = laboratory.index.test.where(0)[0]
    for tool in toolbox.tools.values():
        with pytest.raises(RetryWithOther):
            toolbox.call(tool.name, {extra: name})


def test_no_answer_holds_a_held_out_document(bench: Workbench, laboratory: Laboratory) -> None:
    index = laboratory.index
    hidden = {view.where(p)[0] for view in (index.refine, index.test) for p in range(view.passages)}
    with Toolbox(bench) as toolbox:
        for feature in range(20):
            examples = toolbox.call("top_examples", {"feature": feature, "count": 10}).data["examples"]
            assert not hidden & {example["document"] for example in examples}
            toolbox.call("neighbours", {"feature": feature})
        text = toolbox.log.model_dump_json()
    assert not [name for name in hidden if name in text]


def test_a_model_that_recites_is_cut_off(
    bench: Workbench, secret: Sequence[tuple[list[int], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from autointerp.models import Completions

    ids = secret[0][0]
    monkeypatch.setattr(
        type(bench.subject), "generate", lambda *_, **__: Completions([[bench.subject.bos, *ids]], [ids])
    )
    with Toolbox(bench) as toolbox, pytest.raises(RetryWithOther, match="held-out"):
        toolbox.call("generate", {"texts": ["x"]})


def test_nothing_but_hashes_is_kept(laboratory: Laboratory) -> None:
    held_out = laboratory.index.held_out
    assert list(vars(held_out)) == ["_hashes"]
    assert held_out._hashes.dtype == np.uint64
    assert held_out._hashes.base is None
    assert isinstance(held_out, HeldOutRuns)
