"""Measure `pystdlib` and its sparse autoencoder on files that neither was trained on, and write the model card.

    python -m training.pystdlib.card --model work/model --sae work/sae --json work/figures.json

Every figure in the card comes from the measurement, the configuration files or the training scripts' constants.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from training.pystdlib import language_model, sae, tokenizer
from training.pystdlib.measure_rows import SEQUENCES, STRIDE, Row, Side, all_rows, below_all, without_density
from training.pystdlib.measure_sae import load_autoencoder

TRAINERS: tuple[ModuleType, ...] = (tokenizer, language_model, sae)
BAR = 40  # characters of the longest bar

CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
language: code
---
# pystdlib

A small language model of Python source code with a sparse autoencoder (SAE) on one of its layers. It is there to have
interpretability methods tried on it: real weights, small enough to keep in a repository, trained on text that every
user of Python already has on disk. It is not a coding assistant.

## Data
The `.py` files of the standard library of CPython (licence: PSF), the tests that come with it included:
{training_files:,} files, {training_bytes:,} bytes and {training_tokens:,} tokens for training; {unseen_files:,}
files, {unseen_bytes:,} bytes and {unseen_tokens:,} tokens that were never trained on. The side of a file is decided
by a hash of its path. These numbers and all figures below are those of Python {python}; other versions of Python
differ a little.

Left out: installed packages (`site-packages`, `dist-packages`), because they are not the standard library;
`pydoc_data`, because it is prose in one generated file; files that are not UTF-8; and files whose text already
occurred under another name, so that no text is on both sides of the split.

## Architecture
{architecture}

{sae_architecture}

## Training
The tokenizer is a byte-level BPE learnt from the training files. The language model learnt to predict the next token
of windows that begin with the token BOS and are cut from all training files put end to end, with a BOS before each
file. Its inner matrices were trained with Muon, the rest with AdamW; the rates of both rose over a short warm-up and
fell to zero at the end. The autoencoder learnt to reconstruct the residual stream of training files, with BatchTopK
and an auxiliary loss for dead latents; then, for a short while, also to leave the model's next-token distribution
what it is when its reconstruction is spliced in. It is stored with one fixed threshold. Weights were rounded to half
precision at the end. The constants of the scripts:

{constants}

## Figures
Measured in float32 on the stored weights, on the unseen files alone unless a row says otherwise.

{table}

{verdict}

- Bits per byte: the bits of all tokens of the files over their bytes in UTF-8. Every token counts once, BOS does not
  count. Windows side by side give a token {half_window} tokens before it on average; windows every {stride} tokens
  give every token but those of the first window at least {least} tokens before it. The baseline in these rows is the
  lowest of the xz and Kneser-Ney rows.
- xz with history is what the unseen files add to an archive of the training files. Unlike the model and the n-grams,
  xz also goes on adapting to the unseen files as it reads them. The n-gram models are interpolated Kneser-Ney with
  modified discounts (Chen & Goodman 1999), on the same tokens, trained on the same files.
- Induction: {sequences} sequences of BOS and random tokens, then the same tokens again; the first token of the repeat
  does not count. The baseline of the first part is a uniform guess.
- Autoencoder: BOS positions are neither counted nor changed. Explained variance, L0 and the losses are on the number
  of unseen positions that the table says, in windows drawn at random. A latent is dead if it was active at none of
  the positions that its row names: all unseen ones and about as many of the training files. Loss recovered is 1 if
  the spliced-in reconstruction costs nothing, and 0 if it costs as much as the mean activation.

How many latents are active at what share of the positions (those of the dead-latent row; dead latents are not shown):

```text
{histogram}
```

## Limits
It was trained and measured on one code base and its style; other Python code, prose and other languages are not
measured here. Its context is {context} tokens. Text must begin with BOS, which the tokenizer adds by itself; the
autoencoder was trained without the position that the window begins with. Only files of exactly the same text are kept
on one side of the split; a passage copied from one file into another may be on both. The standard library differs
between versions of Python: with another version than {python}, the figures shift.

## Formats
- `config.json`, `model.safetensors`, `tokenizer.json`: load the folder with `transformers.AutoModelForCausalLM` and
  `AutoTokenizer`.
- `cfg.json`, `sae_weights.safetensors`: SAELens' layout, with the activations in the residual stream's own units.

## Make it again
`make train` runs the scripts in `training/pystdlib` one after the other: `tokenizer`, `language_model`, `sae`, and
`card`, which measures and writes this page. All are seeded; weights made on other hardware differ in their last
digits and from there on.
"""


def number(value: float | None) -> str:
    """Four significant digits, counts whole."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1 else f"{value:.4g}"


def table(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """The figures beside their baselines and targets as text, with a line of headings first."""
    verdicts = {None: "", True: "yes", False: "NO"}
    lines = [(r.name, number(r.value), r.unit, number(r.baseline), r.target or "", verdicts[r.met]) for r in rows]
    return [("figure", "value", "unit", "baseline", "target", "met"), *lines]


def markdown_table(rows: Iterable[Row]) -> str:
    """The table for the card."""
    head, *body = ("| " + " | ".join(cells) + " |" for cells in table(rows))
    return "\n".join([head, "|---|---:|---|---:|---|---|", *body])


def text_table(rows: Iterable[Row]) -> str:
    """The table for a terminal."""
    cells = table(rows)
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def text_histogram(bars: list[Row]) -> str:
    """One line for each range of density."""
    longest = max((bar.value for bar in bars), default=1)
    return "\n".join(
        f"{bar.name:<20} {bar.value:6,.0f}  {'#' * round(BAR * bar.value / longest)}".rstrip() for bar in bars
    )


def constants_table() -> str:
    """Every number that the training scripts name in capitals, under the script that defines it or imports it first."""
    lines, seen = ["| script | constants |", "|---|---|"], set[str]()
    for module in TRAINERS:
        own = {n: v for n, v in vars(module).items() if n.isupper() and isinstance(v, int | float) and n not in seen}
        seen |= own.keys() & vars(tokenizer).keys()
        name = module.__name__.rpartition(".")[2]
        lines.append(f"| `{name}` | " + ", ".join(f"`{constant}` {value:g}" for constant, value in own.items()) + " |")
    return "\n".join(lines)


def size_of(folder: Path) -> str:
    """The weights' files in MB."""
    return f"{sum(file.stat().st_size for file in folder.glob('*.safetensors')) / 1e6:.1f} MB"


def architecture(folder: Path, parameters: int) -> str:
    """The language model in a sentence, from its configuration."""
    c = json.loads((folder / "config.json").read_text())
    tied = "tied to" if c["tie_word_embeddings"] else "separate from"
    return (
        f"A Llama (`{c['architectures'][0]}`) with {c['num_hidden_layers']} layers of width {c['hidden_size']}, "
        f"{c['num_attention_heads']} heads, an MLP of {c['intermediate_size']} and rotary positions; "
        f"{c['vocab_size']:,} tokens, with the output head {tied} the embedding; context "
        f"{c['max_position_embeddings']}. {parameters:,} parameters, {size_of(folder)} as {c['dtype']}."
    )


def sae_architecture(folder: Path, layer: int) -> str:
    """The autoencoder in a sentence, from its configuration."""
    c = json.loads((folder / "cfg.json").read_text())
    return (
        f"The autoencoder ({c['architecture']}) has {c['d_sae']:,} latents on the residual stream of width {c['d_in']} "
        f"after layer {layer} (counted from 0), {size_of(folder)} as {c['dtype']}."
    )


def verdict(rows: list[Row]) -> str:
    """Which targets are missed, and where the model stands to the baselines, in words."""
    missed = [f"{row.name} ({number(row.value)}, target {row.target})" for row in rows if row.met is False]
    aims = "All targets are met." if not missed else "Missed: " + "; ".join(missed) + "."
    where = "below" if below_all(rows) else "not below"
    return f"{aims} The model's bits per byte are {where} those of every baseline."


def card(rows: list[Row], sides: tuple[Side, Side], model: Path, parameters: int, sae_folder: Path, layer: int) -> str:
    """The model card in Markdown."""
    shown, bars = without_density(rows)
    training, unseen = sides
    context = tokenizer.CONTEXT
    return CARD.format(
        training_files=training.files,
        training_bytes=len(training.text),
        training_tokens=len(training.tokens),
        unseen_files=unseen.files,
        unseen_bytes=len(unseen.text),
        unseen_tokens=len(unseen.tokens),
        python=platform.python_version(),
        architecture=architecture(model, parameters),
        sae_architecture=sae_architecture(sae_folder, layer),
        constants=constants_table(),
        table=markdown_table(shown),
        verdict=verdict(rows),
        histogram=text_histogram(bars),
        half_window=(context - 1) // 2,
        stride=STRIDE,
        least=context - 1 - STRIDE,
        sequences=SEQUENCES,
        context=context,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the language model and its tokenizer")
    parser.add_argument("--sae", type=Path, required=True, help="folder of the autoencoder")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--card", type=Path, help="where the card goes (default: README.md in the model's folder)")
    parser.add_argument("--tokens", type=int, default=400_000, help="unseen tokens for the autoencoder's losses")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    bpe = AutoTokenizer.from_pretrained(options.model)
    model = LlamaForCausalLM.from_pretrained(options.model, dtype=torch.float32).to(options.device).eval()
    autoencoder = load_autoencoder(options.sae, model.device)
    sides = (Side.read(bpe, unseen=False), Side.read(bpe, unseen=True))
    rows = all_rows(model, bpe, autoencoder, sides, tokens=options.tokens, seed=options.seed)
    shown, bars = without_density(rows)
    print(text_table(shown), text_histogram(bars), verdict(rows), sep="\n\n")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    text = card(rows, sides, options.model, model.num_parameters(), options.sae, autoencoder.layer)
    (options.card or options.model / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
