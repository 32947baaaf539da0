"""Fetching the files of a dictionary from the Hugging Face Hub, through its cache."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from autointerp.errors import DictionaryError


def split_place(name: str, place: str) -> tuple[str, str]:
    """Repository and the path inside it, of `ORGANISATION/REPOSITORY/PATH`. Raises DictionaryError for anything less."""
    parts = place.strip("/").split("/")
    if len(parts) < 2 or not all(parts) or ".." in parts:
        raise DictionaryError(
            f"{name}: {place!r} is no file or folder here, and no place on the hub: write ORGANISATION/REPOSITORY/PATH"
        )
    return "/".join(parts[:2]), "/".join(parts[2:])


def fetch(
    name: str, repository: str, inside: str, files: Sequence[str], *, revision: str | None = None, advice: str = ""
) -> Path:
    """The local path of a file or folder in a hub repository, with just the files asked for.

    Parameters
    ----------
    files: names in the repository, or patterns of them.
    advice: what else could be wrong, for the message.
    revision: a branch, tag or commit; the newest on the main branch, if None.

    Raises
    ------
    DictionaryError: where the repository cannot be reached and is not in the cache, or has no such path.
    """
    from huggingface_hub import snapshot_download

    try:
        root = Path(snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except Exception as error:
        # The hub's errors run over many lines, of which the first is enough.
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise DictionaryError(
            f"{name}: {repository} cannot be fetched from the hub ({reason.rstrip('.')}): check name, access and network, or "
            f"give file:PATH of a copy{advice and '; ' + advice}"
        ) from error
    path = root / inside
    if not path.exists():
        raise DictionaryError(
            f"{name}: {repository} has no {inside or 'such files'} with {files[0].rpartition('/')[2]} in it, or it is not in "
            "the cache and there is no network"
        )
    return path


def fetch_uri(name: str, uri: str) -> Path:
    """The file that `hf://ORGANISATION/REPOSITORY/PATH?revision=REVISION` names, local. Raises DictionaryError as `fetch`."""
    match = re.fullmatch(r"hf://([^/?]+/[^/?]+)/([^?]+)(?:\?revision=(.+))?", uri)
    if match is None:
        raise DictionaryError(f"{name}: {uri!r} is no address on the hub, such as hf://ORGANISATION/REPOSITORY/PATH")
    repository, inside, revision = match.groups()
    return fetch(name, repository, inside, (glob.escape(inside),), revision=revision)
