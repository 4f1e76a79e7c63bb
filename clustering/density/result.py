"""What a density clustering returns: plain arrays, and views of them for the ``hdbscan`` package's tools."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustering.density.condensed_tree import CondensedTree
from clustering.density.extraction import FlatClusters
from clustering.density.records import to_linkage, to_records
from clustering.density.spanning_tree import SpanningTree


def _plots() -> Any:
    """The module ``hdbscan.plots``, which takes a second to import."""
    return import_module("hdbscan.plots")


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of n points, numbered 0..c-1 by their smallest member, and the trees behind them.

    Attributes
    ----------
    labels
        int64 (n,), -1 for noise.
    strengths
        float32 (n,), membership strength in [0, 1], 0 for noise.
    point_weights
        int64 (n,), number of identical points that each point stands for.
    core_distances
        float32 (n,), finite, at least the floor.
    spanning_tree
        Edges under mutual reachability, bridges between components included.
    tree
        Condensed tree.
    clusters
        Per cluster: weight, stability, persistence, exemplars and place in the condensed tree.
    """

    labels: NDArray[np.int64]
    strengths: NDArray[np.float32]
    point_weights: NDArray[np.int64]
    core_distances: NDArray[np.float32]
    spanning_tree: SpanningTree
    tree: CondensedTree
    clusters: FlatClusters

    @property
    def n_clusters(self) -> int:
        """Number of clusters, noise not counted."""
        return int(self.clusters.nodes.size)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Spanning tree as float64 (n - 1, 3): source, target, mutual reachability distance; ascending."""
        tree = self.spanning_tree
        return np.column_stack([tree.sources, tree.targets, tree.distances]).astype(np.float64)

    @property
    def condensed_tree(self) -> Any:
        """``hdbscan.plots.CondensedTree``: ``plot()``, ``to_pandas()``. Takes 32 bytes per unit of weight."""
        return _plots().CondensedTree(to_records(self.tree, self.point_weights), self.labels)

    @property
    def single_linkage_tree(self) -> Any:
        """``hdbscan.plots.SingleLinkageTree``; its sizes count points, not weights."""
        return _plots().SingleLinkageTree(to_linkage(self.spanning_tree))

    def minimum_spanning_tree(self, vectors: NDArray[Any]) -> Any:
        """``hdbscan.plots.MinimumSpanningTree``.

        Parameters
        ----------
        vectors
            Coordinates to draw the points at, (n, dim).

        Returns
        -------
        The tree, with its edges as in `edges`.
        """
        return _plots().MinimumSpanningTree(self.edges, vectors)
