"""Colouring of a program without parsing it, so that a broken program is shown as faithfully as a good one."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

# A string that is never closed runs to the end of the source (triple quotes) or of the line, as an editor shows it.
_LEXEME = re.compile(
    r"""
    (?P<comment> \# [^\n]* )
    | (?P<string> [rbfuRBFU]{0,2} (?:
        \"{3} (?: \\. | [^\\] )*? (?: \"{3} | \Z )
        | '{3} (?: \\. | [^\\] )*? (?: '{3} | \Z )
        | \" (?: \\. | [^"\\\n] )* \"?
        | ' (?: \\. | [^'\\\n] )* '?
    ) )
    | (?P<number> \b \d [\w.]* )
    | (?P<word> [^\W\d] \w* )
    | (?P<other> \s+ | . )
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Line:
    """A line as (kind, text) pieces; kind is comment, string, number, keyword, defined, or empty for the rest."""

    pieces: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The line as it stands in the source."""
        return "".join(text for _, text in self.pieces)

    @property
    def indent(self) -> int:
        """Columns of leading white space."""
        expanded = self.text.expandtabs(4)
        return len(expanded) - len(expanded.lstrip())


def coloured_lines(source: str) -> list[Line]:
    """`source` line by line; the texts add up to it but for blank lines at its end."""
    lines: list[list[tuple[str, str]]] = [[]]
    after_def = False
    for match in _LEXEME.finditer(source):
        kind, text = match.lastgroup or "", match.group()
        if kind == "word":
            kind = "keyword" if keyword.iskeyword(text) else "defined" if after_def else ""
            after_def = text in ("def", "class")
        elif kind == "other":
            kind = ""
        first, *rest = text.split("\n")
        lines[-1].append((kind, first))
        lines.extend([(kind, part)] for part in rest)
    while len(lines) > 1 and not any(text.strip() for _, text in lines[-1]):
        lines.pop()
    return [Line(tuple(pieces)) for pieces in lines]
