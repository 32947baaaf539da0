"""Names of places on the Hugging Face Hub, with what is in its cache, with a hub on this machine, and with neither."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest

from autointerp.dictionaries import open_dictionary
from autointerp.errors import DictionaryError
from tests.dictionaries.toys import FIXTURES, Toy, opened

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


def cached(cache: Path, repository: str, inside: str, fixture: Path) -> Path:
    """Put a fixture into the cache as if it had been fetched."""
    root = cache / f"models--{repository.replace('/', '--')}"
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(COMMIT)
    target = root / "snapshots" / COMMIT / inside
    if fixture.is_dir():
        shutil.copytree(fixture, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(fixture, target)
    return target


LEVELS = "layer_3/width_16k/average_l0_10"
PLACES = [
    ("sae_lens", "me/saes", "blocks.0.hook_resid_pre", "saelens_standard", ""),
    ("sae_lens", "me/root", "", "saelens_standard", ""),
    ("gemma_scope", "google/gemma-scope-2b-pt-res", LEVELS, f"gemma_scope_sae/{LEVELS}", ""),
    (
        "gemma_scope_2",
        "google/gemma-scope-2-1b-pt",
        "transcoder/layer_3_width_16k_l0_small_affine",
        "gemma_scope_2_transcoder_affine/transcoder/layer_3_width_16k_l0_small_affine",
        "",
    ),
    ("sparsify", "EleutherAI/sae-llama-3-8b-32x", "layers.8", "sparsify_topk", ""),
    ("dictionary_learning", "canrager/lm_sae", "resid_post_layer_3/trainer_0", "dl_topk", ""),
    ("llama_scope", "fnlp/Llama3_1-8B-Base-LXR-4x", "L3R-4x", "llama_scope_v1/Llama3_1-8B-Base-L3R-4x", ""),
    (
        "goodfire",
        "Goodfire/Llama-3.1-8B-Instruct-SAE-l19",
        "Llama-3.1-8B-Instruct-SAE-l19.pth",
        "goodfire/Llama-3.1-8B-Instruct-SAE-l19.pth",
        "",
    ),
    ("circuit_tracer_plt", "me/plt", "", "ct_plt_skip", "#layer=1"),
    ("circuit_tracer_plt", "me/plt", "layer_2.safetensors", "ct_plt_skip/layer_2.safetensors", "@mlp_in:mlp_out"),
    ("circuit_tracer_clt", "me/clt", "", "ct_clt_relu", "#layer=1@mlp_in:mlp_out"),
]


@pytest.mark.parametrize(("scheme", "repository", "inside", "fixture", "suffix"), PLACES)
def test_a_place_on_the_hub(scheme: str, repository: str, inside: str, fixture: str, suffix: str, cache: Path) -> None:
    cached(cache, repository, inside, FIXTURES / fixture)
    name = f"{scheme}:{repository}/{inside}".rstrip("/") + suffix
    dictionary = open_dictionary(name, Toy())
    assert dictionary.name == name
    assert dictionary.size == 32


def test_without_network_and_cache_one_line_says_so(cache: Path) -> None:
    del cache
    with pytest.raises(DictionaryError) as caught:
        open_dictionary("sparsify:EleutherAI/sae-llama-3-8b-32x/layers.8", Toy())
    message = str(caught.value)
    assert "\n" not in message
    assert "EleutherAI/sae-llama-3-8b-32x cannot be fetched from the hub" in message
    assert "check name, access and network, or give file:PATH of a copy" in message


def test_what_a_repository_does_not_have(cache: Path) -> None:
    cached(cache, "me/saes", "layers.10", FIXTURES / "sparsify_topk")
    with pytest.raises(
        DictionaryError, match=r"me/saes has no layers.1 with cfg.json in it, or it is not in the cache"
    ):
        open_dictionary("sparsify:me/saes/layers.1", Toy())


@pytest.mark.parametrize("place", ["layers.8", "org//x", "org/repo/../../etc"])
def test_what_is_no_place(place: str) -> None:
    with pytest.raises(
        DictionaryError, match="no file or folder here, and no place on the hub: write ORGANISATION/REPO"
    ):
        open_dictionary(f"sparsify:{place}", Toy())


def test_a_list_of_other_repositories_files(cache: Path) -> None:
    """circuit-tracer's set for Gemma 2 is one: every layer's address in Google's repository."""
    listed = [f"hf://google/gemma-scope-2b-pt-transcoders/{LEVELS}/params.npz?revision=main", "nonsense"]
    config = (FIXTURES / "ct_plt_skip" / "config.yaml").read_text() + f"transcoders: {json.dumps(listed)}\n"
    cached(cache, "me/set", "config.yaml", FIXTURES / "ct_plt_skip" / "config.yaml").write_text(config)
    cached(cache, "google/gemma-scope-2b-pt-transcoders", LEVELS, FIXTURES / "gemma_scope_transcoder" / LEVELS)
    dictionary = open_dictionary("circuit_tracer_plt:me/set#layer=0", Toy())
    assert (str(dictionary.input_site), str(dictionary.output_site)) == ("mlp_in.0", "mlp_out.0")
    assert (dictionary.directions() == opened("gemma_scope_transcoder").directions()).all()
    with pytest.raises(DictionaryError, match="'nonsense' is no address on the hub"):
        open_dictionary("circuit_tracer_plt:me/set#layer=1", Toy())
    with pytest.raises(DictionaryError, match="N being one of 0, 1"):
        open_dictionary("circuit_tracer_plt:me/set", Toy())


# SAELens' names for releases.

TABLE = """\
first-release:
  conversion_func: null
  model: gpt2
  repo_id: me/saes
  saes:
  - id: blocks.0.hook_resid_pre
    path: some/folder
  - id: blocks.1.hook_resid_pre
    path: other/folder
# a remark
second-release:
  conversion_func: sparsify
  repo_id: me/sparse
  saes:
  - id: layers.8
    path: layers.8
first:
  conversion_func: mntss_clt_layer_transcoder
  repo_id: me/clt
  saes:
  - {id: layer_1, path: 1}
strange:
  conversion_func: temporal
  repo_id: me/t
  saes: [{id: a, path: a}]
"""


@pytest.fixture
def sae_lens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name with a table of releases, and nothing that could be imported."""
    package = tmp_path / "site" / "sae_lens"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('only its table is needed')")
    (package / "pretrained_saes.yaml").write_text(TABLE)
    monkeypatch.syspath_prepend(str(package.parent))


@pytest.mark.usefixtures("sae_lens")
def test_a_release_is_looked_up_in_the_table(cache: Path) -> None:
    cached(cache, "me/saes", "other/folder", FIXTURES / "saelens_topk")
    cached(cache, "me/sparse", "layers.8", FIXTURES / "sparsify_topk")
    cached(cache, "me/clt", "", FIXTURES / "ct_clt_relu")
    first = open_dictionary("sae_lens:first-release/blocks.1.hook_resid_pre", Toy())
    assert first.fingerprint == opened("saelens_topk").fingerprint
    assert first.name == "sae_lens:first-release/blocks.1.hook_resid_pre"
    assert str(open_dictionary("sae_lens:second-release/layers.8", Toy()).input_site) == "resid_post.8"
    third = open_dictionary("sae_lens:first/layer_1@mlp_in:mlp_out", Toy())
    assert [str(site) for site in third.output_sites] == ["mlp_out.1", "mlp_out.2"]
    with pytest.raises(
        DictionaryError, match=r"has no 'blocks.7', but blocks.0.hook_resid_pre, blocks.1.hook_resid_pre"
    ):
        open_dictionary("sae_lens:first-release/blocks.7", Toy())
    with pytest.raises(
        DictionaryError, match=r"is in a format that is not read \(temporal\): those are sae_lens, dictionary_learning,"
    ):
        open_dictionary("sae_lens:strange/a", Toy())
    # A repository is no release.
    assert open_dictionary("sae_lens:me/saes/other/folder", Toy()).fingerprint == first.fingerprint


def test_without_the_table_a_release_is_explained(cache: Path) -> None:
    del cache
    with pytest.raises(DictionaryError) as caught:
        open_dictionary("sae_lens:gpt2-small-res-jb/blocks.8.hook_resid_pre", Toy())
    message = str(caught.value)
    assert (
        "names of releases are in a table that comes with sae-lens: install it, or write ORGANISATION/REPOSITORY"
        in message
    )


# A hub on this machine.


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as fetching files of a public repository takes."""

    files: ClassVar[dict[str, Path]] = {}
    asked: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/me/saes/tree"):
            entries = [{"type": "file", "path": n, "size": p.stat().st_size, "oid": "0"} for n, p in self.files.items()]
            return self.send(json.dumps(entries).encode(), "application/json", body)
        if path.startswith("/api/models/me/saes"):
            siblings = [{"rfilename": name} for name in self.files]
            info = {"id": "me/saes", "modelId": "me/saes", "sha": COMMIT, "siblings": siblings, "private": False}
            return self.send(json.dumps(info).encode(), "application/json", body)
        name = path.partition(f"/resolve/{COMMIT}/")[2]
        if path.startswith("/me/saes/") and name in self.files:
            if body:
                self.asked.append(name)
            return self.send(self.files[name].read_bytes(), "application/octet-stream", body)
        return self.send(b"", "text/plain", body, status=404)

    def send(self, content: bytes, kind: str, body: bool, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[str]:
    folders = {"layers.1": "sparsify_topk", "layers.10": "sparsify_groupmax", "layers.1.mlp": "sparsify_transcoder"}
    Hub.files = {
        f"{inside}/{path.name}": path
        for inside, fixture in folders.items()
        for path in (FIXTURES / fixture).iterdir()
        if path.name != "io.npz"
    }
    Hub.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_just_the_files_asked_for_are_fetched_and_kept(hub: str, tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from autointerp.dictionaries import open_dictionary
from autointerp.errors import DictionaryError
from tests.dictionaries.toys import Toy
print(open_dictionary("sparsify:me/saes/layers.1", Toy()).fingerprint)
try:
    open_dictionary("sparsify:me/saes/layers.2", Toy())
except DictionaryError as error:
    print(error)
"""
    settings = {"HF_ENDPOINT": hub, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    fingerprint, refused = done.stdout.splitlines()
    assert sorted(Hub.asked) == ["layers.1/cfg.json", "layers.1/sae.safetensors"]
    assert "me/saes has no layers.2 with cfg.json in it" in refused
    offline = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | settings | {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert offline.stdout.splitlines()[0] == fingerprint, offline.stderr
