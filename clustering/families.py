"""Both views, then one family per prompt.

1. *skeleton* view: the distinct skeletons, weighted by their requests, are clustered by their words; clusters
   whose texts differ only in short fillers are fragments of one template and are joined. Skeletons that share
   too little to be one template are no neighbours: else small templates would hang on to large ones.
2. *whole* view: prompts that found no family by their skeleton are clustered by what they say.
3. *single*: a prompt that neither view places is a family of its own when it was sent often enough.

A prompt belongs to the first of the three that places it: a shared skeleton is literal evidence of one
author, nearness in meaning is not. A family of one prompt is *single* wherever it was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.cores import senders_of
from clustering.density import ClusterSettings, cluster_graph
from clustering.fragments import NEAR, attach_strays, join_fragments
from clustering.nesting import join_nested
from embedder import Views, lexical_vectors, to_buffer
from index import KnnGraph, VectorIndex, build_index, knn_graph

N_NEIGHBOURS = 15
RECALL = 0.9  # of a search in a large index
_GRAPH_RECALL = 0.85  # of its graph: measured, more changes the clusters' F1 against the exact graph by 0.01
DISTANCE_FLOOR = 0.02  # texts nearer than this are the same text: one word changed in a hundred
MIN_SAMPLES = 5
_PERSISTENCE = 0.05  # of a cluster of whole texts: pure noise shows less; a skeleton needs no such proof
VIEW_NAMES = ("skeleton", "whole", "single", "shared", "pool")


@dataclass(frozen=True)
class FamilySettings:
    """How families are found: smallest weight of one, and what makes the result repeatable."""

    min_family: int = 20
    seed: int = 0
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class ViewClusters:
    """What one view found among its m points; kept for ``assign``.

    Attributes
    ----------
    index : VectorIndex or None
        The points' vectors under 0..m-1; None when there is no point.
    labels : (m,) int64
        Family of each point, -1 for noise.
    strengths : (m,) float32
    nearest : (m,) float32
        Distance to the nearest other point of the same family; infinite where none is among its neighbours.
    texts : (m,) String series
        Distinct skeletons, or the prompts' ids.
    """

    index: VectorIndex | None
    labels: NDArray[np.int64]
    strengths: NDArray[np.float32]
    nearest: NDArray[np.float32]
    texts: pl.Series


@dataclass(frozen=True, eq=False)
class Families:
    """Families of n distinct prompts.

    Attributes
    ----------
    labels : (n,) int64
        0..f-1, numbered by smallest member; -1 for noise.
    strengths : (n,) float32
        Membership strength in [0, 1]; 0 for noise.
    views : (f,) uint8
        Index into ``VIEW_NAMES``.
    medoids : (f,) int64
        Row of the prompt that stands for the family.
    ids : (f,) String series
        Hash of what the family is: its commonest skeleton, or its medoid's text.
    skeleton, whole : ViewClusters
        With the labels above.
    """

    labels: NDArray[np.int64]
    strengths: NDArray[np.float32]
    views: NDArray[np.uint8]
    medoids: NDArray[np.int64]
    ids: pl.Series
    skeleton: ViewClusters
    whole: ViewClusters


def without_points(families: Families) -> Families:
    """Families without their views' vectors and texts, which regrouping leaves as they were."""
    skeleton, whole = (
        replace(view, index=None, texts=view.texts.clear()) for view in (families.skeleton, families.whole)
    )
    return replace(families, skeleton=skeleton, whole=whole)


def with_points(families: Families, points: Families) -> Families:
    """The inverse: vectors and texts come from the families that were regrouped."""
    skeleton, whole = (
        replace(view, index=known.index, texts=known.texts)
        for view, known in ((families.skeleton, points.skeleton), (families.whole, points.whole))
    )
    return replace(families, skeleton=skeleton, whole=whole)


def find_families(
    prompts: pl.DataFrame,
    views: Views,
    embed_rows: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    *,
    settings: FamilySettings,
) -> Families:
    """Families of the prompts of a corpus.

    Parameters
    ----------
    prompts : DataFrame of n rows, sorted by prompt_id
        ``prompt_id`` and ``n_requests``.
    views : Views of the same rows
    embed_rows : function
        Unit vectors (m, d) of the whole texts of m rows; asked only for prompts without a skeleton family.
    settings : FamilySettings
    """
    weights = prompts["n_requests"].to_numpy().astype(np.int64)
    n = len(weights)
    labels, strengths, found = np.full(n, -1, np.int64), np.zeros(n, np.float32), np.zeros(n, np.uint8)

    rows = np.flatnonzero((views.skeleton != "").to_numpy())
    skeleton, place = _skeleton_clusters(views, rows, weights[rows], settings)
    labels[rows], strengths[rows] = skeleton.labels[place], skeleton.strengths[place]

    rest = np.flatnonzero(labels < 0)
    points = (embed_rows(rest), weights[rest], prompts["prompt_id"][rest])
    whole, _ = _clusters(*points, settings, min_persistence=_PERSISTENCE)
    placed = whole.labels >= 0
    labels[rest[placed]] = whole.labels[placed] + labels.max(initial=-1) + 1
    strengths[rest], found[rest] = whole.strengths, 1

    alone = np.flatnonzero((labels < 0) & (weights >= settings.min_family))
    labels[alone] = labels.max(initial=-1) + 1 + np.arange(len(alone))
    strengths[alone], found[alone] = 1.0, 2

    labels = _renumbered(labels)
    view, medoids, ids = _described(prompts, views, labels, (strengths, found))
    of_skeleton = np.full(len(skeleton.labels), -1, np.int64)
    of_skeleton[place] = np.where(found[rows] == 0, labels[rows], -1)
    return Families(
        labels,
        strengths,
        view,
        medoids,
        ids,
        ViewClusters(skeleton.index, of_skeleton, skeleton.strengths, skeleton.nearest, skeleton.texts),
        ViewClusters(whole.index, labels[rest], strengths[rest], whole.nearest, whole.texts),
    )


def _skeleton_clusters(
    views: Views, rows: NDArray[np.int64], weights: NDArray[np.int64], settings: FamilySettings
) -> tuple[ViewClusters, NDArray[np.int64]]:
    """Clusters of the distinct skeletons of the rows, and the place of each row among them."""
    sent = pl.DataFrame({"skeleton": views.skeleton[rows], "weight": weights, "row": rows})
    distinct = sent.group_by("skeleton").agg(pl.col("weight").sum(), pl.col("row").min()).sort("skeleton")
    numbered = distinct.select("skeleton", at=pl.int_range(pl.len()))
    place = sent.join(numbered, on="skeleton", maintain_order="left")["at"].to_numpy()
    vectors = lexical_vectors(to_buffer(distinct["skeleton"]))
    clusters, graph = _clusters(vectors, distinct["weight"].to_numpy(), distinct["skeleton"], settings)
    labels, strengths = _with_heavy(clusters, distinct["weight"].to_numpy(), settings.min_family)
    ordinary = views.rule.ordinary_words
    labels = join_fragments(labels, vectors, distinct, views.whole, ordinary=ordinary)
    labels, strengths = attach_strays((labels, strengths), graph, distinct, ordinary=ordinary)
    skeletons = np.full(len(views.whole), -1, np.int64)
    skeletons[rows] = place
    senders = senders_of(views.whole, views.senders, skeletons, n_skeletons=len(distinct))
    labels, strengths = join_nested(
        (labels, strengths), distinct, senders, min_family=settings.min_family, seed=settings.seed
    )
    nearest = _nearest_of_same(graph, labels)
    return ViewClusters(clusters.index, labels, strengths, nearest, clusters.texts), place


def _with_heavy(
    clusters: ViewClusters, weights: NDArray[np.int64], min_family: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels and strengths with a cluster for each skeleton that alone is heavy enough for one.

    Density finds it wherever the tree splits; a log with one wrapper only has a tree without a split.
    """
    labels, strengths = clusters.labels.copy(), clusters.strengths.copy()
    heavy = np.flatnonzero((labels < 0) & (weights >= min_family))
    labels[heavy] = labels.max(initial=-1) + 1 + np.arange(len(heavy))
    strengths[heavy] = 1.0
    return labels, strengths


def _clusters(
    vectors: NDArray[np.float32],
    weights: NDArray[np.int64],
    texts: pl.Series,
    settings: FamilySettings,
    *,
    min_persistence: float = 0.0,
) -> tuple[ViewClusters, KnnGraph]:
    """HDBSCAN of weighted points on their kNN graph, without the edges between texts that are not NEAR.

    A heavy point is dense all alone and would take in whatever stranger lies least far.
    """
    seed, threads = settings.seed, settings.threads
    index = None
    if len(vectors):
        index = build_index(vectors, k=N_NEIGHBOURS, seed=seed, threads=threads, recall_target=RECALL)
    graph = knn_graph(
        vectors, N_NEIGHBOURS, index=index, seed=seed, threads=threads, recall_target=_GRAPH_RECALL
    )
    clustering = cluster_graph(
        graph.indices,
        graph.distances,
        weights=weights,
        farthest=NEAR,
        settings=ClusterSettings(
            min_cluster_size=settings.min_family,
            min_samples=MIN_SAMPLES,
            distance_floor=DISTANCE_FLOOR,
            min_persistence=min_persistence,
        ),
    )
    nearest = _nearest_of_same(graph, clustering.labels)
    return ViewClusters(index, clustering.labels, clustering.strengths, nearest, texts), graph


def _nearest_of_same(graph: KnnGraph, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Distance of each point to its nearest neighbour in the same family; infinite where there is none."""
    nearest = np.full(len(labels), np.inf, np.float32)
    for start in range(0, len(labels), 65_536):
        rows = slice(start, start + 65_536)
        near, own = graph.indices[rows], labels[rows, None]
        same = (near >= 0) & (labels[near] == own) & (own >= 0)
        nearest[rows] = np.where(same, graph.distances[rows], np.float32(np.inf)).min(axis=1, initial=np.inf)
    return nearest


def _renumbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels 0..f-1 in the order of their smallest members; noise stays -1."""
    values, first = np.unique(labels, return_index=True)
    order = np.argsort(np.where(values < 0, -1, first), kind="stable")
    number = np.empty(len(values), np.int64)
    number[order] = np.arange(len(values)) - int((values < 0).any())
    return number[np.searchsorted(values, labels)]


def _described(
    prompts: pl.DataFrame,
    views: Views,
    labels: NDArray[np.int64],
    members: tuple[NDArray[np.float32], NDArray[np.uint8]],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], pl.Series]:
    """View, medoid row and id of each family.

    The medoid carries the commonest skeleton, and among those is the strongest, most frequent, first.
    """
    strengths, found = members
    frame = pl.DataFrame(
        {
            "row": np.arange(len(labels)),
            "label": labels,
            "strength": strengths,
            "found": found,
            "weight": prompts["n_requests"],
            "prompt_id": prompts["prompt_id"],
            "skeleton": views.skeleton,
        }
    ).filter(pl.col("label") >= 0)
    share = pl.when(pl.col("found") == 0).then(pl.col("weight").sum().over("label", "skeleton")).otherwise(0)
    frame = frame.with_columns(share=share, n=pl.len().over("label"))
    best = (
        frame.sort(
            "share",
            "skeleton",
            "strength",
            "weight",
            "prompt_id",
            descending=[True, False, True, True, False],
        )
        .group_by("label", maintain_order=True)
        .first()
        .sort("label")
    )
    view = np.where((best["n"] == 1).to_numpy(), 2, best["found"].to_numpy()).astype(np.uint8)
    contents = best.select(pl.when(pl.col("found") == 0).then("skeleton").otherwise("prompt_id"))
    ids = pl.Series([_family_id(content) for content in contents.to_series()], dtype=pl.String)
    return view, best["row"].to_numpy(), ids


def _family_id(content: str) -> str:
    """The letter f and twelve hex digits of what the family is: a template keeps its id from day to day."""
    return "f" + blake2b(content.encode(), digest_size=6).hexdigest()
