"""Long text in pages that a language model can afford to read."""

from __future__ import annotations

#: About 2,000 tokens: numbers and code take three characters a token.
PAGE = 6000
#: What the line at the end of a page takes of it.
_NOTE = 120


def pages_of(text: str) -> list[str]:
    """The text whole where it fits a page, else in pages, cut between lines but for lines longer than a page."""
    if len(text) <= PAGE:
        return [text]
    size = PAGE - _NOTE
    pages, page = list[str](), ""
    for line in text.splitlines(keepends=True):
        while line:
            if page and len(page) + len(line) > size:
                pages.append(page)
                page = ""
            page += line[:size]
            line = line[size:]
    return [*pages, page]


def shown(text: str, handle: str, number: int) -> str:
    """Page `number` (from 1) with a line that says how to see the next. Raises IndexError for one that there is not."""
    pages = pages_of(text)
    if not 1 <= number <= len(pages):
        raise IndexError(f"{handle} has pages 1 to {len(pages)}")
    if len(pages) == 1:
        return pages[0]
    more = f'; page(handle="{handle}", number={number + 1}) shows the next' if number < len(pages) else ""
    return f"{pages[number - 1].rstrip()}\n[page {number} of {len(pages)}{more}]"
