"""Nearest neighbours of unit vectors: build, search, save, and the kNN graph.

The only place where a similarity becomes a distance: cosine distance = 1 - cosine, in [0, 2].
"""

from index.knn_graph import KnnGraph, OnProgress, knn_graph
from index.vector_index import VectorIndex, build_index, load_index
from index.vectors import Vectors

__all__ = ["KnnGraph", "OnProgress", "VectorIndex", "Vectors", "build_index", "knn_graph", "load_index"]
