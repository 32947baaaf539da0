"""JSON schemas in the dialect that constrained decoding accepts, and in words where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

#: What grammars for constrained decoding have no notion of. It moves into the description, so that the model is told,
#: and pydantic checks it afterwards.
_ONLY_IN_WORDS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "format",
)  # fmt: skip
_DROPPED = ("default", "examples", "discriminator")
_SCHEMAS_BY_NAME, _SCHEMAS, _SCHEMA = (
    ("properties", "$defs"),
    ("anyOf", "oneOf", "allOf"),
    ("items", "additionalProperties"),
)


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every object closed and every property required, as both providers' strict modes demand.

    A property with a default becomes required: the model is made to state it, which pydantic accepts as well.
    """
    kept = {name: _each(strict, name, value) for name, value in _described(schema).items() if name not in _DROPPED}
    return kept | (_closed(schema) if schema.get("type") == "object" or "properties" in schema else {})


def untitled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without the titles that pydantic makes of names: they tell a model nothing and are paid for."""
    return {name: _each(untitled, name, value) for name, value in schema.items() if name != "title"}


def can_be_strict(schema: Mapping[str, Any]) -> bool:
    """Whether `strict` keeps the meaning: not with objects of free keys, nor with untyped values."""
    parts = [schema, *_inside(schema)]
    return all(
        not (isinstance(part.get("additionalProperties"), Mapping) or part.get("additionalProperties") is True)
        and "prefixItems" not in part
        and bool(part.keys() & {"type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const", "properties"})
        for part in parts
    )


def in_words(schema: Mapping[str, Any]) -> str:
    """The instruction for a model that takes no schema."""
    text = json.dumps(schema, ensure_ascii=False)
    return (
        "Answer with one JSON value and nothing else: no explanation, no code fence."
        f" It has to fit this JSON schema:\n{text}"
    )


def _inside(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for name in _SCHEMAS_BY_NAME:
        found += list(schema.get(name, {}).values())
    for name in _SCHEMAS:
        found += schema.get(name, [])
    if isinstance(schema.get("items"), Mapping):
        found.append(schema["items"])
    return [deeper for part in found for deeper in (part, *_inside(part))]


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    told = [f"{name}: {schema[name]}" for name in _ONLY_IN_WORDS if name in schema]
    kept = {name: value for name, value in schema.items() if name not in _ONLY_IN_WORDS}
    if told:
        kept["description"] = " ".join([*filter(None, [schema.get("description")]), f"({', '.join(told)})"])
    return kept


def _each(change: Callable[[Mapping[str, Any]], dict[str, Any]], name: str, value: Any) -> Any:
    """Change the schemas that are in one entry of a schema."""
    if name in _SCHEMAS_BY_NAME:
        return {key: change(part) for key, part in value.items()}
    if name in _SCHEMAS:
        return [change(part) for part in value]
    return change(value) if name in _SCHEMA and isinstance(value, Mapping) else value


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": list(schema.get("properties", {})), "additionalProperties": False}
