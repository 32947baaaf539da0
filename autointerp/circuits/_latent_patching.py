"""Patching of latents and neurons: what replacing each of some nodes really does; each patch a row of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._latent_attribution import differences
from autointerp.circuits._latent_sites import LatentNode, LatentParts, LatentSite
from autointerp.circuits._latent_values import Change
from autointerp.circuits._pairs import Prompts
from autointerp.circuits._task import Task
from autointerp.models import At, Edit, Operation, Patch, sweep

#: Patches whose logits are held at a time.
_PATCHES = 2048


def latent_patching(
    parts: LatentParts,
    task: Task,
    nodes: Sequence[LatentNode],
    *,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    seed: int = 0,
) -> Tensor:
    """Activation patching: the change of the metric when a latent has the strength that stands in its place, or the rest is
    another; all else at its site stays, and what is behind it follows.

    Returns [pairs, nodes]. Exact: every patch is run. Raises InputError for a node that is not there.
    """
    numbers = [parts.numbered(node) for node in nodes]
    by_position = any(node.position is not None for node in nodes)
    found = torch.zeros(len(task), len(nodes))
    for prompts, _, changes in differences(parts, task, ablation, by_position=by_position, seed=seed):
        places, patches = [], []
        for place, (node, number) in enumerate(zip(nodes, numbers, strict=True)):
            for row, edit in enumerate(_edits(parts.sites[number], changes[number], node)):
                if edit is not None:
                    places.append((row, place))
                    patches.append(Patch(row, (edit,)))
        effects = _effects(parts, task, prompts, patches)
        for (row, place), effect in zip(places, effects.tolist(), strict=True):
            found[prompts.rows[row], place] = effect
    return found


def _edits(site: LatentSite, moved: Change, node: LatentNode) -> list[Edit | None]:
    """For each prompt the edit that patches a node; None where it would change nothing."""
    prompts, tokens = moved.shape
    edits: list[Edit | None] = []
    if node.feature is None:
        assert moved.rest is not None
        differs = (moved.rest != 0).any(2)
    else:
        own = moved.features == node.feature
        amounts = torch.zeros(prompts * tokens, device=moved.amounts.device)
        amounts[moved.cells[own]] = moved.amounts[own]
        amounts = amounts.view(prompts, tokens)
        differs = amounts != 0
    for row in range(prompts):
        columns = differs[row].nonzero().flatten().tolist()
        if node.position is not None:
            columns = [column for column in columns if column == node.position]
        if not columns:
            edits.append(None)
            continue
        if node.feature is None:
            assert moved.rest is not None
            edit = Edit(site.writes, Operation.ADD, moved.rest[row][None], At(columns))
        else:
            whole = site.adding(node.feature, amounts[row])
            edit = Edit(whole.site, whole.operation, whole.value, At(columns), part=whole.part)
        edits.append(edit)
    return edits


def _effects(parts: LatentParts, task: Task, prompts: Prompts, patches: Sequence[Patch]) -> Tensor:
    """The change of the metric by each patch, [patches]."""
    clean: Tensor | None = None
    base = torch.zeros(0)
    found = [torch.zeros(0)]
    for start in range(0, len(patches), _PATCHES):
        some = patches[start : start + _PATCHES]
        first = [] if clean is not None else [Patch(row, ()) for row in range(len(prompts))]
        logits = sweep(parts.subject, prompts.clean, [*first, *some]).float()
        if clean is None:
            clean, logits = logits[: len(first)], logits[len(first) :]
            base = task.metric.values(clean, prompts, clean)
        rows = torch.tensor([patch.text for patch in some])
        there = rows.to(clean.device)
        values = task.metric.values(logits, prompts.part(rows), clean[there])
        found.append((values - base[there]).cpu())
    return torch.cat(found)
