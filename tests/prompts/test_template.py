"""Templates: what they are made of, what they want, and what they are called."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from autointerp.errors import TemplateError
from autointerp.prompts import Template, names

SOURCE = """{# What this is for. #}
=== system ===
You know {{ topic }}.
=== user ===
{% for word in words %}
- {{ word }}
{% endfor %}
{% if topic %}
More of {{ topic }}?
{% endif %}
"""


@pytest.fixture
def template() -> Template:
    return Template.parse(SOURCE, "example", 3)


def test_it_is_filled_in(template: Template) -> None:
    prompt = template.render(topic="birds", words=["owl", "wren"])
    assert prompt.turns == (("system", "You know birds."), ("user", "- owl\n- wren\nMore of birds?"))
    assert template.variables == {"topic", "words"}


def test_it_is_named_by_version_and_hash(template: Template) -> None:
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()[:12]
    assert template.reference == template.render(topic="", words=[]).reference == f"example@3#{digest}"
    assert Template.parse(SOURCE + " ", "example", 3).reference != template.reference


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"topic": "birds"}, "lacks words: its variables are topic, words"),
        ({}, "lacks topic, words"),
        ({"topic": "birds", "words": [], "colour": "red"}, "has no use for colour"),
    ],
)
def test_missing_and_unused_variables_raise(template: Template, values: dict[str, object], problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        template.render(**values)


def test_a_missing_part_of_a_variable_raises(template: Template) -> None:
    other = Template.parse("=== user ===\n{{ feature.name }}", "other", 1)
    with pytest.raises(TemplateError, match="cannot be filled in"):
        other.render(feature={})
    # Text is text: nothing is escaped, and braces in a value are not looked at again.
    assert other.render(feature={"name": "<b> & {{ x }}"}).turns == (("user", "<b> & {{ x }}"),)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("no turn at all", "has no turn"),
        ("stray\n=== user ===\nhello", "text before its first turn"),
        ("=== user ===\n{{ x", "is malformed"),
        ("=== user ===\n{% nonsense %}", "is malformed"),
    ],
)
def test_what_is_no_template(source: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        Template.parse(source, "bad", 1)


def test_unknown_names_and_versions_list_those_there_are() -> None:
    with pytest.raises(TemplateError, match="llm_check"):
        Template.load("absent")
    with pytest.raises(TemplateError, match="no version 99 of 'llm_check': there are 1"):
        Template.load("llm_check", 99)


def test_ones_own_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.v2.j2"
    path.write_text(SOURCE)
    assert Template.read(path).reference.startswith("mine@2#")
    with pytest.raises(TemplateError, match=r"NAME.v1.j2"):
        Template.read(tmp_path / "mine.txt")
    with pytest.raises(TemplateError, match="cannot be read"):
        Template.read(tmp_path / "absent.v1.j2")


@pytest.mark.parametrize("name", names())
def test_those_of_the_package_are_templates(name: str) -> None:
    template = Template.load(name)
    # What a server says of itself is no question.
    assert template.turns[-1][0] == ("system" if name == "mcp_instructions" else "user")
    assert template.reference.startswith(f"{name}@{template.version}#")
