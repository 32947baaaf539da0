"""What a provider is: how requests are written, sent and read in one wire format."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from autointerp.llm._address import Address
from autointerp.llm._answer import Answer
from autointerp.llm._capabilities import Capabilities, Capability
from autointerp.llm._faults import Fault, Received, Rejected
from autointerp.llm._request import Request

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BatchState:
    """How a batch is doing. `ended` says that there will be no more results than there are now."""

    id: str
    ended: bool


class BatchEndpoint(Protocol):
    """Work that a provider does when it has time, at a lower price.

    `token` marks a batch as ours, so that one can be found again whose submission was cut off before its id was known.
    Items are numbered, and every result comes with its number. All methods raise `Fault`.
    """

    #: The most items, and the most bytes of bodies, that one batch may have.
    most_items: int
    most_bytes: int

    async def available(self) -> bool:
        """Whether the server has batches at all."""
        ...

    async def submit(self, token: str, bodies: Sequence[Body]) -> str:
        """Hand in a batch; returns its id. Item i is `bodies[i]`."""
        ...

    async def find(self, token: str, items: int, since: float, known: Collection[str]) -> BatchState | None:
        """The batch of this token, of so many items and made after `since` (seconds of the Unix clock).

        `known` are ids that are somebody's already. None where there is none; an empty id where one that is still being
        worked on may be it, and cannot be told yet: ask again later.
        """
        ...

    async def state(self, batch: str) -> BatchState:
        """How the batch is doing."""
        ...

    def results(self, batch: str) -> AsyncIterator[tuple[int, bytes | Fault]]:
        """The results there are: number of the item, and the body of its answer or why there is none."""
        ...


class Provider(Protocol):
    """Registered in the entry-point group `autointerp.providers` under the name that addresses begin with.

    It is made with `(address, timeout)` and imports its SDK then, not earlier. Keys come from the environment and stay in
    it: `send` raises nothing and returns nothing that contains one. Retries, limits, budget and cache are not its concern.
    """

    #: None where the wire format has no batches.
    batches: BatchEndpoint | None

    def __init__(self, address: Address, timeout: float) -> None: ...

    @staticmethod
    def endpoint(address: Address) -> str | None:
        """URL of the server that the address leads to with the present environment; None for the provider's own."""
        ...

    @staticmethod
    def key_missing(address: Address) -> str | None:
        """Name of the environment variable that has to hold a key and does not; None where none is needed."""
        ...

    def encode(self, request: Request[Any], able: Capabilities) -> Body:
        """The request as this wire format has it, without what the model is not able to."""
        ...

    async def send(self, body: Body, key: str) -> Received:
        """One attempt, no retries. `key` names the request, for servers that do the same work only once. Raises Fault."""
        ...

    def decode(self, body: bytes) -> Answer:
        """Read an answer. Raises Dropped where it is not what the protocol says."""
        ...

    def blame(self, rejection: Rejected, body: Body) -> Capability | None:
        """Which of the things that the body made use of the server rejects; None where it is something else."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
