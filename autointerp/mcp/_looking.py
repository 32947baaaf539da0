"""`list_features` and `page`: what there is, and the rest of what was too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from autointerp.mcp._desk import Desk
from autointerp.mcp._endpoints import Answer, Asked, Endpoint, TypedEndpoint, parsed
from autointerp.mcp._opening import Tell
from autointerp.study import Laboratory

Order = Literal["number", "density", "maximum"]


class FeaturesAsked(Asked):
    """In which order, and which of them."""

    order: Annotated[
        Order, Field(description="number; density: most often active first; maximum: strongest activation first.")
    ] = "number"
    least_active: Annotated[int, Field(ge=0, description="Leave out those active at fewer tokens of the corpus.")] = 1
    offset: Annotated[int, Field(ge=0, description="How many to skip.")] = 0
    count: Annotated[int, Field(ge=1, le=200, description="How many to list.")] = 50


class PageAsked(Asked):
    """Of which answer, and which page."""

    handle: Annotated[str, Field(max_length=40, description="The handle at the end of the answer, such as a3 or run1.")]
    number: Annotated[int, Field(ge=1, description="Which page, from 1.")] = 2


class ListFeatures(TypedEndpoint):
    """See the module."""

    name, title = "list_features", "List features"
    description = (
        "The features of the dictionary: number, share of the tokens at which it is active, strongest activation."
    )
    asked = FeaturesAsked

    async def answer(self, desk: Desk, given: Mapping[str, Any], tell: Tell) -> Answer:
        """See `Endpoint`."""
        asked = parsed(FeaturesAsked, given)
        laboratory = await desk.opening.wait(tell)
        index = laboratory.index
        sorting = {"density": -index.active, "maximum": -index.maximum.astype(np.float64)}
        order = np.arange(len(index.active))
        if asked.order != "number":
            order = np.argsort(sorting[asked.order], kind="stable")
        order = order[index.active[order] >= asked.least_active]
        chosen = order[asked.offset : asked.offset + asked.count]
        lines = [
            f"{summary(laboratory)}. {len(order)} of them are active at {asked.least_active} tokens or more; by {asked.order},"
            f" from {asked.offset}:",
            "number  density    maximum",
        ]
        lines += [
            f"{feature:6d}  {index.active[feature] / index.meta.tokens:.2e}  {index.maximum[feature]:8.3g}"
            for feature in chosen
        ]
        if (left := len(order) - asked.offset - len(chosen)) > 0:
            lines.append(f"{left} more: offset={asked.offset + len(chosen)}")
        return Answer(desk.book.first("\n".join(lines) + "\n"))


class ShowPage(TypedEndpoint):
    """See the module."""

    name, title = "page", "Page of an answer"
    description = "A further page of an earlier answer that was too long for one, by the handle at its end."
    asked = PageAsked

    async def answer(self, desk: Desk, given: Mapping[str, Any], tell: Tell) -> Answer:
        """See `Endpoint`."""
        del tell
        asked = parsed(PageAsked, given)
        return Answer(desk.book.page(asked.handle, asked.number))


def summary(laboratory: Laboratory) -> str:
    """One line on what is studied."""
    meta = laboratory.index.meta
    return (
        f"{laboratory.dictionary.name} on {laboratory.subject.name}: {meta.features} features at"
        f" {laboratory.dictionary.output_site}, seen on {meta.tokens} tokens of {meta.corpus_name}"
    )


def looking_endpoints() -> list[Endpoint]:
    """Both."""
    return [ListFeatures(), ShowPage()]
