"""What all tests share: no network, a cache of their own, and one tiny model, dictionary, corpus and index."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from autointerp.activations import Corpus, Index
    from autointerp.dictionaries import Dictionary
    from autointerp.models import Subject
    from autointerp.study import Laboratory
    from tests.registering import Register

# Read when the libraries are imported, so before any fixture.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# A shell without job control starts background commands deaf to Ctrl-C, and their children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Only a run that asks for a GPU sees one, here or in a child: what tests compare with is computed on the processor."""
    if "gpu" not in config.getoption("markexpr").replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def is_here(address: Any) -> bool:
    """Whether a socket address is on this machine."""
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = address[0]
    try:
        return host in ("localhost", "") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[None]:
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse(address: Any) -> None:
        if not is_here(address):
            raise RuntimeError(f"a test reached for the network: {address}")

    def guarded_connect(self: socket.socket, address: Any) -> Any:
        refuse(address)
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> Any:
        refuse(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            refuse((host.decode() if isinstance(host, bytes) else host,))
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOINTERP_CACHE", str(tmp_path_factory.mktemp("cache")))
        if request.config.getoption("markexpr") != "network":
            patch.setattr(socket.socket, "connect", guarded_connect)
            patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
            patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """Registers a plugin for the length of a test: its group, its name, and what loads it."""
    from importlib.metadata import entry_points
    from types import SimpleNamespace

    from autointerp import _plugins

    added: dict[str, list[SimpleNamespace]] = {}

    def forget() -> None:
        _plugins._points.cache_clear()
        _plugins._loaded.cache_clear()

    def add(group: str, name: str, load: Callable[[], Any]) -> None:
        added.setdefault(group, []).append(SimpleNamespace(name=name, value="elsewhere:IT", load=load))
        forget()

    monkeypatch.setattr(_plugins, "entry_points", lambda group: [*entry_points(group=group), *added.get(group, [])])
    yield add
    forget()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from autointerp.testing import tiny_model

    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def subject(model_folder: Path) -> Subject:
    from autointerp.models import Subject

    return Subject.load(str(model_folder))


@pytest.fixture(scope="session")
def dictionary_folder(tmp_path_factory: pytest.TempPathFactory, subject: Subject) -> Path:
    from autointerp.testing import tiny_dictionary

    return tiny_dictionary(tmp_path_factory.mktemp("tiny") / "dictionary", width=subject.width)


@pytest.fixture(scope="session")
def dictionary(dictionary_folder: Path, subject: Subject) -> Dictionary:
    from autointerp.dictionaries import open_dictionary

    return open_dictionary(str(dictionary_folder), subject)


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from autointerp.testing import tiny_corpus

    return tiny_corpus(tmp_path_factory.mktemp("tiny") / "corpus")


@pytest.fixture(scope="session")
def corpus(corpus_file: Path) -> Corpus:
    from autointerp.activations import open_corpus

    return open_corpus(str(corpus_file))


@pytest.fixture(scope="session")
def index(subject: Subject, dictionary: Dictionary, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Index:
    from autointerp.activations import open_index

    return open_index(subject, dictionary, corpus, folder=tmp_path_factory.mktemp("tiny") / "index")


@pytest.fixture(scope="session")
def laboratory(subject: Subject, dictionary: Dictionary, index: Index) -> Laboratory:
    from autointerp.study import Laboratory

    return Laboratory(subject, dictionary, index, seed=0)


@pytest.fixture(scope="session")
def known(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The tiny model with a dictionary whose truth is known (see `tests/scoring/known.py`)."""
    from tests.scoring.known import known_laboratory

    return known_laboratory(subject, tmp_path_factory.mktemp("known"))
