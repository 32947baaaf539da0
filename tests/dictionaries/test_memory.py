"""One feature of a large dictionary costs what that feature is, not what the file is."""

from __future__ import annotations

import json
import struct
import time
from math import prod
from pathlib import Path

import pytest
import torch

from autointerp._plugins import load_all
from autointerp.dictionaries import open_dictionary
from autointerp.errors import DictionaryError
from tests.dictionaries.toys import Toy

MILLION, FEATURE = 1_000_000, 777_777


def sparse_file(folder: Path, width: int, size: int, architecture: str = "jumprelu") -> Path:
    """A SAELens folder whose weights are a hole in the disk but for one feature.

    Its encoder, a column of [width, size], counts from 1, and its decoder row from 0.
    """
    (folder / "cfg.json").write_text(
        json.dumps(
            {
                "architecture": architecture,
                "k": 1,
                "d_in": width,
                "d_sae": size,
                "metadata": {"hook_name": "blocks.1.hook_resid_post"},
            }
        )
    )
    shapes = {"W_enc": (width, size), "W_dec": (size, width), "b_enc": (size,), "b_dec": (width,), "threshold": (size,)}
    if architecture == "topk":
        shapes.pop("threshold")
    header, end = {}, 0
    for key, shape in shapes.items():
        header[key] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end := end + 4 * prod(shape)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    base = 8 + len(text)
    with (folder / "sae_weights.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(base + end)
        for row in range(width):
            stream.seek(base + 4 * (row * size + FEATURE))
            stream.write(struct.pack("<f", row + 1))
        stream.seek(base + 4 * (width * size + FEATURE * width))
        stream.write(struct.pack(f"<{width}f", *range(width)))
    return folder


def resident() -> int:
    """Bytes of memory that the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("width", [8, 256])
def test_one_feature_in_a_million(width: int, tmp_path: Path) -> None:
    folder, subject = sparse_file(tmp_path, width, MILLION), Toy(width=width)
    load_all("autointerp.dictionaries")
    x = torch.ones(100, width)
    open_dictionary(str(folder), subject).encode_one(x, 5)  # what is loaded once a process

    before, start = resident(), time.perf_counter()
    dictionary = open_dictionary(str(folder), subject)
    acts, direction = dictionary.encode_one(x, FEATURE), dictionary.direction(FEATURE)
    took, grown = time.perf_counter() - start, resident() - before

    assert dictionary.size == MILLION
    assert torch.equal(acts, torch.full((100,), width * (width + 1) / 2))
    assert torch.equal(direction, torch.arange(width).float())
    assert torch.equal(dictionary.directions(FEATURE - 1, FEATURE + 1)[1], direction)
    assert took < 0.25  # a few milliseconds; the file takes seconds
    assert grown < 8 * 2**20  # of 8 × 10^6 × width bytes


def test_what_is_not_finite_in_a_large_file_is_found_when_it_is_used(tmp_path: Path) -> None:
    folder = sparse_file(tmp_path, 8, MILLION)
    path = folder / "sae_weights.safetensors"
    with path.open("r+b") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        stream.seek(8 + length + 4 * (8 * MILLION + FEATURE * 8))
        stream.write(struct.pack("<f", float("nan")))
    dictionary = open_dictionary(str(folder), Toy())
    assert torch.equal(dictionary.direction(3), torch.zeros(8))
    with pytest.raises(DictionaryError, match=r"W_dec holds a number that is not finite"):
        dictionary.direction(FEATURE)
    with pytest.raises(DictionaryError, match=r"W_dec holds a number that is not finite"):
        dictionary.directions()


def test_a_file_cut_off_after_it_was_opened(tmp_path: Path) -> None:
    folder = sparse_file(tmp_path, 8, MILLION)
    dictionary = open_dictionary(str(folder), Toy())
    with (folder / "sae_weights.safetensors").open("r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(DictionaryError, match="has been cut off since it was opened"):
        dictionary.direction(FEATURE)


def test_float32_weights_are_shared_with_the_file(tmp_path: Path) -> None:
    """Pages of the file, which other processes share and the system can take back, and no copy."""

    def copied() -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) * 1024

    if not Path("/proc/self/status").exists() or "RssAnon:" not in Path("/proc/self/status").read_text():
        pytest.skip("memory is read from /proc")
    dictionary = open_dictionary(str(sparse_file(tmp_path, 8, MILLION)), Toy())
    before = copied()
    assert dictionary.directions().shape == (MILLION, 8)
    acts = dictionary.encode(torch.ones(1, 8))
    assert acts.features.tolist() == [FEATURE]
    # Of 64 MB of weights; biases and thresholds, a tenth of that, and one row of pre-activations are copied.
    assert copied() - before < 24 * 2**20
