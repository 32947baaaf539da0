"""`page`: the rest of an answer that did not fit one page."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from autointerp.errors import Adapt
from autointerp.tools._bench import Workbench
from autointerp.tools._tool import Arguments, Result, Tool

if TYPE_CHECKING:
    from autointerp.tools._toolbox import Toolbox


class PageArguments(Arguments):
    """Of which answer, and which page."""

    handle: Annotated[str, Field(max_length=20, description="The handle at the end of the answer, such as r3.")]
    number: Annotated[int, Field(ge=1, description="Which page, from 1.")] = 2


class PageResult(Result):
    """One page of text."""

    text: str


class Page(Tool[PageArguments, PageResult]):
    """See the module."""

    name = "page"
    description = "A further page of an earlier answer that was too long for one, by the handle at its end."
    arguments = PageArguments
    result = PageResult
    callable_from_code = False
    _toolbox: Toolbox | None = None

    def attached(self, toolbox: Toolbox) -> Page:
        """See `Tool.attached`."""
        own = copy.copy(self)
        own._toolbox = toolbox
        return own

    def run(self, bench: Workbench, arguments: PageArguments) -> PageResult:
        """See `Tool.run`."""
        del bench
        if self._toolbox is None:
            raise Adapt("pages are kept by a toolbox: call it through one")
        return PageResult(text=self._toolbox.page(arguments.handle, arguments.number))

    def render(self, result: PageResult) -> str:
        """See `Tool.render`."""
        return result.text
