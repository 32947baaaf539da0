"""Addresses of models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autointerp.errors import AddressError
from autointerp.llm import Address, open_llms


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("openai:gpt-6-luna", Address("openai", "gpt-6-luna")),
        ("anthropic:claude-haiku-5-5", Address("anthropic", "claude-haiku-5-5")),
        ("openai:llama3:8b@http://127.0.0.1:11434/v1", Address("openai", "llama3:8b", "http://127.0.0.1:11434/v1")),
        ("openai:org/model@https://host.example/v1/", Address("openai", "org/model", "https://host.example/v1")),
        ("OpenAI:Name@2024@HTTP://[::1]:8000/v1", Address("openai", "Name@2024", "http://[::1]:8000/v1")),
    ],
)
def test_the_forms(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "openai", "openai:", "openai: ", ":name", "sk-secret"])
def test_what_is_none_is_not_repeated(text: str) -> None:
    with pytest.raises(AddressError, match="PROVIDER:MODEL") as error:
        Address.parse(text)
    assert "sk-secret" not in str(error.value)


@pytest.mark.parametrize("url", ["http://me:secret@host/v1", "http://host/v1?key=secret", "http://host/v1#secret"])
def test_a_url_carries_no_key(url: str) -> None:
    with pytest.raises(AddressError, match="environment") as error:
        Address.parse(f"openai:m@{url}")
    assert "secret" not in str(error.value)


def test_an_unknown_provider_lists_those_there_are() -> None:
    with pytest.raises(AddressError, match="anthropic, openai"):
        open_llms({"judge": "acme:m"})


@pytest.mark.parametrize(
    ("address", "variable"), [("openai:m", "OPENAI_API_KEY"), ("anthropic:m", "ANTHROPIC_API_KEY")]
)
def test_a_key_that_is_missing_is_named(address: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AddressError, match=variable):
        open_llms({"judge": address})
    monkeypatch.setenv(variable, "k")
    open_llms({"judge": address}).desk.answers.database.close()


def test_a_server_in_the_environment_carries_no_key_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:secret@127.0.0.1:1/v1")
    with pytest.raises(AddressError, match="environment") as error:
        open_llms({"judge": "openai:m"})
    assert "secret" not in str(error.value)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except AddressError:
        return
    assert Address.parse(str(address)) == address
