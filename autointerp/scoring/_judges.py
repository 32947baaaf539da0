"""Who is asked where a program cannot tell: language models that judge, an encoder that compares, a model that reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from autointerp.errors import LLMError
from autointerp.llm import LLM, Message, Reply, Request
from autointerp.models import Subject
from autointerp.prompts import Template

T = TypeVar("T")


class Judge:
    """A language model that scorers ask many questions at once, on one event loop that outlives them."""

    def __init__(self, llm: LLM, runner: asyncio.Runner) -> None:
        self._llm, self._runner = llm, runner

    def answers(self, requests: Sequence[Request[T]]) -> list[Reply[T]]:
        """One answer for each request, in their order.

        Raises LLMError where one of them could not be had: a score over the rest would be one over an easier exam.
        """
        replies: list[Reply[T]] = []
        failed: list[LLMError] = []
        for reply in self._runner.run(self._llm.ask_all(requests)):
            if isinstance(reply, LLMError):
                failed.append(reply)
            else:
                replies.append(reply)
        if failed:
            raise type(failed[0])(f"{len(failed)} of {len(requests)} questions have no answer; the first: {failed[0]}")
        return replies

    def values(self, requests: Sequence[Request[T]]) -> list[T]:
        """The same as values of the type that was asked for. Raises LLMError also for an answer without one."""
        values = [reply.value for reply in self.answers(requests)]
        missing = sum(value is None for value in values)
        if missing:
            raise LLMError(f"{missing} of {len(requests)} answers hold no value: ask a model that answers in JSON")
        return [value for value in values if value is not None]


@dataclass(frozen=True, slots=True)
class Judges:
    """What a scorer may ask beside the model under test; None for what there is not.

    Attributes
    ----------
    judge: says whether explanations fit texts, and writes texts that explanations describe.
    simulator: says how active a feature is at every token, given its explanation.
    embedder: a model whose mean final state stands for a text, usually an encoder.
    reader: a causal model that says how probable a text is after another.
    """

    judge: Judge | None = None
    simulator: Judge | None = None
    embedder: Subject | None = None
    reader: Subject | None = None


def question(
    template: str, output: type[T] | None, *, max_tokens: int = 2048, logprobs: int | None = None, **values: Any
) -> Request[T]:
    """A request made of one of the package's templates, at temperature zero."""
    prompt = Template.load(template).render(**values)
    messages = tuple(Message(role=role, text=text) for role, text in prompt.turns)
    return Request(
        messages=messages,
        output=output,
        max_tokens=max_tokens,
        temperature=0.0,
        logprobs=logprobs,
        template=prompt.reference,
    )
