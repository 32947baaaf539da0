"""What crosses the border of a sandbox, and the filter of system calls, checked by themselves."""

from __future__ import annotations

import errno
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autointerp.sandbox._seccomp import ALLOWED, ARCHITECTURES, REFUSED, seccomp_filter
from autointerp.sandbox._values import DEEPEST, MOST_BITS, MOST_ITEMS, check
from autointerp.sandbox._wire import LONGEST_LINE, line, pack, unpack

atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.recursive(atoms, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
plain = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.sets(keys)
        | st.frozensets(keys)
    ),
    max_leaves=20,
)
data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["dict", "set", "tuple", "bytes", "os"]), inner),
    max_leaves=20,
)


@given(plain)
def test_plain_values_go_through_the_wire(value: Any) -> None:
    check(value)
    back = unpack(json.loads(line({"done": pack(value)}))["done"])
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, set | frozenset | dict | list | tuple)


@given(data)
def test_what_comes_from_a_jail_is_plain_or_refused(anything: Any) -> None:
    try:
        value = unpack(anything)
    except (ValueError, TypeError, RecursionError):
        return
    check(value)


@pytest.mark.parametrize(
    "bad", [object(), len, 1j, range(3), [object()], {1: [{2: print}]}, type("S", (str,), {})("x")]
)
def test_other_values_do_not_cross(bad: Any) -> None:
    with pytest.raises(TypeError, match="only numbers, text"):
        check(bad)
    if not isinstance(bad, str):
        with pytest.raises(TypeError, match="only numbers, text"):
            pack(bad)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_the_bounds_are_where_they_are_said_to_be() -> None:
    check([0.0] * (MOST_ITEMS - 1))
    check(nested(DEEPEST))
    check([2**MOST_BITS - 1])
    loop: list[Any] = []
    loop.append(loop)
    shared = [[["x"] * 200] * 200] * 200
    for bad, says in [
        ([0.0] * MOST_ITEMS, "items"),
        (shared, "items"),
        (nested(DEEPEST + 1), "deeper"),
        (loop, "deeper"),
        ([2**MOST_BITS], "bits"),
        (["x" * 2**20] * 17, "characters"),
        ({"k": b"x" * 2**24, "l": "x"}, "characters"),
    ]:
        with pytest.raises(ValueError, match=says):
            check(bad)
    with pytest.raises(ValueError, match="bytes, at most"):
        line({"done": "x" * LONGEST_LINE})


def verdict(program: bytes, number: int, architecture: int) -> int:
    """What the kernel does with a classic BPF program (linux/filter.h), for the three instructions that occur."""
    code = list(struct.iter_unpack("=HBBI", program))
    place, loaded = 0, 0
    while True:
        operation, when, unless, value = code[place]
        if operation == 0x20:
            loaded = {0: number, 4: architecture}[value]
            place += 1
        elif operation == 0x15:
            place += 1 + (when if loaded == value else unless)
        else:
            assert operation == 0x06
            return value


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_filter_allows_what_is_listed_and_nothing_else(machine: str) -> None:
    program = seccomp_filter(machine)
    column, architecture = ARCHITECTURES[machine]
    allowed = {row[column] for row in ALLOWED.values()}
    special = {row[column]: row[2] for row in REFUSED.values()}
    for number in [*range(600), 0x40000000 + 39, 2**32 - 1]:
        expected = 0x7FFF0000 if number in allowed else 0x50000 | special.get(number, errno.EPERM)
        assert verdict(program, number, architecture) == expected
    assert verdict(program, 0, 0x40000003) == 0x80000000


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_the_kernels(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text())
    numbers = {name: int(number) for name, number in found}
    if machine == "aarch64":
        numbers["newfstatat"] = numbers["fstatat"]
    column = ARCHITECTURES[machine][0]
    for name, row in {**ALLOWED, **REFUSED}.items():
        assert row[column] == numbers.get(name), name


@pytest.mark.parametrize(
    "name", ["clone", "fork", "vfork", "socket", "kill", "unshare", "ptrace", "mount", "bpf", "prctl"]
)
def test_what_makes_processes_and_sockets_is_not_listed(name: str) -> None:
    assert name not in ALLOWED
