"""Texts that look like code, and rules over them whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rule = Callable[[list[str]], list[float]]

_NAMES = [" value", " name", " key", " node", " item", " path"]
_SIGNS = [",", ".", " =", " +", ":", " return", " if", " for", " 1", " 2"]


def text(seed: int, lines: int = 8) -> list[str]:
    """Lines of a few tokens; every bracket that opens on a line closes on it."""
    random = np.random.default_rng(seed)
    tokens: list[str] = []
    for _ in range(lines):
        tokens.append(str(random.choice(["x", "def", "return", "print", "self", "import"])))
        for _ in range(int(random.integers(2, 6))):
            tokens.append(str(random.choice(_NAMES + _SIGNS)))
            if random.random() < 0.25:
                inside = random.choice(_NAMES + _SIGNS, size=int(random.integers(1, 4)))
                tokens += ["(", *map(str, inside), ")"]
        tokens.append("\n")
    return tokens


def single_token(tokens: list[str]) -> list[float]:
    return [3.0 * (token == " value") for token in tokens]


def token_after_another(tokens: list[str]) -> list[float]:
    return [2.0 * (i > 0 and tokens[i - 1] == " =") for i in range(len(tokens))]


def inside_brackets(tokens: list[str]) -> list[float]:
    depth, out = 0, []
    for token in tokens:
        depth += (token == "(") - (token == ")")
        out.append(1.5 * (depth > 0))
    return out


def first_on_the_line(tokens: list[str]) -> list[float]:
    return [2.5 * (i == 0 or tokens[i - 1] == "\n") for i in range(len(tokens))]


def everywhere_but_on_names(tokens: list[str]) -> list[float]:
    return [0.0 if token in _NAMES else 1.0 for token in tokens]


def name_outside_brackets(tokens: list[str]) -> list[float]:
    inside = inside_brackets(tokens)
    return [2.0 * (token in _NAMES and not value) for token, value in zip(tokens, inside, strict=True)]


def shortly_after_its_like(tokens: list[str]) -> list[float]:
    """The stronger the nearer the last occurrence of the same token, up to eight tokens back."""
    out, last = [], dict[str, int]()
    for i, token in enumerate(tokens):
        gap = i - last[token] if token in last else 0
        out.append(2.0 * (0 < gap < 8))
        last[token] = i
    return out


def name_shortly_after_a_sign(tokens: list[str]) -> list[float]:
    """A group within three tokens after another: no single token decides."""
    before = {" return", " if", " for"}
    return [2.0 * (t in _NAMES and bool(before & set(tokens[max(0, i - 3) : i]))) for i, t in enumerate(tokens)]


def later_names_of_a_line(tokens: list[str]) -> list[float]:
    """From the third name since a line break on, more with each."""
    out, count = [], 0
    for token in tokens:
        count += token in _NAMES
        out.append(float(max(0, min(count, 10) - 2)) if token in _NAMES else 0.0)
        count = 0 if token == "\n" else count
    return out


def crowded_with_signs(tokens: list[str]) -> list[float]:
    """Three or more of the last five are signs."""
    signs = {",", ".", " +", ":"}
    return [float(max(0, sum(t in signs for t in tokens[max(0, i - 4) : i + 1]) - 2)) for i in range(len(tokens))]


def name_long_after_an_import(tokens: list[str]) -> list[float]:
    """On names once an import stands ten tokens back or more, until something is returned."""
    out, far = [], 0
    for token in tokens:
        out.append(2.0 * (token in _NAMES and far >= 10))
        if token in ("return", " return"):
            far = 0
        elif far or token == "import":
            far += 1
    return out


def long_since_a_number(tokens: list[str]) -> list[float]:
    """Everywhere, the more the longer ago the last number was."""
    out, since = [], 0
    for token in tokens:
        since = 0 if token in (" 1", " 2") else since + 1
        out.append(float(min(since, 8)))
    return out


def name_in_the_first_lines(tokens: list[str]) -> list[float]:
    """On names among tokens 9 to 24, most at the first: neither the name nor the place says anything alone."""
    return [float(24 - i) / 4 if token in _NAMES and 9 <= i < 24 else 0.0 for i, token in enumerate(tokens)]


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        single_token,
        token_after_another,
        inside_brackets,
        first_on_the_line,
        everywhere_but_on_names,
        name_outside_brackets,
        shortly_after_its_like,
        name_shortly_after_a_sign,
        later_names_of_a_line,
        crowded_with_signs,
        name_long_after_an_import,
        long_since_a_number,
        name_in_the_first_lines,
    )
}
