"""All measurements of `pystdlib` as rows: what the card prints and the JSON file holds."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from autointerp.activations._documents import is_unseen
from autointerp.activations._stdlib import stdlib_documents
from training.pystdlib.baselines import KneserNey, xz_bits_per_byte, xz_bits_per_byte_after
from training.pystdlib.data import Tokens, token_stream
from training.pystdlib.measure_language import bits_per_byte, induction_losses, stream_losses, windows_of
from training.pystdlib.measure_sae import Autoencoder, activity, density_histogram, figures
from training.pystdlib.tokenizer import CONTEXT, VOCABULARY

ORDERS = range(3, 7)
STRIDE = 128
HALF, SEQUENCES = 64, 200
BITS = "bits/byte"
DENSITY = "latents with density "


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `target` is a comparison such as `<= 1.10`, `baseline` what the figure is to be read against."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    target: str | None = None

    @property
    def met(self) -> bool | None:
        """Whether the value is where the target wants it; None without a target."""
        if self.target is None:
            return None
        relation, bound = self.target.split()
        return {"<=": self.value <= float(bound), ">=": self.value >= float(bound)}[relation]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the split: the files, their text put end to end, and their tokens with a BOS before each file."""

    files: int
    text: bytes
    tokens: Tokens

    @classmethod
    def read(cls, tokenizer: PreTrainedTokenizerBase, *, unseen: bool) -> Side:
        """Encode the standard library's files of one side; raises where text and tokens are not of the same files."""
        texts = [d.text.encode("utf-8") for d in stdlib_documents() if is_unseen(d.id) == unseen]
        tokens, size = token_stream(tokenizer, unseen=unseen)
        side = cls(len(texts), b"".join(texts), tokens)
        if len(side.text) != size:
            raise RuntimeError(f"{len(side.text):,} bytes of text against {size:,} bytes of tokens: files changed?")
        return side


def reported(began: float, rows: list[Row]) -> list[Row]:
    """The rows, told on stderr as soon as they are there: a run that is cut off has then not been for nothing."""
    for row in rows:
        print(f"{time.monotonic() - began:6.0f} s  {row.name}: {row.value:.4f}", file=sys.stderr, flush=True)
    return rows


def baseline_rows(training: Side, unseen: Side, bos: int) -> list[Row]:
    """xz and Kneser-Ney on the unseen files."""
    model = KneserNey(training.tokens, VOCABULARY, ORDERS[-1])
    probabilities = model.probabilities(unseen.tokens)
    return [
        Row("xz -9e on the unseen files", xz_bits_per_byte(unseen.text), BITS),
        Row("xz -9e with the training files as history", xz_bits_per_byte_after(training.text, unseen.text), BITS),
        *(
            Row(
                f"Kneser-Ney of order {order}",
                bits_per_byte(-np.log(probabilities[order - 1]), unseen.tokens, bos, len(unseen.text)),
                BITS,
            )
            for order in ORDERS
        ),
    ]


def language_rows(model: LlamaForCausalLM, unseen: Side, bos: int, baseline: float) -> list[Row]:
    """Bits per byte of the language model, with windows side by side (the headline) and overlapping."""
    length = CONTEXT - 1

    def bits(stride: int) -> float:
        losses = stream_losses(model, unseen.tokens, bos, length, stride)
        return bits_per_byte(losses, unseen.tokens, bos, len(unseen.text))

    return [
        Row(f"model, windows of BOS + {length} tokens side by side", bits(length), BITS, baseline, "<= 1.10"),
        Row(f"model, such windows every {STRIDE} tokens", bits(STRIDE), BITS, baseline),
    ]


def induction_rows(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, bos: int, seed: int) -> list[Row]:
    """Loss on random tokens and on their repeat; the baseline is the loss of a uniform guess."""
    ordinary = np.setdiff1d(np.arange(VOCABULARY), tokenizer.all_special_ids)
    first, second = induction_losses(model, bos, ordinary, half=HALF, sequences=SEQUENCES, seed=seed)
    uniform = math.log(len(ordinary))
    return [
        Row(f"induction: loss on {HALF} random tokens", first, "nats/token", uniform),
        Row("induction: loss on their repeat", second, "nats/token", first),
        Row("induction: difference", first - second, "nats/token", 0.0),
    ]


def sae_rows(
    model: LlamaForCausalLM, sae: Autoencoder, training: Side, unseen: Side, bos: int, tokens: int, seed: int
) -> list[Row]:
    """Reconstruction and losses on about `tokens` unseen tokens; activity on all of them and as many seen ones."""
    length = CONTEXT - 1
    random = np.random.default_rng(seed)
    held_out = windows_of(unseen.tokens, bos, length, length)
    sample = held_out[random.permutation(len(held_out))[: max(1, tokens // length)]]
    f = figures(model, sae, sample, bos)
    seen = windows_of(training.tokens, bos, length, length)
    seen = seen[random.permutation(len(seen))[: len(held_out)]]
    counts, positions = activity(model, sae, held_out, bos)
    more, more_positions = activity(model, sae, seen, bos)
    counts, positions = counts + more, positions + more_positions
    return [
        Row(f"explained variance, {f.positions:,} unseen positions", f.explained_variance, "share", 0.0, ">= 0.90"),
        # The aim is "at L0 32": the threshold is calibrated on training text, so the first decimal is left to chance.
        Row("L0", f.l0, "latents/position", len(counts), "<= 32.5"),
        Row(f"dead latents, {positions:,} positions", float((counts == 0).mean()), "share", None, "<= 0.01"),
        Row("loss, clean", f.clean, "nats/token"),
        Row("loss, reconstruction spliced in", f.spliced, "nats/token", f.clean),
        Row("loss, mean ablation", f.mean_ablated, "nats/token", f.clean),
        Row("loss, zero ablation", f.zero_ablated, "nats/token", f.clean),
        Row("loss recovered against mean ablation", f.loss_recovered, "share", 0.0, ">= 0.98"),
        *(Row(DENSITY + name, count, "latents") for name, count in density_histogram(counts, positions)),
    ]


def all_rows(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    sae: Autoencoder,
    sides: tuple[Side, Side],
    *,
    tokens: int,
    seed: int,
) -> list[Row]:
    """Every figure of the card; `sides` are the training files and the unseen ones."""
    training, unseen = sides
    bos = int(tokenizer.convert_tokens_to_ids(str(tokenizer.bos_token)))
    began = time.monotonic()
    baselines = reported(began, baseline_rows(training, unseen, bos))
    strongest = min(row.value for row in baselines)
    language = reported(began, language_rows(model, unseen, bos, strongest))
    induction = reported(began, induction_rows(model, tokenizer, bos, seed))
    dictionary = reported(began, sae_rows(model, sae, training, unseen, bos, tokens, seed))
    return [*language, *baselines, *induction, *dictionary]


def below_all(rows: list[Row]) -> bool:
    """Whether the headline figure is below every baseline on the same files."""
    headline = rows[0]
    return headline.baseline is not None and headline.value < headline.baseline


def without_density(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """The figures, and the rows of the density histogram with the plain range as their name."""
    bars = [replace(row, name=row.name.removeprefix(DENSITY)) for row in rows if row.name.startswith(DENSITY)]
    return [row for row in rows if not row.name.startswith(DENSITY)], bars
