"""Requests: what names an answer, and what a request may be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from autointerp.llm import Request, Tool, assistant, system, tool_result, user, with_sample
from autointerp.llm._request import json_schema, key_of
from autointerp.llm._schema import can_be_strict, strict


class Point(BaseModel):
    x: int = Field(ge=0, description="across")
    y: float | None = None


class Tree(BaseModel):
    """A tree."""

    label: str
    branches: list[Tree] = []


class Loose(BaseModel):
    table: dict[str, int]


LOOK = Tool("look", "Looks.", Point)
BASE: Request[Any] = Request((user("hello"),))


def key(request: Request[Any], address: str = "openai:m") -> str:
    return key_of(address, request.content())


DIFFERENCES: dict[str, Callable[[Request[Any]], Request[Any]]] = {
    "messages": lambda r: replace(r, messages=(user("hello!"),)),
    "role": lambda r: replace(r, messages=(system("hello"),)),
    "max_tokens": lambda r: replace(r, max_tokens=9),
    "output": lambda r: replace(r, output=Point),
    "tools": lambda r: replace(r, tools=(LOOK,)),
    "temperature": lambda r: replace(r, temperature=0.0),
    "seed": lambda r: replace(r, seed=0),
    "effort": lambda r: replace(r, effort="low"),
    "logprobs": lambda r: replace(r, logprobs=0),
    "sample": lambda r: with_sample(r, 1),
    "parallel_tools": lambda r: replace(r, parallel_tools=False),
}


def test_what_decides_the_answer_is_in_the_key() -> None:
    keys = {key(change(BASE)) for change in DIFFERENCES.values()} | {key(BASE), key(BASE, "openai:n")}
    assert len(keys) == len(DIFFERENCES) + 2


@pytest.mark.parametrize("change", [{"template": "t@1#a"}, {"reuse_prefix": True}])
def test_what_does_not_is_not(change: dict[str, Any]) -> None:
    assert key(replace(BASE, **change)) == key(BASE)


def test_equal_requests_have_one_key() -> None:
    request = Request([user("a"), assistant("b"), tool_result("1", "c")], tools=[LOOK], output=Tree)  # type: ignore[arg-type]
    assert key(request) == key(replace(request))
    assert json.loads(request.content())["tools"][0]["name"] == "look"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"messages": ()}, "at least one message"),
        ({"messages": (user("a"),), "max_tokens": 0}, "at least 1"),
        ({"messages": (user("a"),), "tools": (LOOK, LOOK)}, "two tools of one name"),
        ({"messages": (user("a"),), "tool_choice": "required"}, "none is given"),
    ],
)
def test_what_a_request_cannot_be(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Request(**settings)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ä"])
def test_what_a_tool_cannot_be_called(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        Tool(name, "", Point)


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=20))
def test_any_text_can_be_sent(text: str) -> None:
    content = Request((user(text),)).content()
    assert content.encode("utf-8").decode("utf-8") == content
    key(Request((user(text),)))


def closed(schema: dict[str, Any]) -> bool:
    if isinstance(schema, list):
        return all(map(closed, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and not (
        schema.get("additionalProperties") is False and set(schema["required"]) == set(schema.get("properties", {}))
    ):
        return False
    return all(closed(part) for part in schema.values() if isinstance(part, dict | list))


@pytest.mark.parametrize("kind", [Point, Tree])
def test_strict_schemas_are_closed_and_say_in_words_what_no_grammar_has(kind: type[BaseModel]) -> None:
    schema = json_schema(kind)
    assert can_be_strict(schema)
    text = json.dumps(strict(schema))
    assert closed(strict(schema))
    assert '"minimum"' not in text
    assert '"default"' not in text
    if kind is Point:
        assert "across (minimum: 0)" in text


def test_agrees_with_the_strict_schema_of_openais_own_sdk() -> None:
    from openai.lib._pydantic import to_strict_json_schema

    class Plain(BaseModel):
        label: str
        number: int
        parts: list[Point2]

    class Point2(BaseModel):
        x: int
        y: bool

    Plain.model_rebuild()

    def bare(schema: Any) -> Any:
        """Without titles, which are not part of the meaning."""
        if isinstance(schema, dict):
            return {k: bare(v) for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
        return [bare(v) for v in schema] if isinstance(schema, list) else schema

    assert strict(json_schema(Plain)) == bare(to_strict_json_schema(Plain))


def test_titles_are_left_out_and_properties_of_that_name_are_not() -> None:
    class Book(BaseModel):
        title: str
        notes: dict[str, Point]

    found = json_schema(Book)
    assert set(found["properties"]) == {"title", "notes"}
    assert found["properties"]["title"] == {"type": "string"}
    assert "title" not in json.dumps(found["$defs"])


def test_objects_of_free_keys_cannot_be_strict() -> None:
    assert not can_be_strict(Loose.model_json_schema())
