"""`activations_on`: a feature's activation at each token of any texts."""

from __future__ import annotations

from autointerp.tools._bench import Workbench
from autointerp.tools._changes import inside
from autointerp.tools._texts import FeatureNumber, Texts, feature_number, marked, strings, token_ids
from autointerp.tools._tool import Arguments, Result, Tool


class ActivationsOnArguments(Arguments):
    """Which texts, and of which feature."""

    texts: Texts
    feature: FeatureNumber = None


class TextActivations(Result):
    """One text: its tokens, the activation at each, the strongest, and the mean over all tokens."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    maximum: float
    mean: float


class ActivationsOnResult(Result):
    """Activations by text, in the order asked."""

    feature: int
    texts: tuple[TextActivations, ...]


class ActivationsOn(Tool[ActivationsOnArguments, ActivationsOnResult]):
    """See the module."""

    name = "activations_on"
    description = (
        "Activation of a feature at every token of texts that you write. Activations are in the dictionary's own units, never"
        " negative, 0 where the feature is silent; feature_stats gives the maximum over the corpus to compare with."
    )
    arguments = ActivationsOnArguments
    result = ActivationsOnResult

    def run(self, bench: Workbench, arguments: ActivationsOnArguments) -> ActivationsOnResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        ids = token_ids(bench, arguments.texts)
        site = bench.dictionary.input_site
        x = bench.run(bench.subject.batch(ids), capture=[site]).sites[site]
        values = inside(bench, bench.dictionary.encode_one(x, feature).float(), ids).tolist()
        texts = []
        for row, text in zip(values, ids, strict=True):
            own = row[1 : len(text)]
            texts.append(
                TextActivations(
                    tokens=strings(bench, text[1:]),
                    activations=tuple(own),
                    maximum=max(own),
                    mean=sum(own) / len(own),
                )
            )
        return ActivationsOnResult(feature=feature, texts=tuple(texts))

    def render(self, result: ActivationsOnResult) -> str:
        """See `Tool.render`."""
        lines = [f"feature {result.feature}: [token](activation), tokens without brackets are silent"]
        lines += [
            f"{number}: maximum {text.maximum:.3g}, mean {text.mean:.3g}: {marked(text.tokens, text.activations)}"
            for number, text in enumerate(result.texts)
        ]
        return "\n".join(lines) + "\n"
