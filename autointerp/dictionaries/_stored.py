"""Tensors that lie in a file: known by their shape, read only where they are asked for, and handed out as float32."""

from __future__ import annotations

import itertools
import mmap
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from autointerp.errors import DictionaryError


class Stored(ABC):
    """A tensor of a weight file, or a strided part of one. `read` and `whole` raise DictionaryError for NaN and infinity."""

    def __init__(self, file: Path, key: str, shape: tuple[int, ...]) -> None:
        self.file, self.key, self.shape = file, key, shape

    @abstractmethod
    def select(self, axis: int, index: int) -> Stored:
        """One slice of an axis, which is gone after that."""

    @abstractmethod
    def narrow(self, axis: int, start: int, stop: int) -> Stored:
        """Part of an axis."""

    @property
    @abstractmethod
    def T(self) -> Stored:  # noqa: N802 - as numpy and torch call it
        """A matrix the other way round."""

    @abstractmethod
    def _copy(self) -> Tensor:
        """The values in a new tensor of the file's own type; reads these bytes and no others."""

    @abstractmethod
    def _shared(self) -> Tensor:
        """The values where they lie, in the file's own type."""

    def read(self) -> Tensor:
        """The values, float32, by reading just the bytes they take in the file."""
        return self._checked(self._copy().float())

    def whole(self) -> Tensor:
        """The values, float32, in pages shared with the file where that holds float32 as well: not to be written to."""
        return self._checked(self._shared().float())

    def _checked(self, values: Tensor) -> Tensor:
        if values.numel() and not torch.isfinite(torch.stack(values.aminmax())).all():
            raise DictionaryError(f"{self.file}: {self.key} holds a number that is not finite: fetch the file again")
        return values


class Held(Stored):
    """One that torch or numpy has opened already, mapped or in memory."""

    def __init__(self, file: Path, key: str, values: Tensor) -> None:
        super().__init__(file, key, tuple(values.shape))
        self._values = values

    def select(self, axis: int, index: int) -> Stored:
        """As the base class says."""
        return Held(self.file, self.key, self._values.select(axis, index))

    def narrow(self, axis: int, start: int, stop: int) -> Stored:
        """As the base class says."""
        return Held(self.file, self.key, self._values.narrow(axis, start, stop - start))

    @property
    def T(self) -> Stored:  # noqa: N802 - as numpy and torch call it
        """As the base class says."""
        return Held(self.file, self.key, self._values.T)

    def _copy(self) -> Tensor:
        return self._values.clone(memory_format=torch.contiguous_format)

    def _shared(self) -> Tensor:
        return self._values


class OpenFile:
    """A file that stays open as long as anything is stored in it. Reads from several threads do not disturb each other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self.size = os.fstat(self._descriptor).st_size

    def read_into(self, target: memoryview, offset: int) -> None:
        """Fill `target` from `offset` on. Raises DictionaryError where the file ends before."""
        done = 0
        while done < len(target):
            # Reading leaves no pages behind in the process, as touching a mapping in D places would.
            count = os.preadv(self._descriptor, [target[done:]], offset + done)
            if count == 0:
                raise DictionaryError(f"{self.path} has been cut off since it was opened: fetch it again")
            done += count

    @cached_property
    def mapped(self) -> Tensor:
        """All bytes, uint8 [size]."""
        # Private and writable, because torch warns of read-only memory; nothing is ever written.
        return torch.frombuffer(mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_COPY), dtype=torch.uint8)


class OnDisk(Stored):
    """One whose place in the file is known. `offset` is in bytes, `strides` in numbers."""

    def __init__(
        self,
        source: OpenFile,
        key: str,
        dtype: torch.dtype,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(source.path, key, shape)
        self._source, self._dtype, self._offset = source, dtype, offset
        self._strides = _dense(shape) if strides is None else strides

    def select(self, axis: int, index: int) -> Stored:
        """As the base class says."""
        return self.narrow(axis, index, index + 1)._without(axis)

    def narrow(self, axis: int, start: int, stop: int) -> OnDisk:
        """As the base class says."""
        if not 0 <= start <= stop <= self.shape[axis]:
            raise IndexError(f"{self.key} has {self.shape[axis]} entries, not {start} to {stop}")
        offset = self._offset + start * self._strides[axis] * self._dtype.itemsize
        shape = (*self.shape[:axis], stop - start, *self.shape[axis + 1 :])
        return self._view(offset, shape, self._strides)

    @property
    def T(self) -> Stored:  # noqa: N802 - as numpy and torch call it
        """As the base class says."""
        return self._view(self._offset, self.shape[::-1], self._strides[::-1])

    def _without(self, axis: int) -> OnDisk:
        def rest(values: tuple[int, ...]) -> tuple[int, ...]:
            return (*values[:axis], *values[axis + 1 :])

        return self._view(self._offset, rest(self.shape), rest(self._strides))

    def _view(self, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> OnDisk:
        return OnDisk(self._source, self.key, self._dtype, offset, shape, strides)

    def _copy(self) -> Tensor:
        if len(self.shape) == 2 and self._strides[0] == 1 != self._strides[1]:
            return self._view(self._offset, self.shape[::-1], self._strides[::-1])._copy().T.contiguous()
        values = torch.empty(prod(self.shape), dtype=self._dtype)
        if len(values):
            target, done = values.view(torch.uint8).numpy().data, 0
            for offset, length in self._runs():
                self._source.read_into(target[done : done + length], offset)
                done += length
        return values.view(self.shape)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Offset and length in bytes of the stretches that make up the values, in their order."""
        inner, length = len(self.shape), self._dtype.itemsize
        while inner and self._strides[inner - 1] * self._dtype.itemsize == length:
            inner -= 1
            length *= self.shape[inner]
        for place in itertools.product(*(range(n) for n in self.shape[:inner])):
            steps = sum(i * stride for i, stride in zip(place, self._strides, strict=False))
            yield self._offset + steps * self._dtype.itemsize, length

    def _shared(self) -> Tensor:
        size = self._dtype.itemsize
        if self._offset % size or not prod(self.shape):
            return self._copy()
        last = self._offset + sum((n - 1) * stride for n, stride in zip(self.shape, self._strides, strict=True)) * size
        numbers = self._source.mapped[self._offset : last + size].view(self._dtype)
        return numbers.as_strided(self.shape, self._strides)


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of an array in C order."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
