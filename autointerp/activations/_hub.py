"""Datasets of the Hugging Face Hub, as the Parquet files that the Hub makes of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autointerp.activations._documents import Document
from autointerp.activations._sources import first_line, parquet
from autointerp.errors import CorpusError

#: The branch into which the Hub converts every dataset: CONFIG/SPLIT/NNNN.parquet.
_BRANCH = "refs/convert/parquet"
_SPLIT = "train"


@dataclass(frozen=True, slots=True)
class HubDataset:
    """The files of one split of a dataset at one revision. A file is fetched when its turn comes, and cached."""

    repository: str
    revision: str
    files: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Of the revision and of which files are read."""
        return hashlib.sha256("\0".join([self.repository, self.revision, *self.files]).encode()).hexdigest()[:16]

    def documents(self) -> Iterator[Document]:
        """Every text, named by its content."""
        from huggingface_hub import hf_hub_download

        errors = _errors()
        for file in self.files:
            try:
                path = hf_hub_download(self.repository, file, repo_type="dataset", revision=self.revision)
            except errors as error:
                raise _unreachable(self.repository, error) from error
            yield from parquet(Path(path))


def hub_dataset(name: str) -> HubDataset:
    """Look up `OWNER/NAME[/CONFIG[/SPLIT[/FILE]]]`; the configuration is `default` or the first, the split `train`.

    Raises CorpusError where the Hub does not know it, cannot be reached, or has made no Parquet files of it.
    """
    owner, _, rest = name.partition("/")
    short, *wanted = rest.split("/")
    if not owner or not short:
        raise CorpusError(f"hf:{name} is no dataset: write hf:OWNER/NAME, or hf:OWNER/NAME/CONFIG/SPLIT")
    repository = f"{owner}/{short}"
    revision, files = _listed(repository)
    found = sorted(file for file in files if file.endswith(".parquet"))
    configs = sorted({file.split("/")[0] for file in found})
    config = wanted[0] if wanted else "default" if "default" in configs else next(iter(configs), "")
    prefix = [config, *(wanted[1:] or [_SPLIT])]
    chosen = tuple(file for file in found if file.split("/")[: len(prefix)] == prefix)
    if not chosen:
        there = ", ".join(sorted({"/".join(file.split("/")[:-1]) for file in found})) or "no Parquet files"
        raise CorpusError(f"hf:{name} has no {'/'.join(prefix)}: there is {there}")
    return HubDataset(repository, revision, chosen)


def _listed(repository: str) -> tuple[str, list[str]]:
    """The commit that the branch is at, and its files."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().dataset_info(repository, revision=_BRANCH)
    except _errors() as error:
        raise _unreachable(repository, error) from error
    return str(info.sha), [sibling.rfilename for sibling in info.siblings or ()]


def _errors() -> tuple[type[Exception], ...]:
    """What the Hub's client raises for a name, an answer or a network that is not as it should be."""
    from huggingface_hub import errors

    # The base of what its own HTTP library raises; which library that is changed between its versions.
    return OSError, ValueError, errors.HfHubHTTPError.__bases__[0], errors.RevisionResolutionError


def _unreachable(repository: str, error: Exception) -> CorpusError:
    return CorpusError(
        f"the dataset {repository} cannot be fetched from the Hub: {first_line(error)}; check its name and the network, or"
        " give a file"
    )
