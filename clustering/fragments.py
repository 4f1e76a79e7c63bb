"""Fragments of one template, found apart by the density clustering of skeletons, put together again.

HDBSCAN separates every skeleton that is frequent enough: a slot with five values can make five clusters. Two
clusters are joined, and a stray skeleton given to its nearest cluster, when their texts are the same but for
short fillers (``clustering.alignment``).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.alignment import same_but_fillers
from embedder import TextBuffer
from index import KnnGraph, knn_graph

NEAR = 0.6  # cosine distance: farther apart, two texts share less than two fifths of their weight; chosen
_N_COMPARED = 10  # nearest clusters of each that are compared


def join_fragments(
    labels: NDArray[np.int64],
    vectors: NDArray[np.float32],
    distinct: pl.DataFrame,
    texts: TextBuffer,
    *,
    ordinary: int,
) -> NDArray[np.int64]:
    """Join clusters whose commonest skeletons, or prompts that carry them, differ only in short fillers.

    Parameters
    ----------
    labels : (m,) int64
        Cluster of each distinct skeleton, 0..c-1; -1 for noise.
    vectors : (m, 256) float32
        Lexical vectors of the skeletons.
    distinct : DataFrame of m rows
        ``skeleton``, ``weight`` and ``row``, a prompt that carries it.
    texts : n texts
        Of all prompts.
    ordinary : int, words
        Length from which a span is no ordinary phrase.

    Returns
    -------
    (m,) int64
        Labels, a joined cluster under its smallest number.
    """
    best = commonest(distinct, labels)
    n_clusters = len(best)
    if n_clusters < 2:
        return labels
    skeletons, carriers = best["skeleton"].to_list(), texts.take(best["row"].to_numpy()).to_list()
    graph = knn_graph(vectors[best["at"].to_numpy()], min(_N_COMPARED, n_clusters - 1), seed=0, threads=1)
    root = np.arange(n_clusters)
    for i in range(n_clusters):
        for j, distance in zip(graph.indices[i], graph.distances[i], strict=True):
            if j < 0 or distance > NEAR or root[i] == root[j]:
                continue
            pairs = ((skeletons[i], skeletons[j]), (carriers[i], carriers[j]))
            if any(same_but_fillers(a, b, ordinary=ordinary) for a, b in pairs):
                root[root == max(root[i], root[j])] = min(root[i], root[j])
    return np.where(labels >= 0, root[labels], -1)


def attach_strays(
    clusters: tuple[NDArray[np.int64], NDArray[np.float32]],
    graph: KnnGraph,
    distinct: pl.DataFrame,
    *,
    ordinary: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give noise to the cluster of its nearest clustered neighbour when both are one template's skeletons.

    Rare fillers at the edge of a wrapper make skeletons too seldom for a density, yet they are the wrapper.
    The strength of what is attached is its similarity to that neighbour.
    """
    labels, strengths = clusters[0].copy(), clusters[1].copy()
    best = dict(commonest(distinct, labels).select("label", "skeleton").iter_rows())
    near = np.where(graph.indices >= 0, labels[graph.indices], -1)
    rows = np.arange(len(labels))
    first = (near >= 0).argmax(axis=1)
    cluster, distance = near[rows, first], graph.distances[rows, first]
    for row in np.flatnonzero((labels < 0) & (cluster >= 0) & (distance <= NEAR)):
        if same_but_fillers(distinct["skeleton"][int(row)], best[cluster[row]], ordinary=ordinary):
            labels[row], strengths[row] = cluster[row], 1 - distance[row]
    return labels, strengths


def commonest(distinct: pl.DataFrame, labels: NDArray[np.int64]) -> pl.DataFrame:
    """Heaviest skeleton of each label >= 0, ties by text: label, skeleton, row, and its place ``at``."""
    return (
        distinct.with_columns(label=pl.Series(labels), at=pl.int_range(pl.len()))
        .filter(pl.col("label") >= 0)
        .sort("weight", "skeleton", descending=[True, False])
        .group_by("label", maintain_order=True)
        .first()
        .sort("label")
    )
