"""An example window cut down to one line of a terminal around its peak."""

from __future__ import annotations

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from autointerp.records import Example
from autointerp.report._examples import peak, strength
from autointerp.report._tokens import ascii_line, one_line

#: Tokens shown at most on either side of the peak.
REACH = 12
#: Cells kept free at either end for the dots that say that the window goes on.
_ELLIPSIS = 3
#: Weak and strong: equally bright, so that the order reads the same on a dark and on a light terminal.
_WEAK, _STRONG = (112, 112, 112), (255, 165, 0)


def snippet(example: Example, maximum: float, width: int, coloured: bool, ascii_only: bool) -> Text:
    """The tokens around the peak that fit into `width` cells, active ones coloured or else between ‹ and ›."""
    shown = [ascii_line(token) if ascii_only else one_line(token) for token in example.tokens]
    opening, closing = ("", "") if coloured else ("<", ">") if ascii_only else ("‹", "›")
    pieces = [
        f"{opening}{text}{closing}" if activation > 0 else text
        for text, activation in zip(shown, example.activations, strict=True)
    ]
    start, stop = _reach([cell_len(piece) for piece in pieces], peak(example), width - 2 * _ELLIPSIS)
    line = Text(no_wrap=True, overflow="crop" if ascii_only else "ellipsis")
    line.append(("..." if ascii_only else "…") if start > 0 else "")
    for piece, activation in zip(pieces[start:stop], example.activations[start:stop], strict=True):
        line.append(piece, _style(strength(activation, maximum)) if coloured and activation > 0 else None)
    line.append(("..." if ascii_only else "…") if stop < len(pieces) else "")
    return line


def _reach(widths: list[int], centre: int, room: int) -> tuple[int, int]:
    """Start and stop of the tokens around `centre` that fit: grown by one on each side in turn; never empty."""
    start, stop = centre, centre + 1
    room -= sum(widths[start:stop])
    grown = True
    while grown:
        grown = False
        if start > max(0, centre - REACH) and widths[start - 1] <= room:
            start, room, grown = start - 1, room - widths[start - 1], True
        if stop < min(len(widths), centre + REACH + 1) and widths[stop] <= room:
            stop, room, grown = stop + 1, room - widths[stop], True
    return start, stop


def _style(share: float) -> Style:
    red, green, blue = (round(weak + (strong - weak) * share) for weak, strong in zip(_WEAK, _STRONG, strict=True))
    return Style(color="#000000" if share > 0.15 else "#ffffff", bgcolor=f"rgb({red},{green},{blue})")
