"""Given directions: projections on unit vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from autointerp.dictionaries import open_dictionary
from autointerp.errors import DictionaryError
from autointerp.records import Site, SiteKind
from tests.dictionaries.toys import WIDTH, Toy, dense

ROWS = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1], [2], [3], [4], [50]])
SITE = "@resid_post.2"


def saved(path: Path, rows: Tensor = ROWS) -> Path:
    if path.suffix == ".npy":
        np.save(path, rows.numpy())
    else:
        save_file({"probe": rows.contiguous()}, path)
    return path


@pytest.mark.parametrize("name", ["{}" + SITE, "file:{}" + SITE, "directions:{}" + SITE])
def test_an_activation_is_the_projection(name: str, tmp_path: Path) -> None:
    dictionary = open_dictionary(name.format(saved(tmp_path / "rows.npy")), Toy())
    x = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1))
    unit = ROWS / ROWS.norm(dim=1, keepdim=True)
    found = dense(dictionary.encode(x), 20, 5)
    torch.testing.assert_close(found, torch.relu(x @ unit.T))
    torch.testing.assert_close(dictionary.directions(), unit)
    assert dictionary.input_site == dictionary.output_site == Site(layer=2, kind=SiteKind.RESID_POST)
    active = found[:, 4] > 0
    without = x - found[:, 4:] * dictionary.direction(4)
    torch.testing.assert_close((without @ unit[4])[active], torch.zeros(int(active.sum())), atol=1e-5, rtol=0)


def test_a_safetensors_file_and_a_single_vector(tmp_path: Path) -> None:
    matrix = open_dictionary(f"directions:{saved(tmp_path / 'rows.safetensors')}{SITE}", Toy())
    torch.testing.assert_close(matrix.directions(), ROWS / ROWS.norm(dim=1, keepdim=True))
    single = open_dictionary(f"{saved(tmp_path / 'one.npy', ROWS[3])}{SITE}", Toy())
    torch.testing.assert_close(single.directions(), matrix.directions(3, 4))
    assert single.fingerprint != matrix.fingerprint


def test_one_of_several_keys(tmp_path: Path) -> None:
    path = tmp_path / "rows.safetensors"
    save_file({"first": ROWS[:2].contiguous(), "second": ROWS[2:].contiguous()}, path)
    assert open_dictionary(f"directions:{path}#key=second{SITE}", Toy()).size == 3
    with pytest.raises(
        DictionaryError, match=r"has several keys: add one of them to the name, #key=first or #key=second"
    ):
        open_dictionary(f"directions:{path}{SITE}", Toy())
    with pytest.raises(DictionaryError, match=r"has no key 'third'"):
        open_dictionary(f"directions:{path}#key=third{SITE}", Toy())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (torch.zeros(2, WIDTH), "row 0 is zero, which is no direction"),
        (torch.full((2, WIDTH), float("nan")), "rows holds a number that is not finite"),
        (torch.ones(2, 3, WIDTH), r"rows has shape \(2, 3, 8\), expected \(directions, width\)"),
        (torch.ones(0, WIDTH), r"rows has shape \(0, 8\)"),
        (torch.ones(2, 6), "width 6 and writes resid_post.2 of width 6, but toy is 8 and 8 wide there"),
    ],
)
def test_rows_that_are_no_directions(rows: Tensor, says: str, tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match=says):
        open_dictionary(f"{saved(tmp_path / 'rows.npy', rows)}{SITE}", Toy())


def test_a_site_is_needed(tmp_path: Path) -> None:
    path = saved(tmp_path / "rows.npy")
    with pytest.raises(
        DictionaryError, match=r"does not say which site it is for: add it to the name, such as @resid_post.2"
    ):
        open_dictionary(str(path), Toy())
    with pytest.raises(DictionaryError, match=r"no layer is known for resid_post: write @resid_post.N"):
        open_dictionary(f"{path}@resid_post", Toy())


def test_text_is_no_direction(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array([["a"] * WIDTH]))
    with pytest.raises(DictionaryError, match="words holds <U1, not numbers"):
        open_dictionary(f"{tmp_path / 'words.npy'}{SITE}", Toy())
    (tmp_path / "rows.npy").write_bytes(saved(tmp_path / "whole.npy").read_bytes()[:150])
    with pytest.raises(DictionaryError, match=r"rows.npy is cut off or no npy file"):
        open_dictionary(f"{tmp_path / 'rows.npy'}{SITE}", Toy())
