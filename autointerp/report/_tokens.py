"""Text of unknown origin made safe to look at: nothing invisible, nothing that a terminal or a browser would obey."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

NEWLINE = "⏎"
TAB = "⇥"
SPACE = "·"

_BACKTICKS = re.compile(r"`([^`\n]+)`")


def stand_in(character: str) -> str | None:
    """What to show for a character without a glyph (controls, bidi marks, odd spaces); None if it has one."""
    if character.isprintable():
        return None
    if character == "\n":
        return NEWLINE
    if character == "\t":
        return TAB
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return character.encode("unicode_escape").decode("ascii")


def one_line(text: str) -> str:
    """`text` on one line, every invisible character but the space as a visible sign."""
    return "".join(stand_in(character) or character for character in text)


def ascii_line(text: str) -> str:
    """`text` on one line in printable ASCII, everything else as a Python escape."""
    return "".join(
        character
        if character.isascii() and character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def prose(text: str) -> str:
    """`text` with its line breaks and tabs kept, every other invisible character as a visible sign."""
    lines = text.replace("\r\n", "\n")
    return "".join(character if character in "\n\t" else stand_in(character) or character for character in lines)


def coded(text: str) -> Markup:
    """`prose` whose parts between backticks are set as code, as people mean them."""
    parts = _BACKTICKS.split(prose(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in enumerate(parts)
    )


def window(text: str) -> Markup:
    """A token inside running text: signs are set apart, and a line break or a tab has its effect after its sign."""
    return Markup("").join(_in_window(character) for character in text)


def chip(text: str) -> Markup:
    """A token standing alone: as `window`, but on one line and with its spaces visible."""
    return Markup("").join(
        _sign(SPACE if character == " " else stand_in(character)) or escape(character) for character in text
    )


def _in_window(character: str) -> Markup:
    sign = _sign(stand_in(character))
    if sign is None:
        return escape(character)
    return sign + character if character in "\n\t" else sign


def _sign(sign: str | None) -> Markup | None:
    return None if sign is None else Markup('<i class="ws">{}</i>').format(sign)
