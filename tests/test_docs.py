"""What the README and the pages of docs tell a reader to type is what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.cli import get_docs_for_click

from autointerp.cli import main
from autointerp.cli._app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = ROOT / "docs" / "cli.md"
COMMANDS: Any = typer.main.get_command(app)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def command_lines() -> list[tuple[Path, str]]:
    """Every line of a console block, and every `autointerp …` in prose."""
    found = []
    for page in PAGES:
        if page == REFERENCE:
            continue
        lines = [line for block in blocks(page, "console") for line in block.replace("\\\n", " ").splitlines()]
        lines += [
            span for span in re.findall(r"`([^`\n]+)`", page.read_text("utf-8")) if span.startswith("autointerp ")
        ]
        found += [(page, line) for line in lines if re.match(r"(\$ )?(\.venv/bin/)?autointerp ", line)]
    return found


@pytest.mark.parametrize(("page", "line"), command_lines(), ids=lambda value: getattr(value, "name", str(value))[:60])
def test_a_command_that_a_page_shows_exists_with_its_flags(page: Path, line: str) -> None:
    words = shlex.split(line.replace("|", " ").replace("…", ""), comments=True)
    words = words[words.index(next(w for w in words if w.endswith("autointerp"))) + 1 :]
    command = COMMANDS
    known = {name for parameter in command.params for name in parameter.opts}
    for word in words:
        if hasattr(command, "commands") and word in command.commands:
            command = command.commands[word]
            known |= {name for parameter in command.params for name in parameter.opts}
        elif word.startswith("-"):
            assert word.split("=")[0] in known | {"--help"}, f"{page.name}: {line}"
        elif command is COMMANDS:
            assert word.isupper() or not word.isalpha(), f"{page.name} shows {line!r}: no command {word!r}"


def test_the_reference_of_commands_is_what_they_say_of_themselves() -> None:
    context = typer.Context(COMMANDS, info_name="autointerp")
    made = get_docs_for_click(obj=COMMANDS, ctx=context, name="autointerp")
    assert REFERENCE.read_text("utf-8").strip() == made.strip(), (
        "run: .venv/bin/typer autointerp.cli._app utils docs --name autointerp --output docs/cli.md"
    )


def test_every_page_is_in_the_menu_and_every_link_leads_somewhere() -> None:
    menu = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE))
    assert menu == {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")}
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.slow
def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = blocks(ROOT / "README.md", "python")
    assert len(sources) >= 2
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["explain", "--quiet", "--feature", "1234", "--tokens", "20000", "--json", "record.json"])
    assert end.value.code == 0
    for source in sources:
        # A small index does, and other tests have built it.
        code = compile(source.replace('"stdlib")', '"stdlib", tokens=20_000)'), "README.md", "exec")
        exec(code, {"__name__": "readme"})  # noqa: S102  (our own page)
