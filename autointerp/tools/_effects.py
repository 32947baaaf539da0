"""What ablating and steering a feature does to the next-token logits, on texts of the train split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autointerp.circuits import next_token_change, prompts_of
from autointerp.records import Intervention, PromptKind
from autointerp.tools._bench import Workbench
from autointerp.tools._examples import sample_texts


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """Logit changes [prompts, vocabulary], relative to their mean over the vocabulary."""

    intervention: Intervention
    prompts: PromptKind
    strength: float | None
    changes: Tensor


def effects_of(bench: Workbench, *, prompts: int = 24) -> list[Effects]:
    """Ablate the feature where it fires strongest in a text, and steer by a typical strong activation where it is silent.

    Both at one place of each of up to `prompts` texts. Empty where no text of the train split activates the feature.
    """
    sample = sample_texts(bench, active=prompts, silent=prompts)
    if sample.active == 0:
        return []
    direction = bench.dictionary.direction(bench.feature.index)
    site = bench.dictionary.output_site
    peak = sample.activations[: sample.active].argmax(1)
    strength = float(np.quantile(sample.activations[: sample.active].max(1), 0.75))
    results = []
    ids = torch.from_numpy(sample.ids).long()
    firing = prompts_of(bench.subject, site, ids[: sample.active], torch.from_numpy(peak))
    height = torch.from_numpy(sample.activations[np.arange(sample.active), peak])
    change = next_token_change(bench.subject, firing, -height[:, None] * direction)
    results.append(Effects(Intervention.ABLATE, PromptKind.FIRES, None, change))
    places = silent_places(sample.activations, sample.lengths, bench.seed)
    some = np.flatnonzero(places > 0)[-prompts:]
    quiet = prompts_of(bench.subject, site, ids[some], torch.from_numpy(places[some]))
    change = next_token_change(bench.subject, quiet, (strength * direction).expand(len(some), -1))
    results.append(Effects(Intervention.STEER, PromptKind.SILENT, strength, change))
    return results


def silent_places(activations: np.ndarray, lengths: np.ndarray, seed: int) -> np.ndarray:
    """One random place in each text at which the feature is silent; 0 where there is none."""
    random = np.random.default_rng([seed, 1])
    places = np.zeros(len(activations), dtype=np.int64)
    for i, (row, length) in enumerate(zip(activations, lengths, strict=True)):
        quiet = 1 + np.flatnonzero(row[1:length] == 0)
        if len(quiet):
            places[i] = random.choice(quiet)
    return places
