"""A language model whose answers are written beforehand, in process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from autointerp.llm import (
    LLM,
    Address,
    Answer,
    BatchEndpoint,
    Budget,
    Capabilities,
    Capability,
    Fault,
    Patience,
    Received,
    Rejected,
    Request,
    ToolCall,
    Usage,
    open_llms,
)

_NAME = "scripted"
#: A rough count, the same on every machine: bytes of a token.
_BYTES = 4


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of tools: (name, arguments) each. Arguments that are text are taken as they are, valid JSON or not."""

    calls: tuple[tuple[str, Mapping[str, Any] | str], ...]
    text: str = ""


#: What a script may say: text, a value (as JSON), calls of tools, a whole answer, or how the attempt fails.
Turn = str | BaseModel | Calls | Answer | Fault
Script = Iterable[Turn] | Callable[[Request[Any]], Turn]


class ScriptedLLM(LLM):
    """An `LLM` that says what a script tells it to. What it was asked is in `requests`, what was said once in `notices`.

    Everything but the wire is the real thing: the cache, the budget, the checking of answers, the asking again, the retries
    (which do not wait). A script is a sequence, an answer for every attempt in its turn, or a function of the request. One
    that has come to its end refuses further requests.

    Parameters
    ----------
    script: see above.
    role: whom it plays.
    without: capabilities that it does not have; it has all others but batches.
    budget, cache, run, replay: as in `open_llms`.
    """

    def __init__(
        self,
        script: Script,
        *,
        role: str = "scientist",
        without: Set[Capability] = frozenset(),
        budget: Budget | None = None,
        cache: Path | None = None,
        run: str | None = None,
        replay: bool = False,
    ) -> None:
        self.requests: list[Request[Any]] = []
        self.notices: list[str] = []
        asked = self.requests

        class Played(_Scripted):
            says = staticmethod(script if callable(script) else _in_turn(script))
            requests = asked

        at_once = Patience(first_wait=0.0, longest_wait=0.0)
        models = open_llms(
            {role: f"{_NAME}:model"},
            providers={_NAME: Played},
            cache=cache,
            run=run,
            budget=budget,
            replay=replay,
            patience=at_once,
            listener=self.notices.append,
        )
        model = models[role]
        super().__init__(role, model.address, model.identity, model.desk, lambda: model.line)
        if not replay:
            for capability in Capability:
                self.line.able.learn(capability, capability not in without and capability is not Capability.BATCH)


class _Scripted:
    """The provider behind it. What goes over the wire elsewhere is here the content of the request."""

    batches: BatchEndpoint | None = None
    says: Callable[[Request[Any]], Turn]
    requests: list[Request[Any]]

    def __init__(self, address: Address, timeout: float) -> None:
        del timeout
        self.model = address.model
        self._pending: dict[str, Request[Any]] = {}

    @staticmethod
    def endpoint(address: Address) -> str | None:
        return address.url

    @staticmethod
    def key_missing(address: Address) -> str | None:
        del address
        return None

    def encode(self, request: Request[Any], able: Capabilities) -> dict[str, Any]:
        for wanted, capability in (
            (request.temperature, Capability.TEMPERATURE),
            (request.seed, Capability.SEED),
            (request.logprobs, Capability.LOGPROBS),
        ):
            if wanted is not None:
                able.use(capability)
        content = request.content()
        self._pending[content] = request
        return {"content": content}

    async def send(self, body: dict[str, Any], key: str) -> Received:
        del key
        request = self._pending[body["content"]]
        self.requests.append(request)
        turn = self.says(request)
        if isinstance(turn, Fault):
            raise turn
        return Received(_answer(turn, request, len(self.requests)).model_dump_json().encode())

    def decode(self, body: bytes) -> Answer:
        return Answer.model_validate_json(body)

    def blame(self, rejection: Rejected, body: dict[str, Any]) -> Capability | None:
        del rejection, body
        return None

    async def aclose(self) -> None:
        pass


def _in_turn(script: Iterable[Turn]) -> Callable[[Request[Any]], Turn]:
    turns: Iterator[Turn] = iter(script)

    def say(request: Request[Any]) -> Turn:
        del request
        return next(turns, Rejected(400, "the script has no further answer"))

    return say


def _answer(turn: str | BaseModel | Calls | Answer, request: Request[Any], number: int) -> Answer:
    if isinstance(turn, Answer):
        return turn
    calls: tuple[ToolCall, ...] = ()
    if isinstance(turn, Calls):
        calls = tuple(_call(f"call_{number}_{i}", name, given) for i, (name, given) in enumerate(turn.calls))
        text = turn.text
    else:
        text = turn if isinstance(turn, str) else turn.model_dump_json()
    written = text + "".join(call.arguments for call in calls)
    usage = Usage(input=len(request.content()) // _BYTES + 1, output=len(written) // _BYTES + 1)
    return Answer(stop="tools" if calls else "end", text=text, calls=calls, usage=usage, model="script")


def _call(identifier: str, name: str, arguments: Mapping[str, Any] | str) -> ToolCall:
    return ToolCall(
        id=identifier, name=name, arguments=arguments if isinstance(arguments, str) else json.dumps(arguments)
    )
