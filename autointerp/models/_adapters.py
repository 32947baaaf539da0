"""What a family of models calls its parts: one row a family, and the map of one model made from its row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from autointerp.models._anatomy import RESIDUAL, Addition, Anatomy, Call, Projection, Sum
from autointerp.models._points import Fused, Heads, Point, SitePoint, joined
from autointerp.records import Site, SiteKind

#: Which site is mapped by a layer of the model to which other one.
PROJECTED = {SiteKind.HEAD_OUT: SiteKind.ATTN_OUT, SiteKind.MLP_HIDDEN: SiteKind.MLP_OUT}


@dataclass(frozen=True, slots=True)
class Adapter:
    """The map from sites to modules of one family.

    Attributes
    ----------
    stem: the path of the model without its head.
    blocks: the path of the list of blocks in the stem.
    points: the place of each kind of site, relative to the block, in the order of the forward pass: a trace has to visit
        modules in that order.
    embed: what enters the first block, relative to the stem.
    final: what the head reads, relative to the stem; None where that is what leaves the last block.
    unembed: the path in the model of the layer that maps `final` to logits; None where none does so by itself.
    logits: whether the model's output has logits.
    sums: what adds up to what.
    after: the norm that a site's values went through since the layer that made them, relative to the block.
    causal: whether no token sees a later one.
    call: how the model is called.
    spare: modules in the stem that no site depends on, whose weights may be absent.
    positions_after_padding: that positions are counted from the number after the padding token's.
    absent: kinds of site that a model lacks if its configuration has this switch on.
    """

    stem: str
    blocks: str
    points: Mapping[SiteKind, SitePoint | Fused]
    embed: Point
    final: Point | None
    unembed: str | None = "lm_head"
    logits: bool = True
    sums: tuple[Sum, ...] = RESIDUAL
    after: Mapping[SiteKind, str] = field(default_factory=dict)
    causal: bool = True
    call: Call = field(default_factory=Call)
    spare: tuple[str, ...] = ()
    positions_after_padding: bool = False
    absent: Mapping[str, frozenset[SiteKind]] = field(default_factory=dict)

    def headless(self) -> Self:
        """The row of the same family's class without a head."""
        return replace(self, stem="", unembed=None, logits=False)

    def anatomy(self, config: Any) -> Anatomy:
        """The map of a model of this family with this configuration."""
        text = config.get_text_config()
        heads = heads_of(text)
        missing = {kind for switch, kinds in self.absent.items() if getattr(text, switch, False) for kind in kinds}
        paths = [joined(self.stem, self.blocks, str(layer)) for layer in range(text.num_hidden_layers)]
        points: dict[Site, SitePoint] = {Site(layer=0, kind=SiteKind.EMBED): self.embed.within(self.stem)}
        for layer, path in enumerate(paths):
            for kind, point in self.points.items():
                if kind not in missing:
                    place = point.sized(heads) if isinstance(point, Fused) else point
                    points[Site(layer=layer, kind=kind)] = place.within(path)
        final = self.final.within(self.stem) if self.final else Point(paths[-1])
        points[Site(layer=0, kind=SiteKind.FINAL)] = final
        first = (text.pad_token_id or 0) + 1 if self.positions_after_padding else 0
        decoder, both_ways = (getattr(text, n, False) for n in ("is_decoder", "use_bidirectional_attention"))
        return Anatomy(
            points=points,
            blocks=tuple(paths),
            causal=(self.causal or decoder) and not both_ways,
            call=replace(self.call, first=first),
            logits=Point("", "output", "logits") if self.logits else None,
            additions=tuple(additions(self.sums, paths)),
            projections=tuple(projections(points, self.after, paths)),
            unembed=self.unembed,
            norm=final.module if self.final else None,
            softcap=getattr(text, "final_logit_softcapping", None),
        )


def heads_of(config: Any) -> Heads:
    """The heads of a configuration of transformers."""
    count = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // count
    return Heads(count, getattr(config, "num_key_value_heads", None) or count, size)


def additions(sums: tuple[Sum, ...], paths: list[str]) -> Iterator[Addition]:
    """The sums at every layer; `paths` are those of the blocks."""
    for layer, path in enumerate(paths):
        for rule in sums:
            terms = tuple(Site(layer=layer, kind=kind) for kind in rule.terms)
            norm = None if rule.norm is None else joined(path, rule.norm)
            yield Addition(Site(layer=layer, kind=rule.total), terms, norm)


def projections(
    points: Mapping[Site, SitePoint], after: Mapping[SiteKind, str], paths: list[str]
) -> Iterator[Projection]:
    """The layers whose input is one site and whose output, perhaps normed, is another."""
    for source, point in points.items():
        if source.kind not in PROJECTED or not isinstance(point, Point) or point.end != "input":
            continue
        target = Site(layer=source.layer, kind=PROJECTED[source.kind])
        if target in points:
            norm = after.get(target.kind)
            yield Projection(source, target, point.module, None if norm is None else joined(paths[source.layer], norm))
