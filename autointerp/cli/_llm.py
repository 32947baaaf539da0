"""The options of every command that asks a language model, and `autointerp llm check`."""

from __future__ import annotations

import json as json_
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autointerp.errors import AddressError

if TYPE_CHECKING:
    from autointerp.llm import LLMs

ScientistOption = Annotated[
    str | None,
    typer.Option(
        "--llm", envvar="AUTOINTERP_LLM", help="Model of every role: openai:NAME, anthropic:NAME, openai:NAME@URL."
    ),
]
JudgeOption = Annotated[
    str | None, typer.Option("--judge", envvar="AUTOINTERP_JUDGE", help="Model that judges, if another.")
]
SimulatorOption = Annotated[
    str | None,
    typer.Option("--simulator", envvar="AUTOINTERP_SIMULATOR", help="Model that predicts activations, if another."),
]
BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", envvar="AUTOINTERP_BUDGET", help="Hard limit: 20usd, 500ktokens, or both with a comma."),
]
ReplayOption = Annotated[
    bool, typer.Option("--replay", help="Answer from the cache alone, with no network; the first miss is an error.")
]
CacheOption = Annotated[Path | None, typer.Option("--llm-cache", help="File of the answers, if not the user's own.")]
PricesOption = Annotated[Path | None, typer.Option("--prices", help="Prices in TOML, read over those of the package.")]

app = typer.Typer(help="Language models: what is set up, and whether it works.", rich_markup_mode=None)


def open_roles(
    scientist: str | None,
    judge: str | None = None,
    simulator: str | None = None,
    *,
    budget: str | None = None,
    replay: bool = False,
    cache: Path | None = None,
    prices: Path | None = None,
    run: str | None = None,
) -> LLMs:
    """The models that the options name, by role; a role without one of its own has the scientist's.

    Raises AddressError where no model is named, or one that there is not.
    """
    from autointerp.llm import Budget, open_llms

    named = {"scientist": scientist, "judge": judge or scientist, "simulator": simulator or scientist}
    roles = {role: address for role, address in named.items() if address}
    if not roles:
        raise AddressError(
            "no model is named: give --llm openai:NAME, anthropic:NAME, or openai:NAME@http://HOST:PORT/v1"
        )
    return open_llms(
        roles,
        cache=cache or default_cache(),
        run=run,
        budget=Budget.parse(budget) if budget else None,
        replay=replay,
        prices=prices,
        listener=lambda text: typer.echo(f"note: {text}", err=True),
    )


def default_cache() -> Path:
    """The user's file of answers: beneath `AUTOINTERP_CACHE`, or the cache folder of the operating system."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("AUTOINTERP_CACHE")
    return (Path(chosen).expanduser() if chosen else user_cache_path("autointerp")) / "llm.sqlite"


@app.command("check")
def check(
    llm: ScientistOption = None,
    judge: JudgeOption = None,
    simulator: SimulatorOption = None,
    budget: BudgetOption = None,
    replay: ReplayOption = False,
    llm_cache: CacheOption = None,
    prices: PricesOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write what was found to this file.")] = None,
) -> None:
    """Ask every model that is named one question with a typed answer and one that takes a tool, and say what they can do.

    Costs a few thousand tokens at the most, and nothing the second time.
    """
    import asyncio

    from autointerp.cli._llm_check import check_all, lines

    models = open_roles(llm, judge, simulator, budget=budget, replay=replay, cache=llm_cache, prices=prices)

    async def run() -> dict[str, Any]:
        async with models:
            return await check_all(models)

    found = asyncio.run(run())
    if json is not None:
        json.write_text(json_.dumps(found, indent=1) + "\n", encoding="utf-8")
    for line in lines(found):
        typer.echo(line)
