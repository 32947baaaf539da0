"""How one attempt can fail, said the same way for every provider. Nothing of this leaves the room."""

from __future__ import annotations

from dataclasses import dataclass, field

_TOO_LONG = ("prompt is too long", "maximum context length", "context window", "context size", "context length")


@dataclass(frozen=True, slots=True)
class Quota:
    """One rate limit as a server states it: `remaining` of `limit` units, all of them back after `reset` seconds.

    `coarse` is the error that `reset` may have: servers that give a time of day round it to seconds.
    """

    unit: str
    limit: float
    remaining: float
    reset: float
    coarse: float = 0.0


class Fault(Exception):  # noqa: N818 (how an attempt ended; callers of the room never see one)
    """An attempt that brought no answer. `billed` says that it may have been paid for all the same."""

    billed = False


class Rejected(Fault):
    """The server will not have the request. `parameter` is the one it blames, where it names one."""

    def __init__(self, status: int, message: str, code: str = "", parameter: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.parameter = status, message, code, parameter

    @property
    def too_long(self) -> bool:
        """Whether it is the length that the server rejects: the providers and the usual servers have words of their own."""
        return (
            self.code == "context_length_exceeded"
            or self.status == 413
            or any(words in self.message.lower() for words in _TOO_LONG)
        )


class Passing(Fault):
    """Something that may be over at the next attempt. `after` is how long the server wants it to wait, in seconds."""

    def __init__(self, message: str, after: float | None = None, quotas: tuple[Quota, ...] = ()) -> None:
        super().__init__(message)
        self.after, self.quotas = after, quotas


class Limited(Passing):
    """Too many requests: nothing is wrong with this one."""


class Overloaded(Passing):
    """The server has more to do than it can, for whatever reason."""


class Broken(Passing):
    """The server failed before it had an answer."""


class Unreached(Passing):
    """No connection: the request was never sent."""


class Dropped(Passing):
    """The request was sent and no whole answer came back: lost, late, or not what the protocol says."""

    billed = True


@dataclass(frozen=True, slots=True)
class Received:
    """The body of an answer, and the rate limits that came with it."""

    body: bytes
    quotas: tuple[Quota, ...] = field(default=())
