"""What may cross the border of a sandbox: plain values, and not too much of them."""

from __future__ import annotations

from collections.abc import Collection

#: Bounds of one crossing. Code can name a value far larger than its memory: a list of lists of one long list.
MOST_ITEMS = 1_000_000
MOST_TEXT = 16 * 2**20
DEEPEST = 50
#: Longer integers cost quadratic time to print.
MOST_BITS = 4096

_NUMBERS = frozenset({float, bool, type(None)})
_SEQUENCES = frozenset({list, tuple, set, frozenset})


def check(value: object) -> None:
    """Raise unless `value` is plain and within bounds: nothing is converted, and time and memory are bounded too.

    Plain are None, booleans, numbers, text, bytes, and lists, tuples, sets and dicts of them.

    Raises
    ------
    TypeError: something that is not plain.
    ValueError: more than a million items, more than 16 MiB of text, deeper than 50, or an integer above 4096 bits.
    """
    items = text = 0
    level: list[Collection[object]] = [(value,)]
    # By levels: a value that holds itself ends at the deepest one, and shared parts count as often as they occur.
    for _ in range(DEEPEST + 1):
        below: list[Collection[object]] = []
        for children in level:
            items += len(children)
            if items > MOST_ITEMS:
                raise ValueError(f"a value of more than {MOST_ITEMS} items: pass on less")
            if set(map(type, children)) <= _NUMBERS:
                continue
            text += _sift(children, below)
            if text > MOST_TEXT:
                raise ValueError(f"a value with more than {MOST_TEXT} characters of text: pass on less")
        if not below:
            return
        level = below
    raise ValueError(f"a value nested deeper than {DEEPEST}: pass on a flatter one")


def _sift(children: Collection[object], below: list[Collection[object]]) -> int:
    """The characters of text among `children`; what they contain is added to `below`."""
    text = 0
    for child in children:
        kind = type(child)
        if isinstance(child, str | bytes) and kind in (str, bytes):
            text += len(child)
        elif isinstance(child, int) and kind is int:
            if child.bit_length() > MOST_BITS:
                raise ValueError(f"an integer of {child.bit_length()} bits, at most {MOST_BITS}: pass it on as text")
        elif isinstance(child, Collection) and kind in _SEQUENCES:
            below.append(child)
        elif isinstance(child, dict) and kind is dict:
            below.extend((child.keys(), child.values()))
        elif kind not in _NUMBERS:
            name = kind.__name__[:40]
            raise TypeError(f"a value of type {name}: only numbers, text, lists, tuples, sets and dicts are passed on")
    return text
