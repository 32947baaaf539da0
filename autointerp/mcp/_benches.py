"""The toolboxes of a server: one for each feature that a host asks about, the least recently used put away."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from autointerp.programs import Predictor
from autointerp.study import Laboratory, open_bench
from autointerp.tools import Toolbox

#: Features whose bench is kept: their figures, and the sandbox of each where code is run.
_KEPT: Final = 16


@dataclass(slots=True)
class _Place:
    toolbox: asyncio.Task[Toolbox]
    users: int = 0


class Benches:
    """Toolboxes by feature. Used from one event loop."""

    def __init__(self, *, run_code: bool) -> None:
        self._run_code = run_code
        self._places: OrderedDict[int, _Place] = OrderedDict()

    @asynccontextmanager
    async def at(self, laboratory: Laboratory, feature: int) -> AsyncIterator[Toolbox]:
        """The toolbox of a feature; nobody puts it away meanwhile. Raises FeatureError for a number that there is not."""
        laboratory.feature(feature)
        if feature not in self._places:
            task = asyncio.create_task(asyncio.to_thread(self._opened, laboratory, feature))
            self._places[feature] = _Place(task)
        place = self._places[feature]
        self._places.move_to_end(feature)
        place.users += 1
        try:
            # Shielded: a caller that gives up must not take the bench from others that wait for it.
            yield await asyncio.shield(place.toolbox)
        except BaseException:
            if place.toolbox.done() and (place.toolbox.cancelled() or place.toolbox.exception() is not None):
                self._places.pop(feature, None)
            raise
        finally:
            place.users -= 1
            await self._tidy()

    async def close(self) -> None:
        """Put all away."""
        places, self._places = list(self._places.values()), OrderedDict()
        for place in places:
            if place.toolbox.done() and place.toolbox.exception() is None:
                await asyncio.to_thread(place.toolbox.result().close)

    def _opened(self, laboratory: Laboratory, feature: int) -> Toolbox:
        bench, _ = open_bench(laboratory, laboratory.feature(feature), Predictor())
        return Toolbox(bench, sandbox="monty" if self._run_code else None)

    async def _tidy(self) -> None:
        idle = [feature for feature, place in self._places.items() if not place.users and place.toolbox.done()]
        for feature in idle[: max(0, len(self._places) - _KEPT)]:
            toolbox = self._places.pop(feature).toolbox.result()
            await asyncio.to_thread(toolbox.close)
