"""`feature_stats`: what one pass over the corpus saw of a feature, and what its weights say."""

from __future__ import annotations

from autointerp.activations import train_feature
from autointerp.records import FeatureStats
from autointerp.tools._bench import Workbench
from autointerp.tools._texts import FeatureNumber, feature_number
from autointerp.tools._tool import Arguments, Result, Tool


class FeatureStatsArguments(Arguments):
    """Of which feature."""

    feature: FeatureNumber = None


class FeatureStatsResult(Result):
    """The figures of one feature, and where it reads and writes."""

    feature: int
    reads: str
    writes: tuple[str, ...]
    stats: FeatureStats


class FeatureStatsTool(Tool[FeatureStatsArguments, FeatureStatsResult]):
    """See the module."""

    name = "feature_stats"
    description = (
        "How often and how strongly a feature fires over the corpus (density as a share of tokens, maximum and mean in"
        " activation units, histogram), the tokens it promotes through the unembedding alone (logit per unit of activation),"
        " and the features with the most similar directions (cosine)."
    )
    arguments = FeatureStatsArguments
    result = FeatureStatsResult

    def run(self, bench: Workbench, arguments: FeatureStatsArguments) -> FeatureStatsResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        dictionary = bench.dictionary
        return FeatureStatsResult(
            feature=feature,
            reads=str(dictionary.input_site),
            writes=tuple(map(str, dictionary.output_sites)),
            stats=stats_of(bench, feature),
        )

    def render(self, result: FeatureStatsResult) -> str:
        """See `Tool.render`."""
        stats = result.stats
        lines = [
            f"feature {result.feature} reads {result.reads} and writes {', '.join(result.writes)}",
            f"active at {stats.active} of {stats.tokens} tokens (density {stats.density:.2e}), maximum {stats.maximum:.4g},"
            f" mean where active {stats.mean_active:.4g}",
        ]
        edges = stats.histogram_edges
        lines += [
            f"  activation {low:.3g} to {high:.3g}: {count} tokens"
            for low, high, count in zip(edges, edges[1:], stats.histogram_counts, strict=False)
            if count
        ]
        for name, logits in (("promotes", stats.top_logits), ("suppresses", stats.bottom_logits)):
            lines.append(f"{name}: " + (", ".join(f"{t.token!r} {t.logit:+.3f}" for t in logits) or "not in the index"))
        near = ", ".join(f"{n.index} ({n.cosine:+.2f})" for n in stats.neighbours)
        lines.append(f"nearest by direction (cosine): {near or 'not in the index'}")
        return "\n".join(lines) + "\n"


def stats_of(bench: Workbench, feature: int) -> FeatureStats:
    """The figures of any feature: those of the bench for its own, else those that the index holds."""
    if feature == bench.feature.index:
        return bench.stats
    return train_feature(bench.train, feature, bench.stats.tokens).stats
