"""`autointerp index`: build an index, look into one, put several together; and what there is to index in a model."""

from __future__ import annotations

import json as json_
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autointerp.cli import _sites
from autointerp.cli._options import CorpusOption, DeviceOption, DictionaryOption, DtypeOption, ModelOption

if TYPE_CHECKING:
    from autointerp.activations import FeatureView, Index
    from autointerp.records import Example

app = typer.Typer(
    help="The index of a dictionary's features over a corpus: build, look into, merge.", no_args_is_help=True
)
app.command("sites")(_sites.sites)

#: Examples of a kind that are shown, and tokens on either side of the strongest one.
_SHOWN, _AROUND = 5, 12
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@app.command()
def build(
    model: ModelOption = "pystdlib",
    dictionary: DictionaryOption = "pystdlib-sae",
    corpus: CorpusOption = "stdlib",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of the corpus to index.")] = 300_000,
    out: Annotated[Path | None, typer.Option(help="Folder to make; by default one in the cache.")] = None,
    engine: Annotated[str, typer.Option(help="local, or ray to spread the work over its workers.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers of Ray, as many as there are processors by default.")
    ] = None,
    part: Annotated[
        str, typer.Option(help="I/N: which of how many parts to index, for `merge` to put together.")
    ] = "1/1",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and where the index is.")] = False,
) -> None:
    """Run a corpus through a model once and keep what every feature of a dictionary did.

    What was finished is kept when this is interrupted, and the same command goes on from there. Prints where the index is.
    """
    from autointerp.cli._progress import progress_bar

    chosen = _part(part)
    with progress_bar(enabled=not quiet) as progress:
        progress("starting", None, None)
        from autointerp.activations import IndexSettings, open_corpus, open_index
        from autointerp.dictionaries import open_dictionary
        from autointerp.models import Subject
        from autointerp.study import sample_of

        texts = open_corpus(corpus)
        progress("loading the model", None, None)
        subject = Subject.load(model, device=device, dtype=dtype)
        index = open_index(
            subject,
            open_dictionary(dictionary, subject, sample=lambda site: sample_of(subject, texts, site)),
            texts,
            settings=IndexSettings(tokens=tokens),
            out=out,
            engine=engine,
            workers=workers,
            part=chosen,
            progress=lambda done, total: progress(f"reading the corpus on {subject.device}", done, total),
        )
    if not quiet:
        _print_lines(summary_lines(index))
    typer.echo(f"index: {index.folder}")


@app.command()
def show(
    feature: Annotated[int | None, typer.Argument(help="Number of a feature, or nothing for all of them.")] = None,
    index: Annotated[Path | None, typer.Option(help="Folder of an index; by default the latest in the cache.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is in an index, or what it knows of one feature."""
    from autointerp.activations import Index

    opened = Index.open(index or _latest())
    if feature is None:
        _print_json(summary(opened)) if json else _print_lines(summary_lines(opened))
        return
    view = opened.feature(feature)
    if json:
        examples = [example.model_dump(mode="json") for example in view.examples]
        _print_json({"feature": feature, "stats": view.stats.model_dump(mode="json"), "examples": examples})
    else:
        _print_lines(feature_lines(view))


@app.command()
def merge(
    indices: Annotated[list[Path], typer.Argument(help="Folders of indices of the same model and dictionary.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
) -> None:
    """Put indices over different texts together: the same as one index over all of them."""
    from autointerp.activations import merge_indices

    merged = merge_indices(indices, out)
    _print_lines(summary_lines(merged))
    typer.echo(f"index: {merged.folder}")


def summary(index: Index) -> dict[str, Any]:
    """What an index is of, as plain values."""
    import numpy as np

    meta = index.meta
    active = np.asarray(index.active)
    live = active[active > 0] / meta.tokens
    views = {"train": index.train, "refine": index.refine, "test": index.test}
    return {
        "folder": str(index.folder),
        "model": meta.model,
        "dictionary": meta.dictionary,
        "corpus": meta.corpus_name,
        "tokens": meta.tokens,
        "passages": {name: view.passages for name, view in views.items()},
        "features": meta.features,
        "live": len(live),
        "dead": meta.features - len(live),
        "density": {str(share): float(np.quantile(live, share)) for share in _QUANTILES} if len(live) else {},
        "not_finite": meta.not_finite,
        "bytes": index.stored.size,
    }


def summary_lines(index: Index) -> Iterator[str]:
    """The same as lines of text."""
    found = summary(index)
    splits = ", ".join(f"{count} {name}" for name, count in found["passages"].items())
    yield f"corpus:   {found['corpus']}, {found['tokens']} tokens in passages of up to {index.meta.length - 1}: {splits}"
    yield f"features: {found['features']}, {found['live']} live and {found['dead']} dead"
    if found["density"]:
        yield "density:  " + ", ".join(f"{100 * float(q):.0f}%: {d:.1e}" for q, d in found["density"].items())
    if found["not_finite"]:
        yield f"{found['not_finite']} activations were not finite and are in no figure"
    yield f"on disk:  {found['bytes'] / 1e6:.1f} MB"


def feature_lines(view: FeatureView) -> Iterator[str]:
    """What is known of a feature, as lines of text."""
    stats = view.stats
    yield f"feature {view.feature}: active at {stats.active} of {stats.tokens} tokens ({stats.density:.1e})"
    yield f"maximum {stats.maximum:.3g}, mean where active {stats.mean_active:.3g}"
    for name, listed in (("raises", stats.top_logits), ("lowers", stats.bottom_logits)):
        if listed:
            yield f"{name}: " + " ".join(f"{each.token!r}" for each in listed)
    if stats.neighbours:
        yield "nearest: " + ", ".join(f"{each.index} ({each.cosine:.2f})" for each in stats.neighbours)
    for quantile in dict.fromkeys(example.quantile for example in view.examples):
        yield f"{quantile}:"
        for example in [e for e in view.examples if e.quantile == quantile][:_SHOWN]:
            yield f"  {example.document}:{example.line}  {_excerpt(example)}"


def _excerpt(example: Example) -> str:
    """The tokens around the strongest activation, on one line, with those that are active in ‹›."""
    values = example.activations
    peak = max(range(len(values)), key=values.__getitem__)
    start = max(0, peak - _AROUND)
    some = zip(example.tokens[start : peak + _AROUND], values[start : peak + _AROUND], strict=True)
    return "".join(f"‹{token}›" if value > 0 else token for token, value in some).replace("\n", "⏎")


def _part(text: str) -> tuple[int, int]:
    """`2/5` as numbers."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise typer.BadParameter(f"{text!r} is no part: write 2/5 for the second of five", param_hint="'--part'")
    return int(number), int(count)


def _latest() -> Path:
    """The index in the cache that was made last. Raises CacheError where there is none."""
    from autointerp.activations import cache_folder
    from autointerp.errors import CacheError

    made = {path: path.stat().st_mtime for path in (cache_folder() / "index").glob("*/meta.json")}
    if not made:
        raise CacheError(
            f"no index in {cache_folder() / 'index'}: run `autointerp index build`, or give --index FOLDER"
        )
    return max(made, key=made.__getitem__).parent


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _print_json(value: Any) -> None:
    typer.echo(json_.dumps(value, indent=1))
