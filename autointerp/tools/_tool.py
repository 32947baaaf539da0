"""What a tool is: a name, words for a language model, typed arguments, a typed result, and one function on a bench."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from autointerp.tools._bench import Workbench

if TYPE_CHECKING:
    from autointerp.tools._toolbox import Toolbox


class Arguments(BaseModel):
    """What a tool is asked. Every field has a description; every bound that is known beforehand is in the type."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Result(BaseModel):
    """What a tool found: finite numbers in stated units, and plain text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=Result)


class Tool(ABC, Generic[A, R]):
    """Something a scientist may do. Registered in the entry-point group `autointerp.tools`; made without arguments.

    Attributes
    ----------
    name: as it is called everywhere.
    description: for a language model: what it does, in which units, on which scale.
    arguments, result: the types of what goes in and what comes out.
    callable_from_code: whether code in a sandbox may call it.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    arguments: type[A]
    result: type[R]
    callable_from_code: ClassVar[bool] = True

    def attached(self, toolbox: Toolbox) -> Tool[A, R]:
        """The tool as one toolbox has it: itself, unless it keeps something over an investigation."""
        del toolbox
        return self

    def close(self) -> None:
        """Let go of what is kept."""
        return

    @abstractmethod
    def run(self, bench: Workbench, arguments: A) -> R:
        """Do it.

        Raises
        ------
        RetryWithOther: other arguments would do; says which.
        Adapt: this model, dictionary or corpus does not have what it takes.
        """

    @abstractmethod
    def render(self, result: R) -> str:
        """The result for a reader, in lines; the toolbox cuts it into pages."""


AnyTool = Tool[Any, Any]
