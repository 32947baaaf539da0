"""`autointerp tools`: what an agent may do to a model, by hand. The flags of a tool are made from its arguments."""

from __future__ import annotations

import inspect
import json as json_
import re
import types
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer.core import TyperGroup

from autointerp.cli._options import (
    CorpusOption,
    DeviceOption,
    DictionaryOption,
    DtypeOption,
    ModelOption,
    SeedOption,
    TokensOption,
)
from autointerp.errors import InputError

if TYPE_CHECKING:
    from autointerp.tools import AnyTool

#: What cannot be used in a call by itself: it continues an earlier one.
_NOT_ALONE = frozenset({"page"})
#: Arguments of tools that are options of every tool anyway; a tool gets the same value.
_SHARED = frozenset({"feature", "seed"})
#: What the parameters of a tool's own flags start with, so that none is taken for a common one.
_OWN = "own_"


class ToolCommands(TyperGroup):
    """A command for each tool, made when it is first asked for: making them loads torch."""

    _made: dict[str, Any] | None = None

    @property
    def commands(self) -> MutableMapping[str, Any]:
        """Every tool's command by name."""
        if self._made is None:
            from autointerp.tools import all_tools

            self._made = {name: _command(tool) for name, tool in all_tools().items() if name not in _NOT_ALONE}
        return self._made

    @commands.setter
    def commands(self, _: Any) -> None:
        """There are no others."""


app = typer.Typer(
    help="What an agent may do to a model: ablate, steer, patch and more, by hand.", rich_markup_mode=None
)
call = typer.Typer(
    cls=ToolCommands, help="Use one tool on one feature.", rich_markup_mode=None, subcommand_metavar="TOOL"
)
app.add_typer(call, name="call")


# A group without a callback of its own would take over the command of its only member.
@call.callback()
def _root() -> None:
    return


@app.command("list")
def list_tools(
    json: Annotated[bool, typer.Option("--json", help="Names, descriptions and schemas of arguments as JSON.")] = False,
) -> None:
    """Print the tools there are, with what they take."""
    from autointerp.llm import Tool
    from autointerp.tools import all_tools

    tools = all_tools()
    if json:
        schemas = [Tool(tool.name, tool.description, tool.arguments) for tool in tools.values()]
        found = [{"name": tool.name, "description": tool.description, "arguments": tool.schema} for tool in schemas]
        typer.echo(json_.dumps(found, indent=1, ensure_ascii=False))
        return
    for tool in tools.values():
        fields = tool.arguments.model_fields
        names = [name if field.is_required() else f"[{name}]" for name, field in fields.items()]
        typer.echo(f"{tool.name} {' '.join(names)}\n    {tool.description}")


def _common(
    feature: Annotated[int, typer.Option(help="Number of the feature in the dictionary.")] = 0,
    model: ModelOption = "pystdlib",
    dictionary: DictionaryOption = "pystdlib-sae",
    corpus: CorpusOption = "stdlib",
    tokens: TokensOption = 300_000,
    upstream: Annotated[
        list[str] | None, typer.Option(help="A further dictionary of the model, for attribute; repeat for several.")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    seed: SeedOption = 0,
    json: Annotated[bool, typer.Option("--json", help="Print arguments, result and cost as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """The options that every tool has on the command line; this function is its own signature and does nothing."""


_COMMON = {
    name: parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for name, parameter in inspect.signature(_common, eval_str=True).parameters.items()
}


def _command(tool: AnyTool) -> Any:
    """The command of a tool: the flags of its arguments, then the common ones."""
    flags = {name: _flag(name, field) for name, field in tool.arguments.model_fields.items() if name not in _SHARED}

    def use(**values: Any) -> None:
        own = {name: _given(tool.arguments.model_fields[name], values.pop(_OWN + name)) for name in flags}
        shared = {name: values[name] for name in tool.arguments.model_fields if name in _SHARED}
        _use(tool, {name: value for name, value in own.items() if value is not None} | shared, values)

    parameters = [*flags.values(), *_COMMON.values()]
    _sign(use, parameters)
    use.__doc__ = tool.description
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(tool.name)(use)
    made = typer.main.get_command(single)
    made.name = tool.name
    return made


def _sign(function: Callable[..., None], parameters: list[inspect.Parameter]) -> None:
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _flag(name: str, field: Any) -> inspect.Parameter:
    """The option of one argument: a list is a flag, in the singular, to repeat; a value of several parts is JSON."""
    kind, several, optional = _kind(field.annotation)
    singular = re.sub(r"ies$|s$", lambda end: "y" if end[0] == "ies" else "", name) if several else name
    flag = "--" + (name if singular in _COMMON else singular).replace("_", "-")
    words = field.description or ""
    if several:
        words += " Repeat the flag for several."
    if _is_model(_inner(field.annotation)):
        words += f" As JSON: {_example(_inner(field.annotation))}."
    required = field.is_required()
    default = None if several or optional else field.default
    annotation: Any = list[kind] if several else kind  # type: ignore[valid-type]
    if not required and default is None:
        annotation = annotation | None
    declared = [flag, f"--no-{flag[2:]}"] if kind is bool else [flag]
    option = typer.Option("/".join(declared), help=" ".join(words.split()))
    return inspect.Parameter(
        _OWN + name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[annotation, option],
        default=inspect.Parameter.empty if required else default,
    )


def _given(field: Any, value: Any) -> Any:
    """What the flags held, as the tool takes it; None where they were not given."""
    _, several, _ = _kind(field.annotation)
    if value is None or (several and not value):
        return None
    if not _is_model(_inner(field.annotation)):
        return value
    try:
        return [json_.loads(part) for part in value] if several else json_.loads(value)
    except ValueError as error:
        raise InputError(f"{value!r:.80} is not JSON ({error}): write {_example(_inner(field.annotation))}") from error


def _kind(annotation: Any) -> tuple[Any, bool, bool]:
    """The type of one value of a flag, whether it may be repeated, and whether it may be left out for None."""
    bare, optional = _bare(annotation)
    several = get_origin(bare) is tuple
    inner = _inner(annotation)
    return (inner if inner in (int, float, bool, str) or get_origin(inner) is Literal else str), several, optional


def _bare(annotation: Any) -> tuple[Any, bool]:
    """A type without what annotates it and without None, and whether None was there."""
    optional = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            parts = [part for part in get_args(annotation) if part is not type(None)]
            optional, annotation = True, parts[0]
        else:
            return annotation, optional


def _inner(annotation: Any) -> Any:
    """The type of one item of a list, or of the value itself."""
    bare, _ = _bare(annotation)
    return _bare(get_args(bare)[0])[0] if get_origin(bare) is tuple else bare


def _is_model(kind: Any) -> bool:
    return hasattr(kind, "model_fields")


def _example(kind: Any) -> str:
    names = [name for name, field in kind.model_fields.items() if field.is_required()]
    return json_.dumps(dict.fromkeys(names, "…"), ensure_ascii=False)


def _use(tool: AnyTool, arguments: dict[str, Any], common: dict[str, Any]) -> None:
    """Open the bench, call the tool and print what it found."""
    from autointerp.cli._progress import progress_bar
    from autointerp.dictionaries import open_dictionary
    from autointerp.study import bench_of, open_laboratory
    from autointerp.tools import Toolbox

    json, upstream, feature = common["json"], common["upstream"] or [], common["feature"]
    options = {name: common[name] for name in ("model", "dictionary", "corpus", "tokens", "seed", "device", "dtype")}
    with progress_bar(enabled=not common["quiet"]) as progress:
        laboratory = open_laboratory(feature=feature, progress=progress, **options)
        others = [open_dictionary(name, laboratory.subject) for name in upstream]
        bench = bench_of(laboratory, laboratory.feature(feature), others)
    with Toolbox(bench) as toolbox:
        called = toolbox.call(tool.name, arguments)
    if json:
        found = {
            "tool": called.tool,
            "arguments": called.arguments.model_dump(mode="json"),
            "result": called.data,
            "cost": called.cost.model_dump(mode="json"),
        }
        typer.echo(json_.dumps(found, indent=1, ensure_ascii=True))
    else:
        typer.echo(tool.render(called.result).rstrip("\n"))
