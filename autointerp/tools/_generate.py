"""`generate`: let the model write on, as it is or with a feature steered or taken out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from autointerp.errors import Adapt, RetryWithOther
from autointerp.models import Edit, Generated, Operation
from autointerp.tools._bench import Workbench
from autointerp.tools._texts import MOST_TEXTS, FeatureNumber, Texts, feature_number, strings, token_ids, visible
from autointerp.tools._tool import Arguments, Result, Tool


class GenerateArguments(Arguments):
    """What to continue, with which edit, and how."""

    texts: Texts
    edit: Annotated[
        Literal["none", "steer", "project_out"],
        Field(
            description="steer: add `strength` to the feature's activation at every token. project_out: take everything along"
            " the feature's direction out of the activations it writes to, which removes more than its activation. The"
            " continuation without an edit is given too."
        ),
    ] = "none"
    feature: FeatureNumber = None
    strength: Annotated[
        float,
        Field(ge=-1e6, le=1e6, description="For steer: what is added to the activation, in activation units."),
    ] = 0.0
    only_new: Annotated[
        bool, Field(description="Edit the tokens that are written alone, instead of the given text too.")
    ] = False
    max_new_tokens: Annotated[int, Field(ge=1, le=64, description="How many tokens to write at most.")] = 24
    temperature: Annotated[float, Field(ge=0, le=5, description="0 for the likeliest token each time.")] = 0.0
    samples: Annotated[int, Field(ge=1, le=8, description="Continuations of each text; of use with a temperature.")] = 1
    seed: Annotated[int, Field(ge=0, le=2**31, description="Seed of the draws.")] = 0


class Continued(Result):
    """One continuation: `edited` is null where no edit was asked for."""

    text: int
    plain: str
    edited: str | None


class GenerateResult(Result):
    """Continuations in the order of the texts, all samples of one together."""

    feature: int
    edit: str
    strength: float
    continuations: tuple[Continued, ...]


class Generate(Tool[GenerateArguments, GenerateResult]):
    """See the module."""

    name = "generate"
    description = (
        "Continue texts that you write with the model under study, and side by side with a feature steered (strength in"
        " activation units; feature_stats gives the maximum to compare with) or its direction projected out."
    )
    arguments = GenerateArguments
    result = GenerateResult

    def run(self, bench: Workbench, arguments: GenerateArguments) -> GenerateResult:
        """See `Tool.run`."""
        subject = bench.subject
        if not subject.causal or not subject.has_logits:
            raise Adapt(f"{subject.name} writes no text: use activations_on or patch")
        feature = feature_number(bench, arguments.feature)
        if len(arguments.texts) * arguments.samples > MOST_TEXTS:
            raise RetryWithOther("samples", f"texts times samples are more than {MOST_TEXTS}: ask for fewer")
        ids = token_ids(bench, arguments.texts)
        longest = max(map(len, ids)) + arguments.max_new_tokens
        if longest > subject.context:
            raise RetryWithOther(
                "max_new_tokens",
                f"text and continuation have {longest} tokens, the context {subject.context}: ask for fewer",
            )
        prompts = [text for text in ids for _ in range(arguments.samples)]
        plain = self._written(bench, prompts, arguments, [])
        edits = _edits(bench, feature, arguments)
        edited = self._written(bench, prompts, arguments, edits) if edits else [None] * len(prompts)
        return GenerateResult(
            feature=feature,
            edit=arguments.edit,
            strength=arguments.strength,
            continuations=tuple(
                Continued(text=number // arguments.samples, plain=a or "", edited=b)
                for number, (a, b) in enumerate(zip(plain, edited, strict=True))
            ),
        )

    def render(self, result: GenerateResult) -> str:
        """See `Tool.render`."""
        edit = f"steer by {result.strength:+.4g}" if result.edit == "steer" else result.edit.replace("_", " ")
        lines = [f"feature {result.feature}, edit: {edit}"]
        for one in result.continuations:
            lines.append(f"text {one.text} as it is: {visible(one.plain)}")
            if one.edited is not None:
                lines.append(f"text {one.text} edited: {visible(one.edited)}")
        return "\n".join(lines) + "\n"

    @staticmethod
    def _written(
        bench: Workbench, prompts: list[list[int]], arguments: GenerateArguments, edits: list[Edit]
    ) -> list[str | None]:
        done = bench.generate(
            prompts,
            max_new_tokens=arguments.max_new_tokens,
            edits=edits,
            temperature=arguments.temperature,
            seed=arguments.seed,
        )
        for text in done.texts:
            if bench.held_out(text[1:]):
                raise RetryWithOther(
                    "texts",
                    "the model goes on with a passage of the held-out documents: start otherwise, or write less",
                )
        return ["".join(strings(bench, new)) for new in done.new]


def _edits(bench: Workbench, feature: int, arguments: GenerateArguments) -> list[Edit]:
    if arguments.edit == "none":
        return []
    where = Generated() if arguments.only_new else None
    writes = bench.dictionary.writes(feature)
    if arguments.edit == "project_out":
        return [Edit(site, Operation.PROJECT_OUT, vector.float(), where) for site, vector in writes.items()]
    site = bench.dictionary.input_site
    probe = bench.run(bench.subject.batch([bench.subject.probe]), capture=[site]).sites[site]
    if not bool((bench.dictionary.scale(probe) == 1).all()):
        raise Adapt(
            f"{bench.dictionary.name} divides its input by a norm of its own, which is not known beforehand while text is"
            " written: use steer on given texts"
        )
    return [Edit(site, Operation.ADD, arguments.strength * vector.float(), where) for site, vector in writes.items()]
