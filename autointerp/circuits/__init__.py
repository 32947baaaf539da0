"""What interventions do: effects of directions at sites, and circuits, found, cut out and graded.

This room knows sites, directions and pairs of prompts; it knows no corpus and nobody who explains.
"""

from __future__ import annotations

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._anatomised import Parts
from autointerp.circuits._attribution import (
    EdgeScores,
    edge_attribution,
    integrated_edge_attribution,
    node_attribution,
)
from autointerp.circuits._clean import CleanRun, clean_run
from autointerp.circuits._damage import damage_of
from autointerp.circuits._edge_run import metric_of_circuits
from autointerp.circuits._effects import next_token_change
from autointerp.circuits._graph import Circuit, Graph, Source, Target, top_edges
from autointerp.circuits._metrics import METRICS, Metric, metric_named
from autointerp.circuits._pairs import Pair, check_pairs, read_pairs, text_pair
from autointerp.circuits._patching import edge_patching, node_patching, rechecked
from autointerp.circuits._task import Generator, Task, read_task
from autointerp.circuits.tasks import TASKS, generator_named

__all__ = [
    "METRICS",
    "TASKS",
    "Ablation",
    "Circuit",
    "CleanRun",
    "EdgeScores",
    "Generator",
    "Graph",
    "Metric",
    "Pair",
    "Parts",
    "Source",
    "Target",
    "Task",
    "check_pairs",
    "clean_run",
    "damage_of",
    "edge_attribution",
    "edge_patching",
    "generator_named",
    "integrated_edge_attribution",
    "metric_named",
    "metric_of_circuits",
    "next_token_change",
    "node_attribution",
    "node_patching",
    "read_pairs",
    "read_task",
    "rechecked",
    "text_pair",
    "top_edges",
]
