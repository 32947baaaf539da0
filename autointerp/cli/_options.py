"""The options that several commands have, with one wording each."""

from __future__ import annotations

from typing import Annotated

import typer

ModelOption = Annotated[str, typer.Option(help="Folder or hub name of a transformers model, or the bundled one.")]
DictionaryOption = Annotated[
    str, typer.Option(help="file:FOLDER, FORMAT:PLACE, neurons:mlp.3 and the like, or the bundled one.")
]
CorpusOption = Annotated[
    str, typer.Option(help="stdlib, a file of texts (.jsonl, .parquet, .txt), a folder, or a hub dataset.")
]
TokensOption = Annotated[int, typer.Option(min=10_000, help="Tokens of the corpus to index.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps: where the model runs.")]
DtypeOption = Annotated[str, typer.Option(help="auto, float32, bfloat16, float16: what it computes in.")]
SeedOption = Annotated[int, typer.Option(help="Seed of every random choice.")]
