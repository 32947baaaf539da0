"""The most that a request can use, known before it is sent."""

from __future__ import annotations

import json
from typing import Any, Final

from autointerp.llm._answer import Answer, Usage
from autointerp.llm._ledger import Worst
from autointerp.llm._provider import Body
from autointerp.llm._request import Request

#: Providers add instructions of their own where there are tools or a schema: some hundred tokens in what they document.
_UNSEEN: Final = 1024
#: Beginning and end of a turn.
_PER_MESSAGE: Final = 16
#: What text comes to on average, in bytes a token: for keeping to a rate, where the mean counts and not the worst case.
_USUAL_BYTES: Final = 4


def worst_case(request: Request[Any], body: Body) -> Worst:
    """Tokens at most: every token of a byte-level vocabulary stands for at least one byte of the body."""
    size = len(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")) + _PER_MESSAGE * len(request.messages)
    return Worst(size + (_UNSEEN if request.tools or request.output is not None else 0), request.max_tokens)


def usual_cost(request: Request[Any], worst: Worst) -> dict[str, float]:
    """What a request will take of a server's limits, in the units in which servers state them."""
    prompt = worst.prompt / _USUAL_BYTES
    return {
        "requests": 1.0,
        "tokens": prompt + request.max_tokens,
        "input-tokens": prompt,
        "output-tokens": float(request.max_tokens),
    }


def believable(answer: Answer) -> Usage | None:
    """The server's count, unless it says that nothing was written where something was."""
    usage = answer.usage
    wrote = bool(answer.text or answer.calls)
    return None if usage is None or (wrote and not usage.output) else usage


def exceeds(usage: Usage, worst: Worst) -> bool:
    """Whether a count says more than can have been."""
    return usage.prompt > worst.prompt or usage.output > worst.output
