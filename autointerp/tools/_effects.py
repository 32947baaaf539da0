"""What ablating and steering a feature does to the next-token logits, on texts of the train split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autointerp.circuits import Prompts, clean_run, next_token_change, prompts_of
from autointerp.models import Captured
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

    Both at one place of each of up to `prompts` texts. Empty where no text of the train split activates the feature;
    no steering where it is silent nowhere.
    """
    sample = sample_texts(bench, active=prompts, silent=prompts // 2)
    if sample.active == 0:
        return []
    direction = bench.dictionary.direction(bench.feature.index)
    site = bench.dictionary.output_site
    peak = sample.activations[: sample.active].argmax(1)
    strength = float(np.quantile(sample.activations[: sample.active].max(1), 0.75))
    results = []
    ids = torch.from_numpy(sample.ids).long()
    clean = clean_run(bench.subject, site, ids)
    firing = _prompts(bench, clean, ids, np.arange(sample.active), peak)
    height = torch.from_numpy(sample.activations[np.arange(sample.active), peak])
    change = next_token_change(bench.subject, firing, -height[:, None] * direction)
    results.append(Effects(Intervention.ABLATE, PromptKind.FIRES, None, change, _likely(firing, change)))
    places = silent_places(sample.activations, sample.lengths, bench.seed)
    some = np.flatnonzero(places > 0)[-prompts:]
    if not len(some):
        return results
    quiet = _prompts(bench, clean, ids, some, places[some])
    change = next_token_change(bench.subject, quiet, (strength * direction).expand(len(some), -1))
    results.append(Effects(Intervention.STEER, PromptKind.SILENT, strength, change, _likely(quiet, change)))
    return results


def _prompts(bench: Workbench, clean: Captured, ids: Tensor, texts: np.ndarray, places: np.ndarray) -> Prompts:
    site = bench.dictionary.output_site
    assert clean.logits is not None
    some = Captured({site: clean.sites[site][texts]}, clean.logits[texts])
    return prompts_of(bench.subject, site, ids[texts], torch.from_numpy(places), clean=some)


def _likely(prompts: Prompts, change: Tensor) -> Tensor:
    before, after = prompts.logits.softmax(-1), (prompts.logits + change).softmax(-1)
    return torch.maximum(before, after).mean(0)


def silent_places(activations: np.ndarray, lengths: np.ndarray, seed: int) -> np.ndarray:
    """One random place in each text at which the feature is silent; 0 where there is none."""
    random = np.random.default_rng([seed, 1])
    places = np.zeros(len(activations), dtype=np.int64)
    for i, (row, length) in enumerate(zip(activations, lengths, strict=True)):
        quiet = 1 + np.flatnonzero(row[1:length] == 0)
        if len(quiet):
            places[i] = random.choice(quiet)
    return places
