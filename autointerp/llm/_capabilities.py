"""What a model can do: declared in a table, learned from its server, and asked before use."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from autointerp.llm._address import Address

logger = logging.getLogger("autointerp.llm")


class Capability(StrEnum):
    """Something that not every model or server has."""

    TOOLS = "tools"
    PARALLEL_TOOLS = "parallel_tools"
    TOOL_CHOICE = "tool_choice"
    JSON_SCHEMA = "json_schema"
    LOGPROBS = "logprobs"
    TEMPERATURE = "temperature"
    SEED = "seed"
    EFFORT = "effort"
    PROMPT_CACHING = "prompt_caching"
    BATCH = "batch"
    #: Names of the limit of tokens in Chat Completions, of which servers know the one, the other, or both.
    MAX_TOKENS = "max_tokens"
    MAX_COMPLETION_TOKENS = "max_completion_tokens"
    #: Whether a model that thinks may be given tools without being told not to think.
    TOOLS_WHILE_THINKING = "tools_while_thinking"


#: What is done without: said once where it was asked for.
_INSTEAD = {
    Capability.PARALLEL_TOOLS: "the first of several calls of tools is taken where one was wanted",
    Capability.TOOL_CHOICE: "the model decides whether to call a tool, and is asked again where it has to",
    Capability.JSON_SCHEMA: "the schema is given in words",
    Capability.LOGPROBS: "answers come without log-probabilities",
    Capability.TEMPERATURE: "the provider's temperature is used",
    Capability.SEED: "answers are not reproducible but from the cache",
    Capability.EFFORT: "the provider's effort is used",
    Capability.PROMPT_CACHING: "prompts are read anew every time",
    Capability.BATCH: "requests are sent one by one, at full price",
    Capability.TOOLS_WHILE_THINKING: "the model does not think before it calls a tool",
}


class Notices:
    """What has to be said once: to whoever listens, or to the log."""

    def __init__(self, listener: Callable[[str], None] | None = None) -> None:
        self.said: dict[str, str] = {}
        self._listener = listener

    def say(self, topic: str, text: str) -> None:
        """Say it, unless something was said on this topic."""
        if topic in self.said:
            return
        self.said[topic] = text
        if self._listener is not None:
            self._listener(text)
        else:
            logger.warning("%s", text)


class Capabilities:
    """Of one model: True, False, or not known yet. What was learned is handed to `learned`, to be remembered."""

    def __init__(
        self,
        address: Address,
        known: Mapping[Capability, bool],
        notices: Notices,
        learned: Callable[[Capability, bool], None] | None = None,
    ) -> None:
        self.address = address
        self._known = dict(known)
        self._notices = notices
        self._learned = learned

    def state(self, capability: Capability) -> bool | None:
        """What is known."""
        return self._known.get(capability)

    def use(self, capability: Capability) -> bool:
        """Whether to make use of it: yes unless the model is known not to have it, which is said once."""
        if self._known.get(capability) is not False:
            return True
        if capability in _INSTEAD:
            words = capability.replace("_", " ")
            self._notices.say(
                f"{self.address} {capability}", f"{self.address} cannot do {words}: {_INSTEAD[capability]}"
            )
        return False

    def learn(self, capability: Capability, able: bool) -> None:
        """Remember what a server showed."""
        if self._known.get(capability) is not able:
            self._known[capability] = able
            if self._learned is not None:
                self._learned(capability, able)

    def as_dict(self) -> dict[str, bool | None]:
        """All of them, by name."""
        return {str(capability): self._known.get(capability) for capability in Capability}


def declared(address: Address, endpoint: str | None) -> dict[Capability, bool]:
    """What the table says about a model at its provider's own server; of other servers nothing is known beforehand."""
    found: dict[Capability, bool] = {}
    for rule in _table():
        of_this_model = any(fnmatchcase(address.model, pattern) for pattern in rule["models"])
        if rule["provider"] == address.provider and of_this_model and (endpoint is None or rule.get("anywhere", False)):
            found |= {Capability(name): able for name, able in rule["able"].items()}
    return found


@cache
def _table() -> list[dict[str, Any]]:
    text = files("autointerp.llm").joinpath("data", "capabilities.toml").read_text(encoding="utf-8")
    rules: list[dict[str, Any]] = tomllib.loads(text)["rule"]
    return rules
