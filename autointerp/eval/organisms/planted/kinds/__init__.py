"""The kinds of planted features, one file each: the functions of the text, and how one is drawn."""

from __future__ import annotations

from autointerp.eval.organisms.planted._function import Kind
from autointerp.eval.organisms.planted.kinds._absorbed import Absorbed, Without
from autointerp.eval.organisms.planted.kinds._context import After, Contexts
from autointerp.eval.organisms.planted.kinds._counting import Counted, Counting
from autointerp.eval.organisms.planted.kinds._decoy import Decoys
from autointerp.eval.organisms.planted.kinds._format import Early, Format, Indented
from autointerp.eval.organisms.planted.kinds._long_range import Latched, LongRange
from autointerp.eval.organisms.planted.kinds._negated import Everywhere, Negated
from autointerp.eval.organisms.planted.kinds._output_only import OutputOnly
from autointerp.eval.organisms.planted.kinds._polysemantic import AnyOf, Polysemantic
from autointerp.eval.organisms.planted.kinds._position import Position, Positioned
from autointerp.eval.organisms.planted.kinds._split import Half, Split
from autointerp.eval.organisms.planted.kinds._thresholded import Dense, Thresholded
from autointerp.eval.organisms.planted.kinds._token_sets import TokenSet, TokenSets
from autointerp.eval.organisms.planted.kinds._tokenisation import Continued, Tokenisation
from autointerp.eval.organisms.planted.kinds._twins import Twins

#: By the name of the kind.
KINDS: dict[str, Kind] = {
    "absorbed": Absorbed(),
    "context": Contexts(),
    "counting": Counting(),
    "decoy": Decoys(),
    "format": Format(),
    "long_range": LongRange(),
    "negated": Negated(),
    "output_only": OutputOnly(),
    "polysemantic": Polysemantic(),
    "position": Position(),
    "split": Split(),
    "thresholded": Thresholded(),
    "token_set": TokenSets(),
    "tokenisation": Tokenisation(),
    "twins": Twins(),
}

#: By the name that records give to them.
FUNCTIONS = {
    function.__name__: function
    for function in (
        After,
        AnyOf,
        Continued,
        Counted,
        Dense,
        Early,
        Everywhere,
        Half,
        Indented,
        Latched,
        Positioned,
        TokenSet,
        Without,
    )
}

__all__ = ["FUNCTIONS", "KINDS"]
