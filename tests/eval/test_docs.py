"""The page on organisms: its code gives what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "organisms.md"
MISLEADING = PAGE.with_name("misleading.md")


def test_the_code_of_the_page_gives_what_it_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```pycon\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))
    assert code.count(">>>") > 20
    page = doctest.DocTestParser().get_doctest(code, {}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    results = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE).run(page, out=said.append)
    assert results.failed == 0, "".join(said)
    assert results.attempted > 20


def test_its_commands_are_those_there_are() -> None:
    from autointerp.eval import list_organisms

    for page in (PAGE, MISLEADING):
        commands = re.findall(r"^autointerp eval make (\S+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert commands
        assert set(commands) <= set(list_organisms())


def test_the_page_on_what_misleads_gives_what_it_says_and_names_all_there_are() -> None:
    from autointerp.eval import list_organisms

    assert doctest.testfile(str(MISLEADING), module_relative=False).failed == 0
    named = set(re.findall(r"`([a-z-]+)`", MISLEADING.read_text(encoding="utf-8")))
    for full_name in list_organisms():
        kind, _, name = full_name.partition("/")
        assert kind not in ("adversarial", "backdoor") or name in named, full_name
