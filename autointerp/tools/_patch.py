"""`patch`: put activations of one text into another, by site and position, and see which carry the difference."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from autointerp.errors import RetryWithOther
from autointerp.models import At, Batch, Edit, Operation
from autointerp.records import Site, SiteKind
from autointerp.tools._bench import Workbench
from autointerp.tools._changes import chunks, need_logits
from autointerp.tools._compared import kl
from autointerp.tools._texts import Text, column, single_tokens, site_of, strings, token_ids
from autointerp.tools._tool import Arguments, Result, Tool

#: Patches of one call, and rows of a pass.
_MOST_CELLS, _ROWS = 512, 64
#: A difference of logits below this is none to restore.
_LEAST_GAP = 1e-3


class PatchArguments(Arguments):
    """Two texts, where to patch, and which tokens tell them apart."""

    target: Annotated[Text, Field(description="The text that is patched.")]
    source: Annotated[Text, Field(description="The text that activations are taken from.")]
    sites: Annotated[
        tuple[str, ...],
        Field(
            min_length=1, max_length=64, description="Sites such as resid_post.2, attn_out.1, mlp_out.0, head_out.1."
        ),
    ]
    positions: Annotated[
        tuple[int, ...] | None,
        Field(
            min_length=1,
            max_length=256,
            description="Token positions, of the same number in both texts; 0 is the first, -1 the last. Null for every one,"
            " where the texts have equally many tokens.",
        ),
    ] = None
    together: Annotated[
        bool, Field(description="Patch all positions of a site at once, instead of each by itself.")
    ] = False
    answer: Annotated[
        str | None,
        Field(
            description="Token that goes with the source; null for the one whose probability rises most from target to source."
        ),
    ] = None
    other: Annotated[
        str | None, Field(description="Token that goes with the target; null for the one whose probability falls most.")
    ] = None


class Cell(Result):
    """One patch.

    `position` is null for all of them at once. `difference` is logit(answer) − logit(other) after the last token of the target;
    `restored` where it lies between that of the target (0) and that of the source (1), null where these are alike; `kl` is
    KL(target ‖ patched) in nats.
    """

    site: str
    position: int | None
    difference: float
    restored: float | None
    kl: float


class PatchResult(Result):
    """All patches, sites in the order asked and positions within; `tokens` are those of the target."""

    tokens: tuple[str, ...]
    answer: str
    other: str
    target_difference: float
    source_difference: float
    cells: tuple[Cell, ...]


class Patch(Tool[PatchArguments, PatchResult]):
    """See the module."""

    name = "patch"
    description = (
        "Activation patching: run the target text with activations of the source text at named sites and token positions, and"
        " see how far the logit difference between two answers after the last token moves from the target's (restored 0) to"
        " the source's (restored 1). Two texts of equally many tokens that differ in one place work best."
    )
    arguments = PatchArguments
    result = PatchResult

    def run(self, bench: Workbench, arguments: PatchArguments) -> PatchResult:
        """See `Tool.run`."""
        need_logits(bench)
        sites = [site_of(bench, name, f"sites.{number}") for number, name in enumerate(arguments.sites)]
        if SiteKind.PATTERN in {site.kind for site in sites}:
            raise RetryWithOther("sites", "patterns have no token to patch: give head_out or attn_out of the layer")
        ids = [*token_ids(bench, [arguments.target], "target"), *token_ids(bench, [arguments.source], "source")]
        pairs = _pairs(arguments.positions, ids)
        groups = [pairs] if arguments.together else [[pair] for pair in pairs]
        if len(sites) * len(groups) > _MOST_CELLS:
            raise RetryWithOther(
                "sites",
                f"{len(sites)} sites at {len(groups)} positions are more than {_MOST_CELLS} patches: ask for fewer",
            )
        last = torch.tensor([len(text) - 1 for text in ids])
        run = bench.run(bench.subject.batch(ids), capture=sites, logits=last)
        assert run.logits is not None
        clean = run.logits.float()
        answer, other = _answers(bench, arguments, clean)
        gap = clean[:, answer] - clean[:, other]
        jobs = [(site, group) for site in sites for group in groups]
        patched = _patched(bench, ids[0], jobs, {site: x[1] for site, x in run.sites.items()})
        span = float(gap[1] - gap[0])
        cells = []
        for (site, group), logits in zip(jobs, patched, strict=True):
            difference = float(logits[answer] - logits[other])
            cells.append(
                Cell(
                    site=str(site),
                    position=None if arguments.together else group[0][0] - 1,
                    difference=difference,
                    restored=(difference - float(gap[0])) / span if abs(span) > _LEAST_GAP else None,
                    kl=float(kl(clean[0], logits)),
                )
            )
        names = strings(bench, [answer, other])
        return PatchResult(
            tokens=strings(bench, ids[0][1:]),
            answer=names[0],
            other=names[1],
            target_difference=float(gap[0]),
            source_difference=float(gap[1]),
            cells=tuple(cells),
        )

    def render(self, result: PatchResult) -> str:
        """See `Tool.render`."""
        lines = [
            f"logit({result.answer!r}) − logit({result.other!r}): target {result.target_difference:+.3f}, source"
            f" {result.source_difference:+.3f}; restored 0 is the target, 1 the source"
        ]
        for cell in result.cells:
            where = "all positions" if cell.position is None else f"{cell.position} {result.tokens[cell.position]!r}"
            restored = "not defined, as both texts agree" if cell.restored is None else f"{cell.restored:+.3f}"
            lines.append(f"{cell.site} at {where}: restored {restored}, KL {cell.kl:.4f} nats")
        return "\n".join(lines) + "\n"


def _pairs(positions: tuple[int, ...] | None, ids: list[list[int]]) -> list[tuple[int, int]]:
    """Columns of the target with those of the source that are put there."""
    if positions is None:
        lengths = [len(text) - 1 for text in ids]
        if lengths[0] != lengths[1]:
            raise RetryWithOther(
                "positions",
                f"the texts have {lengths[0]} and {lengths[1]} tokens: name positions; -1 is the last of both",
            )
        positions = tuple(range(lengths[0]))
    return [(column(p, ids[0], "positions"), column(p, ids[1], "positions")) for p in positions]


def _answers(bench: Workbench, arguments: PatchArguments, clean: Tensor) -> tuple[int, int]:
    """The ids of the two tokens whose logits are compared."""
    target, source = clean.softmax(-1)
    found = [int((source - target).argmax()), int((target - source).argmax())]
    for number, (text, name) in enumerate(((arguments.answer, "answer"), (arguments.other, "other"))):
        if text is not None:
            (found[number],) = single_tokens(bench, [text], name)
    answer, other = found
    if answer == other:
        name = strings(bench, [answer])[0]
        raise RetryWithOther("answer", f"{name!r} stands for both texts: name two different tokens")
    return answer, other


def _patched(
    bench: Workbench, target: list[int], jobs: list[tuple[Site, list[tuple[int, int]]]], source: dict[Site, Tensor]
) -> Tensor:
    """Logits after the last token of the target under each patch, [patches, vocabulary]."""
    parts = []
    batch = bench.subject.batch([target])
    for outer in range(0, len(jobs), _ROWS):
        some = jobs[outer : outer + _ROWS]
        for rows in chunks(bench, len(some), batch.ids.shape[1]):
            here = some[rows]
            edits = [
                Edit(site, Operation.SET, source[site][there], At((place,)), rows=(row,))
                for row, (site, group) in enumerate(here)
                for place, there in group
            ]
            repeated = Batch(batch.ids.repeat(len(here), 1), batch.mask.repeat(len(here), 1))
            logits = bench.run(repeated, edits=edits, logits=torch.full((len(here),), len(target) - 1)).logits
            assert logits is not None
            parts.append(logits.float())
    return torch.cat(parts)
