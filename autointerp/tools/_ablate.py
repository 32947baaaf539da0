"""`ablate`: take a feature out of texts and see what the model predicts instead."""

from __future__ import annotations

import torch

from autointerp.tools._bench import Workbench
from autointerp.tools._changes import Shift, changed, clean, shift
from autointerp.tools._compared import told
from autointerp.tools._texts import (
    Count,
    FeatureNumber,
    Positions,
    Read,
    Texts,
    column,
    columns,
    feature_number,
    token_ids,
)
from autointerp.tools._tool import Arguments, Result, Tool


class AblateArguments(Arguments):
    """Which texts, which feature, where, and where to look."""

    texts: Texts
    feature: FeatureNumber = None
    positions: Positions = None
    read: Read = -1
    count: Count = 8


class AblateResult(Result):
    """By text: the activation that was taken away at its strongest, and how the prediction at the read position changed."""

    feature: int
    removed: tuple[float, ...]
    shifts: tuple[Shift, ...]


class Ablate(Tool[AblateArguments, AblateResult]):
    """See the module."""

    name = "ablate"
    description = (
        "Set a feature to 0 in texts that you write, at all tokens or at some, and compare the next-token prediction at one"
        " position before and after: KL divergence in nats, and logit changes relative to their mean over the vocabulary."
        " Nothing changes where the feature is silent."
    )
    arguments = AblateArguments
    result = AblateResult

    def run(self, bench: Workbench, arguments: AblateArguments) -> AblateResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        ids = token_ids(bench, arguments.texts)
        places = [column(arguments.read, text, "read") for text in ids]
        wanted = [columns(arguments.positions, text) for text in ids]
        before = clean(bench, ids, places, feature)
        amounts = -before.activations
        if arguments.positions is not None:
            kept = torch.zeros_like(amounts)
            for row, some in enumerate(wanted):
                kept[row, some] = amounts[row, some]
            amounts = kept
        after = changed(bench, before, amounts[None], "texts")
        shifts = tuple(shift(bench, before, row, after[0, row], arguments.count) for row in range(len(ids)))
        return AblateResult(feature=feature, removed=tuple(amounts.abs().amax(1).tolist()), shifts=shifts)

    def render(self, result: AblateResult) -> str:
        """See `Tool.render`."""
        lines = [f"feature {result.feature} set to 0; token logit change (probability before → after)"]
        for removed, found in zip(result.removed, result.shifts, strict=True):
            lines += [
                f"text {found.text}: strongest activation taken away {removed:.3g}; after token {found.position}"
                f" {found.token!r} KL {found.kl:.4f} nats",
                f"  raised: {told(found.raised)}",
                f"  lowered: {told(found.lowered)}",
            ]
        return "\n".join(lines) + "\n"
