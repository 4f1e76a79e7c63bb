"""HDBSCAN on a given kNN graph: weighted points, a floor under the distances, ties that do not matter."""

from clustering.density.result import Clustering
from clustering.density.settings import ClusterSettings
from clustering.density.spanning_tree import is_compiled
from clustering.density.stages import cluster_graph

__all__ = ["ClusterSettings", "Clustering", "cluster_graph", "is_compiled"]
