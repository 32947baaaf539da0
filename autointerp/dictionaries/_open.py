"""From a name to a dictionary that fits a model."""

from __future__ import annotations

import glob
from importlib.resources import files
from pathlib import Path

from autointerp._plugins import load_all
from autointerp.dictionaries._cross_layer import CrossLayer, CrossLayerTranscoder
from autointerp.dictionaries._hub import fetch, split_place
from autointerp.dictionaries._names import Name, parse_name
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Host, Request, Sample
from autointerp.errors import DictionaryError, ModelError
from autointerp.records import Site

BUNDLED = "pystdlib-sae"
GROUP = "autointerp.dictionaries"


def open_dictionary(name: str, subject: Host, *, sample: Sample | None = None) -> Dictionary:
    """Open a dictionary by name and check that it fits a model.

    Parameters
    ----------
    name: `pystdlib-sae` (the bundled one); a path, or `file:PATH`, whose format is recognised by its files;
        `FORMAT:PATH`; `FORMAT:ORGANISATION/REPOSITORY/PATH` on the Hugging Face Hub; `neurons:mlp.3`, `heads:attn.3`,
        `pca:resid_post.2`. Behind it may stand `#layer=N`, for formats with several layers in one place, and
        `@SITE` or `@INPUT:OUTPUT`, where the files do not say for which sites they are or say it wrongly.
    sample: activations at a site on the caller's text, which PCA is fitted on.

    Raises
    ------
    DictionaryError: where nothing is there, no format recognises it, the weights are broken, or it does not fit.
    """
    formats: dict[str, type[DictionaryFormat]] = load_all(GROUP)
    parsed = _bundled() if name == BUNDLED else parse_name(name)
    if (known := formats.get(parsed.scheme)) is not None and (full := known.full_name(parsed.place)) is not None:
        renamed = parse_name(full)
        parsed = Name(
            renamed.scheme,
            renamed.place,
            parsed.wanted,
            renamed.layer if parsed.layer is None else parsed.layer,
            parsed.key,
        )
    chosen, path = _resolve(name, parsed, formats)
    request = Request(
        name=name,
        place=parsed.place,
        path=path,
        wanted=parsed.wanted,
        layer=parsed.layer,
        key=parsed.key,
        subject=subject,
        sample=sample,
    )
    dictionary = chosen.load(request)
    _check_fit(dictionary, subject)
    return dictionary


def open_cross_layer(name: str, subject: Host) -> CrossLayerTranscoder:
    """Open all layers of a cross-layer transcoder; `name` is one without `#layer=`.

    Raises DictionaryError as `open_dictionary` does, and for anything that is no cross-layer transcoder.
    """
    head, at, wanted = name.rpartition("@")
    place, suffix = (head, at + wanted) if at and parse_name(name).wanted is not None else (name, "")

    def layer(number: int) -> CrossLayer:
        opened = open_dictionary(f"{place}#layer={number}{suffix}", subject)
        if not isinstance(opened, CrossLayer):
            raise DictionaryError(
                f"{name} is no cross-layer transcoder: its features write to {opened.output_site} alone"
            )
        return opened

    first = layer(0)
    return CrossLayerTranscoder([first, *map(layer, range(1, len(first.output_sites)))])


def _bundled() -> Name:
    return Name("file", str(files("autointerp") / "assets" / BUNDLED), None, None, None)


def _resolve(
    name: str, parsed: Name, formats: dict[str, type[DictionaryFormat]]
) -> tuple[type[DictionaryFormat], Path | None]:
    """The format, and the local path of its files; what is on the hub is fetched."""
    path = Path(parsed.place).expanduser()
    if parsed.scheme in ("", "file"):
        return _recognised(name, path, formats), path
    chosen = formats.get(parsed.scheme)
    if chosen is None:
        raise DictionaryError(f"{name}: there is no format {parsed.scheme!r}: there are file, {', '.join(formats)}")
    if path.exists():
        return chosen, path
    if not chosen.hub_files(parsed.place, parsed.layer):
        return chosen, None
    repository, inside = split_place(name, parsed.place)
    # What stands in the name is meant literally; the format may add patterns to it.
    patterns = chosen.hub_files(glob.escape(inside), parsed.layer)
    return chosen, fetch(name, repository, inside, patterns, advice=chosen.hub_advice)


def _recognised(name: str, path: Path, formats: dict[str, type[DictionaryFormat]]) -> type[DictionaryFormat]:
    if not path.exists():
        raise DictionaryError(
            f"no dictionary at {name}: give {BUNDLED!r}, file:PATH, or FORMAT:PLACE with one of {', '.join(formats)}"
        )
    found = {label: reader for label, reader in formats.items() if reader.recognises(path)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise DictionaryError(f"{path} could be {' or '.join(found)}: say which, as in {next(iter(found))}:{path}")
    raise DictionaryError(f"{path} is in none of the formats that can be read: {', '.join(formats)}")


def _check_fit(dictionary: Dictionary, subject: Host) -> None:
    """Whether the model has the sites, at the widths of the dictionary."""
    name, read, written = dictionary.name, dictionary.input_site, dictionary.output_site
    for verb, site in [("reads", read), *(("writes to", site) for site in dictionary.output_sites)]:
        if site.layer >= subject.layers:
            raise DictionaryError(f"{name} {verb} {site}, but {subject.name} has layers 0 to {subject.layers - 1}")
    have = _width(dictionary, subject, read), _width(dictionary, subject, written)
    if have != (dictionary.width, dictionary.output_width):
        raise DictionaryError(
            f"{name} reads {read} of width {dictionary.width} and writes {written} of width {dictionary.output_width}, but "
            f"{subject.name} is {have[0]} and {have[1]} wide there: take the model that it was made for, or add the right site"
        )


def _width(dictionary: Dictionary, subject: Host, site: Site) -> int:
    try:
        return subject.width_of(site)
    except ModelError as error:
        raise DictionaryError(f"{dictionary.name} is for {site}, and {error}") from error
