"""What interventions do: effects of directions at sites, and circuits, found, cut out and graded.

This room knows sites, directions and pairs of prompts; it knows no corpus and nobody who explains.
"""

from __future__ import annotations

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._accuracy import accuracy
from autointerp.circuits._anatomised import Parts
from autointerp.circuits._attribution import (
    EdgeScores,
    edge_attribution,
    integrated_edge_attribution,
    node_attribution,
)
from autointerp.circuits._attribution_graph import attribution_graph
from autointerp.circuits._causal import CausalModel, Interchange, Variable, fitted, iia
from autointerp.circuits._clean import CleanRun, clean_run
from autointerp.circuits._damage import damage_of
from autointerp.circuits._discovery import acdc, flow_routes, random_scores
from autointerp.circuits._edge_run import metric_of_circuits
from autointerp.circuits._effects import next_token_change
from autointerp.circuits._faithful import Curve, curve_of, curve_scores, faithfulness, random_circuits
from autointerp.circuits._graph import Circuit, Graph, Source, Target, top_edges
from autointerp.circuits._latent_attribution import LatentEffects, integrated_latent_attribution, latent_attribution
from autointerp.circuits._latent_edges import LatentEdge, latent_edges
from autointerp.circuits._latent_faithful import latent_faithfulness, mean_interval, metric_range
from autointerp.circuits._latent_patching import latent_patching
from autointerp.circuits._latent_sites import LatentNode, LatentParts
from autointerp.circuits._latent_values import unexplained_variance
from autointerp.circuits._mechanisms import (
    MECHANISMS,
    Mechanism,
    Role,
    answer_attention,
    copying_scores,
    roles,
    signatures,
)
from autointerp.circuits._metrics import METRICS, Metric, metric_named
from autointerp.circuits._mib import load_mib_graph, mib_graph, read_mib_graph
from autointerp.circuits._pairs import Pair, check_pairs, read_pairs, text_pair
from autointerp.circuits._patching import edge_patching, node_patching, rechecked
from autointerp.circuits._programs import PROGRAMS
from autointerp.circuits._ranking import edge_scores
from autointerp.circuits._role_library import (
    ANSWER_WRITER,
    HEAD_ROLES,
    NAME_MOVER,
    NEGATIVE_MOVER,
    OTHER_ROLES,
    TOKEN_LOOKUP,
    mechanism_named,
    task_attention,
)
from autointerp.circuits._role_tests import (
    PatternTrials,
    Places,
    Replaced,
    answer_places,
    direct_effect,
    output_replaced,
    places_of,
)
from autointerp.circuits._swaps import swap_distances, swap_silhouettes
from autointerp.circuits._task import Generator, Task, read_task
from autointerp.circuits._twin import untrained_twin
from autointerp.circuits._unit_map import Unit, fitted_to_units
from autointerp.circuits._whole import completeness, minimality, stability
from autointerp.circuits.tasks import TASKS, generator_named

__all__ = [
    "ANSWER_WRITER",
    "HEAD_ROLES",
    "MECHANISMS",
    "METRICS",
    "NAME_MOVER",
    "NEGATIVE_MOVER",
    "OTHER_ROLES",
    "PROGRAMS",
    "TASKS",
    "TOKEN_LOOKUP",
    "Ablation",
    "CausalModel",
    "Circuit",
    "CleanRun",
    "Curve",
    "EdgeScores",
    "Generator",
    "Graph",
    "Interchange",
    "LatentEdge",
    "LatentEffects",
    "LatentNode",
    "LatentParts",
    "Mechanism",
    "Metric",
    "Pair",
    "Parts",
    "PatternTrials",
    "Places",
    "Replaced",
    "Role",
    "Source",
    "Target",
    "Task",
    "Unit",
    "Variable",
    "accuracy",
    "acdc",
    "answer_attention",
    "answer_places",
    "attribution_graph",
    "check_pairs",
    "clean_run",
    "completeness",
    "copying_scores",
    "curve_of",
    "curve_scores",
    "damage_of",
    "direct_effect",
    "edge_attribution",
    "edge_patching",
    "edge_scores",
    "faithfulness",
    "fitted",
    "fitted_to_units",
    "flow_routes",
    "generator_named",
    "iia",
    "integrated_edge_attribution",
    "integrated_latent_attribution",
    "latent_attribution",
    "latent_edges",
    "latent_faithfulness",
    "latent_patching",
    "load_mib_graph",
    "mean_interval",
    "mechanism_named",
    "metric_named",
    "metric_of_circuits",
    "metric_range",
    "mib_graph",
    "minimality",
    "next_token_change",
    "node_attribution",
    "node_patching",
    "output_replaced",
    "places_of",
    "random_circuits",
    "random_scores",
    "read_mib_graph",
    "read_pairs",
    "read_task",
    "rechecked",
    "roles",
    "signatures",
    "stability",
    "swap_distances",
    "swap_silhouettes",
    "task_attention",
    "text_pair",
    "top_edges",
    "unexplained_variance",
    "untrained_twin",
]
