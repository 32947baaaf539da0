"""Reading weight files and the configurations beside them: what is in them and where, without taking the numbers in."""

from __future__ import annotations

import json
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from autointerp.dictionaries._stored import Held, OnDisk, OpenFile, Stored
from autointerp.errors import DictionaryError

_SAFETENSORS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
}
_NUMPY = {
    "<f8": torch.float64,
    "<f4": torch.float32,
    "<f2": torch.float16,
    "<i8": torch.int64,
    "<i4": torch.int32,
}
_LONGEST_HEADER = 100 * 2**20


def read_tensors(path: Path) -> dict[str, Stored]:
    """The tensors of a .safetensors, .npz, .npy, .pt or .pth file by key.

    Raises DictionaryError where the file is missing, cut off, or a pickle with more in it than tensors.
    """
    readers: dict[str, Callable[[Path], dict[str, Stored]]] = {
        ".safetensors": _safetensors,
        ".npz": _npz,
        ".npy": _npy,
        ".pt": _torch,
        ".pth": _torch,
    }
    reader = readers.get(path.suffix)
    if reader is None:
        raise DictionaryError(f"{path} is no weight file: those that are read end in {', '.join(readers)}")
    if not path.is_file():
        raise DictionaryError(f"{path} is missing: copy it there, or fetch the dictionary again")
    try:
        return reader(path)
    except OSError as error:
        raise DictionaryError(f"{path} cannot be read: {error.strerror or error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises DictionaryError where there is none."""
    return _object(path, json.loads, "JSON")


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping. Raises DictionaryError where there is none."""
    return _object(path, yaml.safe_load, "YAML")


def _object(path: Path, parse: Callable[[str], Any], language: str) -> dict[str, Any]:
    try:
        found = parse(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DictionaryError(f"{path} is missing: copy it beside the weights") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DictionaryError(f"{path} is no {language}: {reason}; fetch it again") from error
    if not isinstance(found, dict):
        raise DictionaryError(f"{path} holds no {language} object but {type(found).__name__}: fetch it again")
    return found


def _damaged(path: Path, kind: str, why: str) -> DictionaryError:
    return DictionaryError(f"{path} is cut off or no {kind} file ({why}): fetch it again")


def _safetensors(path: Path) -> dict[str, Stored]:
    source = OpenFile(path)
    head = bytearray(8)
    if source.size < len(head):
        raise _damaged(path, "safetensors", f"{source.size} bytes")
    source.read_into(memoryview(head), 0)
    (length,) = struct.unpack("<Q", head)
    start = len(head) + length
    if length > _LONGEST_HEADER or start > source.size:
        raise _damaged(path, "safetensors", f"a header of {length} bytes in {source.size}")
    header = bytearray(length)
    source.read_into(memoryview(header), len(head))
    try:
        entries = json.loads(header)
        entries.pop("__metadata__", None)
        found: dict[str, Stored] = {}
        for key, entry in entries.items():
            first, last = (int(n) for n in entry["data_offsets"])
            shape, dtype = tuple(int(n) for n in entry["shape"]), _SAFETENSORS[entry["dtype"]]
            if not 0 <= first <= last or last - first != prod(shape) * dtype.itemsize:
                raise ValueError(f"{key} takes {last - first} bytes")
            if start + last > source.size:
                raise ValueError(f"{key} ends at byte {start + last} of {source.size}")
            found[key] = OnDisk(source, key, dtype, start + first, shape)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, "safetensors", str(error)) from error
    return found


def _npz(path: Path) -> dict[str, Stored]:
    source = OpenFile(path)
    found: dict[str, Stored] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                key = info.filename.removesuffix(".npy")
                with archive.open(info) as stream:
                    shape, order, dtype = _npy_header(stream)
                    within = stream.tell()
                if dtype.hasobject:
                    raise _pickled(path, key)
                kind = _NUMPY.get(dtype.str)
                if info.compress_type != zipfile.ZIP_STORED or order or kind is None:
                    with archive.open(info) as stream:
                        values = np.lib.format.read_array(stream, allow_pickle=False)
                    found[key] = _held(path, key, values)
                    continue
                offset = _member_start(source, info) + within
                if offset + prod(shape) * dtype.itemsize > source.size:
                    raise ValueError(f"{key} ends after the file")
                found[key] = OnDisk(source, key, kind, offset, shape)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise _damaged(path, "npz", str(error)) from error
    return found


def _npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)


def _member_start(source: OpenFile, info: zipfile.ZipInfo) -> int:
    """Where a zip member's bytes begin: its own header says how long its name and extra field are."""
    header = bytearray(30)
    source.read_into(memoryview(header), info.header_offset)
    name, extra = struct.unpack("<HH", header[26:30])
    return info.header_offset + len(header) + int(name) + int(extra)


def _npy(path: Path) -> dict[str, Stored]:
    try:
        values = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError) as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error) or "Python objects" in str(error):
            raise _pickled(path, path.stem) from error
        raise _damaged(path, "npy", str(error).splitlines()[0]) from error
    return {path.stem: _held(path, path.stem, values)}


def _held(path: Path, key: str, values: Any) -> Stored:
    if values.dtype.kind not in "fiu":
        raise DictionaryError(f"{path}: {key} holds {values.dtype}, not numbers: fetch the file again")
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return Held(path, key, torch.from_numpy(np.ascontiguousarray(native)))


def _pickled(path: Path, key: str) -> DictionaryError:
    return DictionaryError(f"{path}: {key} is a pickle of Python objects, which could run code and is not opened")


def _torch(path: Path) -> dict[str, Stored]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an unusual pickle protocol is no news to the user
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except pickle.UnpicklingError as error:
            code = re.search(r"GLOBAL (\S+)|class (\S+)", str(error))
            if code is None:
                raise _damaged(path, "torch", str(error).splitlines()[0][:80]) from error
            raise DictionaryError(
                f"{path} is a pickle with code in it ({code.group(1) or code.group(2)}), which is not run: save its state_dict"
            ) from error
        except Exception as error:
            reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
            raise _damaged(path, "torch", reason) from error
    if not isinstance(loaded, dict):
        raise DictionaryError(f"{path} holds {type(loaded).__name__}, not tensors by name: save its state_dict")
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor) or value.is_sparse:
            raise DictionaryError(f"{path}: {key} holds {type(value).__name__}, not a tensor: save its state_dict")
    return {key: Held(path, key, value.detach()) for key, value in loaded.items()}
