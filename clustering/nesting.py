"""Pieces of one wrapper that its payloads' own recurring text drove apart, put together again.

A wrapper is one family whatever it carries, but what it carries may recur as well: other people's wrappers,
popular questions, a list's stock items, descriptions of tools. Skeletons hold such text, and density finds a
cluster for each, or puts a wrapped question to the bare one. So, by the clusters' cores
(``clustering.cores``):

1. A skeleton goes to the cluster whose core it holds when what it adds stands only where that cluster's
   prompts have payload anyway. What is added elsewhere is wrapper: an operator's own paragraph stands where
   the others have theirs.
2. Two clusters that begin alike are one when prompts of two or more principals hold both cores around
   payload: alternatives exclude each other, items of a list do not.

In both cases only when the prompts fall to principals as any of the joined cluster would: a wrapper that
everyone uses around their own is not the wrapper of the one customer who put another inside.

Dropped: cutting such text from the skeletons by its share of the wrapper's prompts. Four operators of one
chain have a quarter each, as have four payloads; only place and company tell them apart. Two nested wrappers
that fill their frame alone and wholly remain two families, as two variants of one wrapper would: wrong joins
cost each of the variants, a wrong parting one family.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.alignment import leading_words
from clustering.cores import Senders, cores_of, gaps, payload_places
from clustering.fragments import commonest
from embedder import SHINGLE_WORDS

N_DRAWS = 199
ALPHA = 0.01  # below it prompts are different customers'
_TWO = 2  # principals: one may quote anything


@dataclass(frozen=True, eq=False)
class _Pieces:
    """c clusters of m distinct skeletons, with their cores.

    Attributes
    ----------
    labels, weights : (m,) int64
        Cluster 0..c-1 of each skeleton, -1 for noise; its requests.
    skeletons : list of c int64 arrays
        Those of each cluster.
    cores, held
        See ``cores_of``.
    senders : Senders
    settings : (int, int)
        Smallest weight of a family, and the seed of the draws.
    """

    labels: NDArray[np.int64]
    weights: NDArray[np.int64]
    skeletons: list[NDArray[np.int64]]
    cores: list[list[int]]
    held: pl.DataFrame
    senders: Senders
    settings: tuple[int, int]


def join_nested(
    clusters: tuple[NDArray[np.int64], NDArray[np.float32]],
    distinct: pl.DataFrame,
    senders: Senders,
    *,
    min_family: int,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Join the pieces of wrappers, and give each wrapper what holds its core around payload.

    Parameters
    ----------
    clusters : (m,) int64 labels, -1 for noise, and (m,) float32 strengths
        Of the distinct skeletons.
    distinct : DataFrame of m rows
        ``skeleton``, ``weight`` and ``row``, a prompt that carries it.
    senders : Senders
    min_family : int
        Smallest weight of a cluster that loses some of its skeletons.
    seed : int

    Returns
    -------
    labels, strengths
        A joined cluster under its smallest label. The strength of noise that is given is the share of its
        words that are the core's. Deterministic; no part depends on the order of the prompts.
    """
    labels, strengths = clusters[0].copy(), clusters[1].copy()
    best = commonest(distinct, labels)
    if len(best) == 0:
        return labels, strengths
    names, own = np.unique(labels, return_inverse=True)
    own = own - int(names[0] < 0)
    names = names[names >= 0]
    cores, held = cores_of(own, best["row"].to_numpy(), senders)
    order = np.argsort(own, kind="stable")
    members = np.split(order, np.searchsorted(own[order], np.arange(len(names))))[1:]
    weights = distinct["weight"].to_numpy()
    pieces = _Pieces(own, weights, members, cores, held, senders, (min_family, seed))
    moves, joins = _claimed(pieces)
    rows, targets = moves["skeleton"].to_numpy(), moves["core"].to_numpy()
    given = own[rows] < 0
    strengths[rows[given]] = moves["share"].to_numpy()[given]
    own[rows] = targets
    roots = _roots(len(names), joins + _listed(pieces))
    return np.where(own >= 0, names[roots[own]], -1), strengths


def _roots(n: int, joins: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Smallest cluster that each of n is joined to."""
    roots = np.arange(n)
    for one, other in joins:
        if roots[one] != roots[other]:
            roots[roots == max(roots[one], roots[other])] = min(roots[one], roots[other])
    return roots


def _claimed(pieces: _Pieces) -> tuple[pl.DataFrame, list[tuple[int, int]]]:
    """Skeletons that go to another cluster than their own, and pairs of clusters of which one takes all.

    Of several cores that a skeleton holds the first in it decides, the outermost; then the longest.
    """
    moves, joins = [], []
    foreign = pieces.held.filter(pl.col("own") != pl.col("core"))
    for (core,), group in foreign.group_by("core", maintain_order=True):
        open_places = payload_places(pieces.cores[core], pieces.skeletons[core], pieces.senders)
        fitting = _measured(pieces, core, group, open_places)
        for (own,), claim in fitting.group_by("own", maintain_order=True):
            if own < 0:
                moves.append(claim)
                continue
            taken = claim["skeleton"].to_numpy()
            rest = np.setdiff1d(pieces.skeletons[own], taken)
            left = pieces.weights[rest].sum()
            if left >= pieces.settings[0]:
                if _is_inner(pieces, own, (taken, rest), claim["row"][0]) and _alike(
                    pieces, (pieces.skeletons[core], taken)
                ):
                    moves.append(claim)
            elif pieces.weights[taken].sum() > left and _alike(pieces, (pieces.skeletons[core], taken)):
                joins.append((core, own))
    every = pl.concat([_measured(pieces, 0, foreign.head(0), np.zeros(0, np.bool_)), *moves])
    every = every.sort("skeleton", "first", "share", "core", descending=[False, False, True, False])
    return every.unique("skeleton", keep="first", maintain_order=True), joins


def _measured(
    pieces: _Pieces, core: int, group: pl.DataFrame, open_places: NDArray[np.bool_]
) -> pl.DataFrame:
    """Those of the skeletons that add to a core only in its open places.

    With ``first``, the words before the core, and ``share``, the core's part of the prompt's words.
    """
    kept, first, share = [], [], []
    for row in group["row"].to_list():
        words = leading_words(pieces.senders.texts[row])
        added = gaps(pieces.cores[core], words)
        kept.append(bool(np.all(open_places[added >= SHINGLE_WORDS])))
        first.append(int(added[0]))
        share.append(min(1.0, len(pieces.cores[core]) / len(words)))
    return group.with_columns(
        first=pl.Series(first, dtype=pl.Int64), share=pl.Series(share, dtype=pl.Float32)
    ).filter(pl.Series(kept, dtype=pl.Boolean))


def _is_inner(
    pieces: _Pieces, own: int, parts: tuple[NDArray[np.int64], NDArray[np.int64]], row: int
) -> bool:
    """Whether a cluster's core is payload of the skeletons that another cluster takes from it.

    It is unless the rest of the cluster carries the other core's place as payload, too, and falls to the same
    principals: then each of the two might be the wrapper.
    """
    taken, rest = parts
    open_places = payload_places(pieces.cores[own], rest, pieces.senders)
    added = gaps(pieces.cores[own], leading_words(pieces.senders.texts[row]))
    around = bool(np.all(open_places[added >= SHINGLE_WORDS]))
    return not around or not _alike(pieces, (rest, taken))


def _listed(pieces: _Pieces) -> list[tuple[int, int]]:
    """Pairs of clusters that begin alike and whose cores stand both in prompts of several principals.

    Not those of which one holds most of the other: they are nested, not listed.
    """
    heads = [str(core[:SHINGLE_WORDS]) for core in pieces.cores]
    begun = pl.DataFrame({"core": np.arange(len(heads)), "head": heads})
    held = pieces.held.join(begun, on="core").select("row", "skeleton", "core", "head")
    both = held.join(held, on=["skeleton", "head"], suffix="_2").filter(pl.col("core") < pl.col("core_2"))
    senders = pieces.senders
    sent = pl.DataFrame({"skeleton": senders.skeletons, "principal": senders.principals}).unique()
    pairs = (
        both.join(sent, on="skeleton")
        .group_by("core", "core_2")
        .agg(pl.col("row").min(), pl.col("principal").n_unique())
        .filter(pl.col("principal") >= _TWO)
        .sort("core", "core_2")
    )
    nested = _nested(pieces)
    return [
        (one, other)
        for one, other, row in pairs.select("core", "core_2", "row").rows()
        if not {(one, other), (other, one)} & nested
        and any(_around_payload(pieces, core, row) for core in (one, other))
        and _alike(pieces, (pieces.skeletons[one], pieces.skeletons[other]))
    ]


def _nested(pieces: _Pieces) -> set[tuple[int, int]]:
    """Pairs (core, cluster) where most of the cluster's weight holds the core of another."""
    weight = pl.Series(pieces.weights[pieces.held["skeleton"].to_numpy()])
    there = pieces.held.with_columns(weight=weight).filter(
        (pl.col("own") >= 0) & (pl.col("own") != pl.col("core"))
    )
    total = np.array([pieces.weights[rows].sum() for rows in pieces.skeletons])
    pairs = there.group_by("core", "own").agg(pl.col("weight").sum()).rows()
    return {(core, own) for core, own, weight in pairs if 2 * weight > total[own]}


def _around_payload(pieces: _Pieces, core: int, row: int) -> bool:
    """Whether a prompt adds to a core only where most of its cluster's prompts have payload."""
    open_places = payload_places(pieces.cores[core], pieces.skeletons[core], pieces.senders)
    added = gaps(pieces.cores[core], leading_words(pieces.senders.texts[row]))
    return bool(np.all(open_places[added >= SHINGLE_WORDS]))


def _alike(pieces: _Pieces, parts: tuple[NDArray[np.int64], NDArray[np.int64]]) -> bool:
    """Whether two sets of skeletons fall to principals like a random division of both.

    Not rejected at ``ALPHA``.
    """
    sent = [pieces.senders.principals[pieces.senders.pairs_of(part)] for part in parts]
    return mixing_p_value(sent[0], sent[1], seed=pieces.settings[1]) > ALPHA


def mixing_p_value(one: NDArray[np.int64], other: NDArray[np.int64], *, seed: int) -> float:
    """Chance that a random division would let the two parts share their principals so little.

    The statistic is the number of pairs, one of each part, with the same principal; the null the multivariate
    hypergeometric law of a part's prompts over principals, given the numbers of both together (a permutation
    test; Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9(1), 39, eq. 2, with ``N_DRAWS`` draws).

    Parameters
    ----------
    one, other : (n,), (m,) int64
        Principal of each prompt; a prompt counts once for each of its principals, so that retries prove
        nothing.
    seed : int

    Returns
    -------
    float in (0, 1]
        1 where every principal has one prompt: then nothing can be said.
    """
    _, who = np.unique(np.concatenate([one, other]), return_inverse=True)
    both = np.bincount(who)
    own = np.bincount(who[len(one) :], minlength=len(both))
    rng = np.random.default_rng([seed, len(one), len(other)])
    drawn = rng.multivariate_hypergeometric(both, len(other), size=N_DRAWS, method="marginals")
    mixed = (drawn * (both - drawn)).sum(axis=1)
    return float(1 + (mixed <= (own * (both - own)).sum()).sum()) / (1 + N_DRAWS)
