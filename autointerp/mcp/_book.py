"""Texts that were too long for one answer, kept so that their further pages can be asked for."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import Final

from autointerp.errors import RetryWithOther
from autointerp.tools import pages_of, shown

#: Answers that are kept: the oldest makes room.
_KEPT: Final = 256


class Book:
    """Texts by handle. A page has about 2,000 tokens: hosts warn at 10,000 and cut at 25,000."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._numbers = itertools.count(1)

    def first(self, text: str, handle: str | None = None) -> str:
        """Keep a text, under a handle of its own or a new one, and return its first page."""
        handle = handle or f"a{next(self._numbers)}"
        self._texts[handle] = text
        self._texts.move_to_end(handle)
        while len(self._texts) > _KEPT:
            self._texts.popitem(last=False)
        return shown(text, handle, 1)

    def page(self, handle: str, number: int) -> str:
        """A page, from 1, of what is kept. Raises RetryWithOther for one that there is not."""
        if (text := self._texts.get(handle)) is None:
            latest = ", ".join(list(self._texts)[-5:]) or "none yet"
            raise RetryWithOther(
                "handle", f"no answer {handle!r} is kept; the latest are {latest}: ask again for older ones"
            )
        return page_of(text, handle, number)


def page_of(text: str, handle: str, number: int) -> str:
    """Page `number` of a text. Raises RetryWithOther, which says the range."""
    try:
        return shown(text, handle, number)
    except IndexError:
        raise RetryWithOther("number", f"no page {number}: {handle} has pages 1 to {len(pages_of(text))}") from None
