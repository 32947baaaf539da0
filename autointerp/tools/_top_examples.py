"""`top_examples`: texts of the train split by how strongly they activate a feature, and near misses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from autointerp.activations import train_feature
from autointerp.records import Example
from autointerp.tools._bench import Workbench
from autointerp.tools._texts import FeatureNumber, feature_number, marked
from autointerp.tools._tool import Arguments, Result, Tool

Quantile = Literal["all", "top", "75-100%", "50-75%", "25-50%", "0-25%", "near miss"]


class TopExamplesArguments(Arguments):
    """Of which feature, from which part of its range, and how many of each part."""

    feature: FeatureNumber = None
    quantile: Annotated[
        Quantile,
        Field(
            description="The strongest texts, a random sample from a quarter of the range of activation (shares of the"
            " maximum), near misses (which look alike but do not activate it), or all of these."
        ),
    ] = "all"
    count: Annotated[int, Field(ge=1, le=10, description="How many texts of each part at most.")] = 4


class TopExamplesResult(Result):
    """Examples with an activation at each token; `maximum` is the feature's strongest activation in the corpus."""

    feature: int
    maximum: float
    examples: tuple[Example, ...]


class TopExamples(Tool[TopExamplesArguments, TopExamplesResult]):
    """See the module."""

    name = "top_examples"
    description = (
        "Texts of the corpus with a feature's activation at every token: the strongest, random samples of each quarter of its"
        " range, and near misses in which it is silent although they hold its tokens or activate its neighbours. Look at"
        " weak and near-miss texts too: the strongest alone mislead."
    )
    arguments = TopExamplesArguments
    result = TopExamplesResult

    def run(self, bench: Workbench, arguments: TopExamplesArguments) -> TopExamplesResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        view = train_feature(bench.train, feature, bench.stats.tokens)
        chosen: dict[str, list[Example]] = {}
        for example in view.examples:
            group = chosen.setdefault(example.quantile, [])
            if arguments.quantile in ("all", example.quantile) and len(group) < arguments.count:
                group.append(example)
        examples = tuple(example for group in chosen.values() for example in group)
        return TopExamplesResult(feature=feature, maximum=view.stats.maximum, examples=examples)

    def render(self, result: TopExamplesResult) -> str:
        """See `Tool.render`."""
        lines = [f"feature {result.feature}, maximum {result.maximum:.4g}: [token](activation)"]
        for example in result.examples:
            strongest = max(example.activations, default=0.0)
            lines.append(
                f"{example.quantile}, strongest {strongest:.3g}, {example.document}:{example.line}:"
                f" {marked(example.tokens, example.activations)}"
            )
        if not result.examples:
            lines.append("no such text: the feature is silent there in the train split")
        return "\n".join(lines) + "\n"
