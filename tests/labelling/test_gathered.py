"""Questions that wait for each other: how many share a batch, who is told of what went wrong, and what an end leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from autointerp.errors import RefusalError
from autointerp.labelling import Gathered
from autointerp.llm import Request, user


class Provider:
    """Answers batches, and remembers their sizes."""

    address = "known"

    def __init__(self, answer: Callable[[str], Any] = str.upper, wait: float = 0.0) -> None:
        self.batches: list[int] = []
        self._answer, self._wait = answer, wait

    async def ask_all(self, requests: Sequence[Request[Any]], *, batch: bool, poll: float) -> list[Any]:
        assert batch
        self.batches.append(len(requests))
        await asyncio.sleep(self._wait)
        return [self._answer(request.messages[0].text) for request in requests]


def asked(provider: Provider, texts: Sequence[str], **options: Any) -> list[Any]:
    async def work() -> list[Any]:
        llm = Gathered(cast(Any, provider), quiet=0.05, poll=0.01, **options)
        try:
            questions = (llm.ask(Request((user(text),))) for text in texts)
            return list(await asyncio.gather(*questions, return_exceptions=True))
        finally:
            await llm.aclose()

    return asyncio.run(work())


def test_what_comes_together_shares_a_batch() -> None:
    provider = Provider()
    assert asked(provider, ["a", "b", "c"], most=100) == ["A", "B", "C"]
    assert provider.batches == [3]


def test_more_than_one_batch_holds_go_into_several() -> None:
    provider = Provider()
    assert asked(provider, "abcdefg", most=3) == list("ABCDEFG")
    assert provider.batches == [3, 3, 1]


def test_one_without_an_answer_leaves_the_others_theirs() -> None:
    error = RefusalError("no")
    provider = Provider(lambda text: error if text == "b" else text)
    assert asked(provider, "abc", most=3) == ["a", error, "c"]


def test_a_batch_that_fails_is_told_to_all_of_it() -> None:
    def answer(text: str) -> str:
        raise RefusalError(f"no {text}")

    found = asked(Provider(answer), "ab", most=2)
    assert [str(error) for error in found] == ["no a", "no a"]


def test_a_later_question_gets_a_batch_of_its_own() -> None:
    provider = Provider()

    async def work() -> None:
        llm = Gathered(cast(Any, provider), most=10, quiet=0.02)
        await llm.ask(Request((user("a"),)))
        await llm.ask(Request((user("b"),)))
        await llm.aclose()

    asyncio.run(work())
    assert provider.batches == [1, 1]


def test_the_end_cancels_who_waits() -> None:
    async def work() -> None:
        llm = Gathered(cast(Any, Provider(wait=60)), most=1)
        waiting = asyncio.create_task(llm.ask(Request((user("a"),))))
        await asyncio.sleep(0.05)
        await llm.aclose()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(work())


def test_all_else_is_the_models_own() -> None:
    assert Gathered(cast(Any, Provider()), most=1).address == "known"
