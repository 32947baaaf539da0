"""Builds an index on a cluster of two nodes of this machine, and kills one of them when a third of the shards is there.

    python ray_cluster.py MODEL DICTIONARY CORPUS FOLDER

A process of its own: Ray starts threads and sockets, and warns of things that are its own business.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from autointerp.activations import IndexSettings, build_index, open_corpus
from autointerp.dictionaries import open_dictionary
from autointerp.models import Subject

SETTINGS = IndexSettings(tokens=8000, context=32, train_cap=100, heldout_cap=50, shard=300)
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def main() -> None:
    model, dictionary_name, corpus_name, folder = sys.argv[1:]
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    other = cluster.add_node(**NODE)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    cluster.wait_for_nodes()
    killed: list[int] = []

    def progress(done: int, size: int) -> None:
        if done > size / 3 and not killed:
            killed.append(done)
            cluster.remove_node(other, allow_graceful=False)

    try:
        # Both nodes have workers before there is anything to do, so that each is at a shard when one is killed.
        where = ray.remote(num_cpus=1)(
            lambda: (__import__("time").sleep(1), ray.get_runtime_context().get_node_id())[1]
        )
        nodes = set(ray.get([where.remote() for _ in range(2)]))
        subject = Subject.load(model, device="cpu")
        # Given by a relative path, which the workers are not to take for one of their own.
        os.chdir(Path(dictionary_name).parent)
        dictionary = open_dictionary(f"file:{Path(dictionary_name).name}", subject)
        index = build_index(
            subject,
            dictionary,
            open_corpus(corpus_name),
            Path(folder, "i"),
            key="k",
            settings=SETTINGS,
            progress=progress,
            engine="ray",
            workers=2,
        )
        alive, deadline = 2, time.monotonic() + 30
        # The cluster learns of a node's end some time after it.
        while alive > 1 and time.monotonic() < deadline:
            alive = sum(node["Alive"] for node in ray.nodes())
            time.sleep(0.2)
        # Ray prints as well.
        told = {"nodes": len(nodes), "left": alive, "passes": subject.usage.forward_passes, "seal": index.meta.seal}
        Path(folder, "told.json").write_text(json.dumps(told))
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
