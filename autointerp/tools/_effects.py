"""What ablating and steering a feature does to the next-token logits, on texts of the train split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autointerp.circuits import CleanRun, clean_run, next_token_change
from autointerp.records import Intervention, PromptKind
from autointerp.tools._bench import Workbench
from autointerp.tools._examples import sample_texts


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """What an intervention did, prompt by prompt.

    Attributes
    ----------
    changes: logit changes relative to their mean over the vocabulary, [prompts, vocabulary].
    likely: the probability of each token, with or without the intervention whichever is more, in the mean over prompts,
        [vocabulary]: which tokens the model considers at all.
    """

    intervention: Intervention
    prompts: PromptKind
    strength: float | None
    changes: Tensor
    likely: Tensor


def effects_of(bench: Workbench, *, prompts: int = 24) -> list[Effects]:
    """Ablate the feature where it fires strongest in a text, and steer by a typical strong activation where it is silent.

    Both at one place of each of up to `prompts` texts. Empty where no text of the train split activates the feature, and
    for a model without logits; no steering where it is silent nowhere.
    """
    sample = sample_texts(bench, active=prompts, silent=prompts // 2)
    if sample.active == 0 or not bench.subject.has_logits:
        return []
    dictionary = bench.dictionary
    peak = sample.activations[: sample.active].argmax(1)
    strength = float(np.quantile(sample.activations[: sample.active].max(1), 0.75))
    ids = torch.from_numpy(sample.ids).long()
    clean = clean_run(bench.subject, {dictionary.input_site, *dictionary.output_sites}, ids)
    height = torch.from_numpy(sample.activations[np.arange(sample.active), peak])
    change, likely = _change(bench, clean.some(slice(sample.active)), torch.from_numpy(peak), -height)
    results = [Effects(Intervention.ABLATE, PromptKind.FIRES, None, change, likely)]
    places = silent_places(sample.activations, sample.lengths, bench.seed)
    some = np.flatnonzero(places > 0)[-prompts:]
    if not len(some):
        return results
    steady = torch.full((len(some),), strength)
    change, likely = _change(bench, clean.some(some), torch.from_numpy(places[some]), steady)
    results.append(Effects(Intervention.STEER, PromptKind.SILENT, strength, change, likely))
    return results


def _change(bench: Workbench, clean: CleanRun, places: Tensor, amounts: Tensor) -> tuple[Tensor, Tensor]:
    """Logit changes by a change of the activation by `amounts` [texts], and how likely each token is with or without it."""
    rows = torch.arange(len(clean))
    read = clean.sites[bench.dictionary.input_site][rows, places]
    scaled = (amounts * bench.dictionary.scale(read.float()))[:, None]
    writes = bench.dictionary.writes(bench.feature.index)
    change = next_token_change(clean, places, {site: scaled * vector for site, vector in writes.items()})
    logits = clean.output[rows, places].float()
    return change, torch.maximum(logits.softmax(-1), (logits + change).softmax(-1)).mean(0)


def silent_places(activations: np.ndarray, lengths: np.ndarray, seed: int) -> np.ndarray:
    """One random place in each text at which the feature is silent; 0 where there is none."""
    random = np.random.default_rng([seed, 1])
    places = np.zeros(len(activations), dtype=np.int64)
    for i, (row, length) in enumerate(zip(activations, lengths, strict=True)):
        quiet = 1 + np.flatnonzero(row[1:length] == 0)
        if len(quiet):
            places[i] = random.choice(quiet)
    return places
