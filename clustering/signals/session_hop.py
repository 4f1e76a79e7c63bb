"""K6, session hop: does one account go on with what another began?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import binom

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, no_evidence, ratio_p_value

SHARED = 0.05  # of people's conversations that go on, those that began with somebody else: a link was sent


@dataclass(frozen=True, eq=False)
class Hops:
    """Conversations that go on in a log of N requests, and where they change hands.

    Attributes
    ----------
    from_request, to_request : (h,) int64
        Rows of a request and of another principal's that continues it, by ``to_request`` ascending. Their
        principals are the edges that link a pool without a common text; one conversation counts once there.
    conversation : (N,) int64
        Number of the conversation that a request continues; -1 where the log does not hold what it continues.
    """

    from_request: NDArray[np.int64]
    to_request: NDArray[np.int64]
    conversation: NDArray[np.int64]


def session_hops(traffic: Traffic, asked: NDArray[np.uint64], continues: NDArray[np.uint64]) -> Hops:
    """Requests that continue what exactly one other principal asked before, and their own never did.

    What several have asked is a text in common, which anybody may continue whose own first turn the log does
    not hold. What nobody asked (the canned turns of a few-shot template) continues nothing. Without times the
    hash itself says which came first: who continues has seen the answer.

    Parameters
    ----------
    traffic : Traffic
    asked, continues : (N,) uint64
        Hashes of the conversation that each request asks and continues; 0 for none.
    """
    log = pl.DataFrame(
        {
            "request": np.arange(len(asked)),
            "principal": traffic.principals,
            "hour": pl.Series(traffic.hours).fill_nan(None),
            "asked": asked,
            "continues": continues,
        }
    )
    told = log.filter(pl.col("asked") != 0).sort("asked", "principal", "hour", "request", nulls_last=True)
    asks = (
        told.group_by("asked", "principal", maintain_order=True)
        .agg(first=pl.col("request").first(), since=pl.col("hour").first())
        .with_row_index("ask")
        .with_columns(n_askers=pl.len().over("asked"))
    )
    going_on = log.filter(pl.col("continues") != 0)
    own = going_on.join(asks, left_on=["continues", "principal"], right_on=["asked", "principal"])
    others = going_on.join(own, on="request", how="anti").join(
        asks.filter(pl.col("n_askers") == 1), left_on="continues", right_on="asked"
    )
    hops = others.filter((pl.col("since") <= pl.col("hour")).fill_null(True)).sort("request")
    links = pl.concat([own.select("request", "ask"), hops.select("request", "ask")])
    conversation = np.full(len(asked), -1, np.int64)
    conversation[links["request"].to_numpy()] = _conversations(links, asks, log)
    return Hops(hops["first"].to_numpy(), hops["request"].to_numpy(), conversation)


def _conversations(links: pl.DataFrame, asks: pl.DataFrame, log: pl.DataFrame) -> NDArray[np.int64]:
    """Number of the conversation of each link: asks are one conversation where one continues the other."""
    after = (
        links.join(log, on="request")
        .join(asks.select("asked", "principal", after="ask"), on=["asked", "principal"])
        .select("ask", "after")
        .unique()
    )
    n, ends = asks.height, (after["ask"].to_numpy(), after["after"].to_numpy())
    _, number = connected_components(csr_matrix((np.ones(len(after)), ends), shape=(n, n)), directed=False)
    return np.asarray(number[links["ask"].to_numpy()], np.int64)


def session_hop(traffic: Traffic, hops: Hops) -> Signal:
    """Share of the conversations that a group's requests continue which came from another principal.

    Null model: people share a conversation now and then: each that goes on began with somebody else with
    probability at most 0.05, whatever becomes of the others. p is the binomial upper tail over conversations,
    so that a link which many follow counts once; or that of the jackknife over principals where it is larger,
    so that one person with two accounts does not speak for the others. NaN where fewer than five principals
    continue anything.

    A script's steps, whoever runs it unattended, go on under the key that began them. A gateway that spreads
    its customers' conversations over several accounts hops as a campaign does: that is one hand, to be told
    by what the conversations are about.
    """
    out = no_evidence(traffic.n_groups)
    changed = np.zeros(len(hops.conversation), np.bool_)
    changed[hops.to_request] = True
    for group, rows in traffic.each_group():
        rows = rows[hops.conversation[rows] >= 0]
        who, member = np.unique(traffic.principals[rows], return_inverse=True)
        if len(who) < FEWEST:
            continue
        talks, talk = np.unique(hops.conversation[rows], return_inverse=True)
        n_hopped = len(np.unique(talk[changed[rows]]))
        out.effect[group] = n_hopped / len(talks)
        if n_hopped == 0:
            out.p_value[group] = 1.0
            continue
        chance = float(binom.sf(n_hopped - 1, len(talks), SHARED))
        per_principal = np.unique(np.stack([member, talk, changed[rows]]), axis=1)
        hopped = np.bincount(per_principal[0], weights=per_principal[2]).astype(np.float64)
        held = np.bincount(np.unique(per_principal[:2], axis=1)[0]).astype(np.float64)
        out.p_value[group] = max(chance, ratio_p_value(hopped, held, SHARED))
    return out
