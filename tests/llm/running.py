"""Running coroutines in tests: on an ordinary loop, or on one whose time passes at once."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from autointerp.llm import Patience

P = ParamSpec("P")
T = TypeVar("T")

#: Retries that cost a test no time.
HASTY = Patience(attempts=6, seconds=20.0, first_wait=0.001, longest_wait=0.01)


def awaited(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def whole() -> None:
            await test(*args, **kwargs)

        asyncio.run(whole())

    return run


class _Leaping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Where nothing is ready, time leaps to when the next thing is due."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everything waits for something that nobody will do")
            self.now += timeout
        return ready


def in_leaps(coroutine: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """Run with nothing but timers: the result, and the seconds that would have passed."""
    selector = _Leaping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(coroutine), selector.now
    finally:
        loop.close()
