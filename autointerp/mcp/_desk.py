"""Everything one server holds, from its start to its end."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from autointerp.mcp._benches import Benches
from autointerp.mcp._book import Book
from autointerp.mcp._opening import Opening
from autointerp.mcp._runs import Runs
from autointerp.mcp._settings import Settings


class Desk:
    """The laboratory, the toolboxes, the runs and the pages of one server. An async context manager.

    With `eager` the model is opened at once, else when it is first needed.
    """

    def __init__(self, settings: Settings, *, eager: bool = True) -> None:
        self.settings = settings
        self.book = Book()
        self.opening = Opening(settings)
        self.runs = Runs(settings, self.opening)
        self.benches = Benches(run_code=settings.run_code)
        self._eager = eager

    async def __aenter__(self) -> Self:
        if self._eager:
            self.opening.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.runs.close()
        await self.benches.close()
        self.opening.close()
