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
from functools import partial
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.cores import senders_of
from clustering.density import ClusterSettings, cluster_graph
from clustering.fragments import NEAR, attach_strays, join_fragments
from clustering.nesting import join_nested
from embedder import TextBuffer, Views, lexical_vectors, to_buffer
from index import KnnGraph, OnProgress, VectorIndex, Vectors, build_index, knn_graph

N_NEIGHBOURS = 15
RECALL = 0.9  # of a search in a large index
GRAPH_RECALL = 0.85  # of its graph: measured, more changes the clusters' F1 against the exact graph by 0.01
DISTANCE_FLOOR = 0.02  # texts nearer than this are the same text: one word changed in a hundred
MIN_SAMPLES = 5
_PERSISTENCE = 0.05  # of a cluster of whole texts: pure noise shows less; a skeleton needs no such proof
KeepIndex = Callable[[str, VectorIndex], None]
VIEW_NAMES = ("skeleton", "whole", "single", "shared", "pool")


@dataclass(frozen=True)
class FamilySettings:
    """How families are found: smallest weight of one, what makes the result repeatable, bits in an index."""

    min_family: int = 20
    seed: int = 0
    threads: int | None = None
    index_bits: int = 16


@dataclass(frozen=True, eq=False)
class ViewClusters:
    """What one view found among its m points; kept for ``assign``.

    Attributes
    ----------
    labels : (m,) int64
        Family of each point, -1 for noise.
    strengths : (m,) float32
    nearest : (m,) float32
        Distance to the nearest other point of the same family; infinite where none is among its neighbours.
    texts : (m,) String series
        Distinct skeletons; empty for whole texts.
    rows : (m,) int64
        Of the prompts that whole texts are; the first that carries each skeleton.
    """

    labels: NDArray[np.int64]
    strengths: NDArray[np.float32]
    nearest: NDArray[np.float32]
    texts: pl.Series
    rows: NDArray[np.int64]


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
    """Families without their views' texts and rows, which regrouping leaves as they were."""
    skeleton, whole = (
        replace(view, texts=view.texts.clear(), rows=view.rows[:0])
        for view in (families.skeleton, families.whole)
    )
    return replace(families, skeleton=skeleton, whole=whole)


def with_points(families: Families, points: Families) -> Families:
    """The inverse: texts and rows come from the families that were regrouped."""
    skeleton, whole = (
        replace(view, texts=known.texts, rows=known.rows)
        for view, known in ((families.skeleton, points.skeleton), (families.whole, points.whole))
    )
    return replace(families, skeleton=skeleton, whole=whole)


def find_families(
    prompts: pl.DataFrame,
    texts: TextBuffer,
    views: Views,
    embed_rows: Callable[[NDArray[np.int64]], Vectors],
    *,
    settings: FamilySettings,
    keep_index: KeepIndex = lambda view, index: None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Families:
    """Families of the prompts of a corpus.

    Parameters
    ----------
    prompts : DataFrame of n rows, sorted by prompt_id
        ``prompt_id`` and ``n_requests``.
    texts : TextBuffer, views : Views
        Of the same rows.
    embed_rows : function
        Unit vectors (m, d) of the whole texts of m rows; asked only for prompts without a skeleton family.
    settings : FamilySettings
    keep_index : function
        Given each view that has points, and the index of its points under 0..m-1, before that is let go.
    on_progress : function
        See ``index.knn_graph``.
    """
    weights = prompts["n_requests"].to_numpy().astype(np.int64)
    graph_of = partial(_graph, settings=settings, keep_index=keep_index, on_progress=on_progress)
    skeleton, carried = _skeleton_clusters(texts, views, weights, settings, partial(graph_of, "skeleton"))
    labels = np.append(skeleton.labels, -1)[carried]
    strengths = np.append(skeleton.strengths, np.float32(0))[carried]
    found = np.zeros(len(weights), np.uint8)

    rest = np.flatnonzero(labels < 0)
    graph = graph_of("whole", embed_rows(rest))
    whole = _clusters(graph, weights[rest], rest, settings, min_persistence=_PERSISTENCE)
    placed = whole.labels >= 0
    labels[rest[placed]] = whole.labels[placed] + labels.max(initial=-1) + 1
    strengths[rest], found[rest] = whole.strengths, 1

    alone = np.flatnonzero((labels < 0) & (weights >= settings.min_family))
    labels[alone] = labels.max(initial=-1) + 1 + np.arange(len(alone))
    strengths[alone], found[alone] = 1.0, 2

    labels = _renumbered(labels)
    of_skeleton = np.full(len(skeleton.labels), -1, np.int64)
    by_skeleton = np.flatnonzero((carried >= 0) & (found == 0))
    of_skeleton[carried[by_skeleton]] = labels[by_skeleton]
    return Families(
        labels,
        strengths,
        *_described(prompts, (labels, strengths, found), carried, skeleton.texts),
        replace(skeleton, labels=of_skeleton),
        replace(whole, labels=labels[rest], strengths=strengths[rest]),
    )


def _skeleton_clusters(
    texts: TextBuffer,
    views: Views,
    weights: NDArray[np.int64],
    settings: FamilySettings,
    graph_of: Callable[[Vectors], KnnGraph],
) -> tuple[ViewClusters, NDArray[np.int64]]:
    """Clusters of the distinct skeletons, and the place of each prompt's among them, -1 where it has none."""
    rows = np.flatnonzero(views.skeleton.lengths)
    skeletons = views.skeleton.take(rows).to_series()
    sent = pl.DataFrame({"skeleton": skeletons, "weight": weights[rows], "row": rows})
    distinct = sent.group_by("skeleton").agg(pl.col("weight").sum(), pl.col("row").min()).sort("skeleton")
    numbered = distinct.select("skeleton", at=pl.int_range(pl.len()))
    carried = np.full(len(texts), -1, np.int64)
    carried[rows] = sent.join(numbered, on="skeleton", maintain_order="left")["at"].to_numpy()
    vectors = lexical_vectors(to_buffer(distinct["skeleton"]))
    heaviness = distinct["weight"].to_numpy()
    graph = graph_of(vectors)
    clusters = _clusters(graph, heaviness, distinct["row"].to_numpy(), settings)
    labels, strengths = _with_heavy(clusters, heaviness, settings.min_family)
    ordinary = views.rule.ordinary_words
    labels = join_fragments(labels, vectors, distinct, texts, ordinary=ordinary)
    labels, strengths = attach_strays((labels, strengths), graph, distinct, ordinary=ordinary)
    senders = senders_of(texts, views.senders, carried, n_skeletons=len(distinct))
    labels, strengths = join_nested(
        (labels, strengths), distinct, senders, min_family=settings.min_family, seed=settings.seed
    )
    found = replace(clusters, labels=labels, strengths=strengths, nearest=_nearest_of_same(graph, labels))
    return replace(found, texts=distinct["skeleton"]), carried


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
    graph: KnnGraph,
    weights: NDArray[np.int64],
    rows: NDArray[np.int64],
    settings: FamilySettings,
    *,
    min_persistence: float = 0.0,
) -> ViewClusters:
    """HDBSCAN of weighted points on their kNN graph, without the edges between texts that are not NEAR.

    A heavy point is dense all alone and would take in whatever stranger lies least far.
    """
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
    texts = pl.Series(dtype=pl.String)
    return ViewClusters(clustering.labels, clustering.strengths, nearest, texts, rows)


def _graph(
    view: str, vectors: Vectors, *, settings: FamilySettings, keep_index: KeepIndex, on_progress: OnProgress
) -> KnnGraph:
    """The kNN graph; its index is let go before, for it holds the vectors once more."""
    seed, threads = settings.seed, settings.threads
    if len(vectors) == 0:
        return knn_graph(vectors, N_NEIGHBOURS)
    index = build_index(
        vectors,
        k=N_NEIGHBOURS,
        seed=seed,
        threads=threads,
        recall_target=RECALL,
        bits=settings.index_bits,
    )
    keep_index(view, index)
    cells = index.cells()
    del index
    return knn_graph(
        vectors,
        N_NEIGHBOURS,
        cells=cells,
        seed=seed,
        threads=threads,
        recall_target=GRAPH_RECALL,
        on_progress=on_progress,
    )


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
    members: tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]],
    carried: NDArray[np.int64],
    skeletons: pl.Series,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], pl.Series]:
    """View, medoid row and id of each family of prompts with labels, strengths and views.

    The medoid carries the commonest skeleton, and among those is the strongest, most frequent, first.
    """
    rows = np.flatnonzero(members[0] >= 0)
    label, strength, found = (values[rows] for values in members)
    frame = pl.DataFrame(
        {
            "row": rows,
            "label": label,
            "strength": strength,
            "found": found,
            "weight": prompts["n_requests"].to_numpy()[rows],
            "skeleton": carried[rows],
        }
    )
    share = pl.when(pl.col("found") == 0).then(pl.col("weight").sum().over("label", "skeleton")).otherwise(0)
    frame = frame.with_columns(share=share, n=pl.len().over("label"))
    best = (
        frame.sort(
            "share",
            "skeleton",
            "strength",
            "weight",
            "row",
            descending=[True, False, True, True, False],
        )
        .group_by("label", maintain_order=True)
        .first()
        .sort("label")
    )
    view = np.where((best["n"] == 1).to_numpy(), 2, best["found"].to_numpy()).astype(np.uint8)
    contents = [
        skeletons[skeleton] if found == 0 else prompts["prompt_id"][row]
        for row, skeleton, found in best.select("row", "skeleton", "found").iter_rows()
    ]
    ids = pl.Series([_family_id(content) for content in contents], dtype=pl.String)
    return view, best["row"].to_numpy(), ids


def _family_id(content: str) -> str:
    """The letter f and twelve hex digits of what the family is: a template keeps its id from day to day."""
    return "f" + blake2b(content.encode(), digest_size=6).hexdigest()
