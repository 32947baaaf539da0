"""The roles that a component may have, and how much of what each says is there on the prompts of the task itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._mechanisms import MECHANISMS, Mechanism, answer_attention
from autointerp.circuits._pairs import Pair, prompts_of
from autointerp.records import SiteKind

NAME_MOVER, NEGATIVE_MOVER = "name mover", "negative name mover"
TOKEN_LOOKUP, ANSWER_WRITER = "token lookup", "answer writer"

#: Roles of heads, by what they attend to; then those that say what is done with it.
HEAD_ROLES: Mapping[str, str] = MappingProxyType(
    {
        **{one.name: one.does for one in MECHANISMS},
        NAME_MOVER: "attends from the last token to the answer, and raises the logit of what it reads",
        NEGATIVE_MOVER: "attends from the last token to the answer, and lowers the logit of what it reads",
    }
)
#: Roles of what has no attention pattern of its own.
OTHER_ROLES: Mapping[str, str] = MappingProxyType(
    {
        TOKEN_LOOKUP: "writes what the token it stands at calls for, whatever the context",
        ANSWER_WRITER: "writes the answer, which the logits read at the last token",
    }
)


def mechanism_named(name: str) -> Mechanism | None:
    """The mechanism of that name; None for a role that is no pattern of attention."""
    return next((one for one in MECHANISMS if one.name == name), None)


def task_attention(parts: Parts, pairs: Sequence[Pair], heads: Sequence[str]) -> dict[str, dict[str, float]]:
    """By role of a head and by head, the share of attention that goes where the role says on the clean prompts themselves.

    In the mean over the tokens of which the role says something. On a task's prompts several roles often say the same, so
    that this suggests roles and cannot tell them apart. Empty for a model whose patterns cannot be read.
    """
    if parts.site(0, SiteKind.PATTERN) not in parts.subject.sites() or not heads:
        return {}
    sources = {name: parts.graph.sources[parts.graph.source_numbers[name]] for name in heads}
    sums = {one.name: torch.zeros(len(heads), dtype=torch.float64) for one in MECHANISMS}
    places = dict.fromkeys(sums, 0)
    for prompts in prompts_of(parts.subject, pairs):
        layers = sorted({source.layer for source in sources.values()})
        sites = {layer: parts.site(layer, SiteKind.PATTERN) for layer in layers}
        seen = parts.subject.run(prompts.clean, capture=list(sites.values())).sites
        for one in MECHANISMS:
            where = one.attended(prompts.clean, parts.subject.strings)
            places[one.name] += int((where >= 0).sum())
            for number, source in enumerate(sources.values()):
                pattern = seen[sites[source.layer]][:, source.head or 0]
                sums[one.name][number] += float(attended_share(pattern, where).sum())
    found = {
        name: dict(zip(sources, (total / max(1, places[name])).tolist(), strict=True)) for name, total in sums.items()
    }
    reading = answer_attention(parts, pairs, heads)
    return {**found, NAME_MOVER: reading, NEGATIVE_MOVER: reading}


def attended_share(pattern: Tensor, where: Tensor) -> Tensor:
    """The attention [prompts, tokens] that a pattern [prompts, tokens, tokens] sends to `where` [prompts, tokens]; 0 at -1."""
    index = where.clamp(min=0).to(pattern.device)[..., None]
    return torch.where((where >= 0).to(pattern.device), pattern.gather(2, index)[..., 0], 0.0)
