"""From evidence to findings: what is flagged, which campaigns it makes, and what else their accounts send.

A campaign is what one pool of accounts sends. Flagged families that share their accounts, or whose accounts
took over from each other, make one; each account gets the probability that it is of the pool. Then the pool
is followed: into families whose senders it is, into sets without a common text that hardly anybody else
sends, and into conversations that change hands inside it. What comes in so gets the campaign's p-value
if that is the larger. A known-benign template is never flagged; what it shows stays to be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.accounts import CampaignAccounts, campaign_accounts
from clustering.campaign_pools import (
    CampaignPools,
    campaign_numbers,
    campaign_pools,
    followed_p_values,
    followed_q_values,
    joined_p_values,
)
from clustering.evidence import Evidence, signals_of_senders
from clustering.families import GRAPH_RECALL, Families, ViewClusters, with_points, without_points
from clustering.handover import handover_links, joined_groups
from clustering.joining import joining_families
from clustering.leftovers import leftover_families
from clustering.observed import Observed
from clustering.pools import PoolFamilies, pool_families, pool_nodes
from clustering.registry import Known, explained_by
from clustering.relays import relay_pools
from clustering.run_settings import RunSettings
from clustering.scores import FLAG_LEVEL, q_values
from clustering.sender_views import with_sender_families
from clustering.signals import Signal, no_evidence
from clustering.signals.session_hop import SHARED
from clustering.templates import family_template, templates_frame, templates_of
from index import Vectors, knn_graph

_SMALLEST = 1e-300
_SENT = "No common text, but common senders: {share:.0%} of them are this campaign's accounts, beyond chance."
_LEFT = (
    "What else the accounts of a flagged campaign send ({share:.0%} of its accounts are theirs): they keep "
    "to no subject here either, as if it were dealt to them. Relayed requests or a cover; not flagged by it."
)
_HANDED = (
    "No common text, but conversations that change hands: among its accounts {:,} of the {:,} that go on "
    "were begun by another; of people's {:,.0f} at most would be."
)
_JOINED = "Found by its senders: {share:.0%} of its accounts are this campaign's, beyond chance."

EmbedRows = Callable[[NDArray[np.int64]], Vectors]


@dataclass(frozen=True, eq=False)
class Findings:
    """What is known of f families in the end.

    Attributes
    ----------
    observed : Observed
        With the families that the pools brought.
    signals : mapping of name to Signal
    p_values, q_values, scores : (f,) float64
        Of what a campaign's accounts led to, see ``clustering.campaign_pools``.
    own_p_values : (f,) float64
        Of a family's own evidence, which the q-values of Benjamini and Hochberg's procedure are made of; NaN
        for families that only the accounts led to.
    groups : (f,) int64
        Linked families, those in no group alone.
    n_pooled : (f,) int64
        Other families that a family was weighed together with; 0 for most.
    known : f entries of the registry, None for most
    followed : f sentences, None for most
        How a family came in that its campaign's accounts led to.
    accounts : CampaignAccounts
    """

    observed: Observed
    signals: Mapping[str, Signal]
    p_values: NDArray[np.float64]
    own_p_values: NDArray[np.float64]
    q_values: NDArray[np.float64]
    scores: NDArray[np.float64]
    groups: NDArray[np.int64]
    n_pooled: NDArray[np.int64]
    known: Sequence[Known | None]
    followed: Sequence[str | None]
    accounts: CampaignAccounts

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Families at or below the level."""
        return np.asarray(self.q_values <= FLAG_LEVEL)


KEPT_RECORDS = (Signal, Known, CampaignAccounts, Families, ViewClusters)


def kept_findings(found: Findings) -> dict[str, object]:
    """Findings to be kept between stages: all but what they were drawn from."""
    observed = found.observed
    said = {field.name: getattr(found, field.name) for field in fields(found) if field.name != "observed"}
    return {
        **said,
        "families": without_points(observed.families),
        "templates": templates_frame(observed.templates),
    }


def findings_of(kept: dict[str, Any], observed: Observed) -> Findings:
    """The inverse of ``kept_findings``, given what was observed before the pools were followed."""
    said = dict(kept)
    families = with_points(said.pop("families"), observed.families)
    return Findings(observed.regrouped(families, templates_of(said.pop("templates"))), **said)


def first_findings(
    observed: Observed, evidence: Evidence, registry: Sequence[Known], *, akin: Callable[[int, int], bool]
) -> Findings:
    """What the evidence says by itself: flags, and campaigns with their accounts."""
    known = [explained_by(template.text, registry) for template in observed.templates]
    explained = np.array([entry is not None for entry in known], bool)
    p = np.where(explained, 1.0, evidence.p_values)
    q = q_values(p)
    flagged = q <= FLAG_LEVEL
    links, _ = handover_links(observed.traffic, akin, wanted=flagged)
    groups = joined_groups(evidence.groups, links)
    return Findings(
        observed,
        evidence.signals,
        p,
        p,
        q,
        evidence.scores,
        groups,
        np.where(evidence.pooled, np.bincount(evidence.groups)[evidence.groups] - 1, 0),
        known,
        [None] * len(p),
        campaign_accounts(observed.traffic, campaign_numbers(groups, flagged), people=~flagged),
    )


def follow_pools(
    found: Findings, prompts: pl.DataFrame, embed_rows: EmbedRows, *, settings: RunSettings
) -> Findings:
    """What the campaigns' pools send beyond their flagged families.

    Parameters
    ----------
    found : Findings
    prompts : DataFrame
        ``prompt_id`` and ``n_requests`` of each distinct prompt.
    embed_rows : function
        Unit vectors of the whole texts of rows.
    settings : RunSettings
    """
    traffic = found.observed.traffic
    pools = campaign_pools(
        found.accounts,
        relay_pools(traffic, found.observed.hops),
        groups=found.groups,
        flagged=found.flagged,
        p_values=found.p_values,
        q_values=found.q_values,
    )
    if not pools.members:
        return found
    nodes = pool_nodes(traffic, pools.members, found.observed.templated, seed=settings.seed)
    graph = knn_graph(
        embed_rows(nodes.prompts),
        settings.min_family,
        seed=settings.seed,
        threads=settings.threads,
        recall_target=GRAPH_RECALL,
    )
    new = pool_families(
        traffic,
        pools.members,
        nodes,
        graph,
        placed=found.flagged,
        claims=pools.claims,
        min_family=settings.min_family,
    )
    families, came_from = with_sender_families(
        found.observed.families, new, prompts, view="pool", min_family=settings.min_family
    )
    found = _with_families(found, (families, came_from), new=new, pools=pools, seed=settings.seed)
    found = _with_leftovers(_with_joining(found, pools), pools, prompts, settings=settings)
    regrouped, numbers = found.observed.traffic, campaign_numbers(found.groups, found.flagged)
    return replace(found, accounts=campaign_accounts(regrouped, numbers, people=~found.flagged))


def _with_leftovers(
    found: Findings, pools: CampaignPools, prompts: pl.DataFrame, *, settings: RunSettings
) -> Findings:
    """Findings with what else the pools send, where that is of one hand: shown, and never flagged by it."""
    new = leftover_families(
        found.observed,
        pools.members,
        placed=found.flagged,
        min_family=settings.min_family,
        seed=settings.seed,
    )
    if len(new.pools) == 0:
        return found
    moved = with_sender_families(
        found.observed.families, new, prompts, view="pool", min_family=settings.min_family
    )
    return _with_families(found, moved, new=new, pools=pools, seed=settings.seed, left=True)


def _with_families(
    found: Findings,
    moved: tuple[Families, NDArray[np.int64]],
    *,
    new: PoolFamilies,
    pools: CampaignPools,
    seed: int,
    left: bool = False,
) -> Findings:
    """Findings with the pools' new families after the others, and how they were found.

    What is only `left` of a pool has a p-value of 1: what it shows makes its score.
    """
    old = moved[1][moved[1] >= 0]
    observed = _regrouped(found.observed, *moved)
    n_new = len(new.pools)
    evidence = followed_p_values(pools, new.pools, new.p_values)
    p_values = np.ones(n_new) if left else evidence
    number = np.append(np.full(len(old), -1), np.arange(n_new))
    measured = signals_of_senders(observed, observed.traffic.regrouped(number, n_new), seed=seed)
    return replace(
        found,
        observed=observed,
        signals={
            name: _appended(signal, old, measured.get(name, no_evidence(n_new)))
            for name, signal in found.signals.items()
        },
        p_values=np.append(found.p_values[old], p_values),
        own_p_values=np.append(found.own_p_values[old], np.full(n_new, np.nan)),
        q_values=np.append(found.q_values[old], followed_q_values(pools, new.pools, p_values)),
        scores=np.append(found.scores[old], -np.log10(np.maximum(evidence, _SMALLEST))),
        groups=np.append(found.groups[old], pools.groups[new.pools]),
        n_pooled=np.append(found.n_pooled[old], np.zeros(n_new, np.int64)),
        known=[*(found.known[family] for family in old.tolist()), *[None] * n_new],
        followed=[
            *(found.followed[family] for family in old.tolist()),
            *_how_they_came(observed, len(old), new=new, pools=pools, left=left),
        ],
    )


def _appended(before: Signal, kept: NDArray[np.int64], more: Signal) -> Signal:
    return Signal(np.append(before.effect[kept], more.effect), np.append(before.p_value[kept], more.p_value))


def _how_they_came(
    observed: Observed, first: int, *, new: PoolFamilies, pools: CampaignPools, left: bool
) -> list[str]:
    """A sentence for each new family, whose rows are from `first` on."""
    said = []
    for place, pool in enumerate(new.pools.tolist()):
        share = _share(observed, first + place, pools.members[pool])
        if new.claimed[place]:
            n_talks = int(pools.n_going_on[pool])
            said.append(_HANDED.format(pools.n_changed[pool], n_talks, SHARED * n_talks))
        else:
            said.append((_LEFT if left else _SENT).format(share=share))
    return said


def _regrouped(before: Observed, families: Families, came_from: NDArray[np.int64]) -> Observed:
    """What was observed, with new families after the old ones that stay; see ``with_sender_families``."""
    old = came_from[came_from >= 0].tolist()
    added = [
        family_template(before.texts, np.flatnonzero(families.labels == row), int(families.medoids[row]))
        for row in range(len(old), len(families.ids))
    ]
    stayed = (families.labels[before.templates[family].rows] == row for row, family in enumerate(old))
    kept = [before.templates[family].of_rows(mask) for family, mask in zip(old, stayed, strict=True)]
    return before.regrouped(families, [*kept, *added])


def _with_joining(found: Findings, pools: CampaignPools) -> Findings:
    """Findings in which whole families that a pool sends have joined its campaign."""
    joins, p = joining_families(found.observed.traffic, pools.members, placed=found.flagged)
    rows = np.flatnonzero((joins >= 0) & np.array([entry is None for entry in found.known], bool))
    if len(rows) == 0:
        return found
    p_values, q_values, scores = found.p_values.copy(), found.q_values.copy(), found.scores.copy()
    groups, followed = found.groups.copy(), list(found.followed)
    tied = followed_p_values(pools, joins[rows], p[rows])
    p_values[rows] = joined_p_values(p_values[rows], tied)
    q_values[rows] = followed_q_values(pools, joins[rows], p_values[rows])
    scores[rows] = np.maximum(scores[rows], -np.log10(np.maximum(p_values[rows], _SMALLEST)))
    groups[rows] = pools.groups[joins[rows]]
    for row in rows.tolist():
        share = _share(found.observed, row, pools.members[joins[row]])
        followed[row] = _JOINED.format(share=share)
    return replace(
        found, p_values=p_values, q_values=q_values, scores=scores, groups=groups, followed=followed
    )


def _share(observed: Observed, family: int, pool: NDArray[np.int64]) -> float:
    """Share of a family's principals that are of a pool."""
    who = np.unique(observed.traffic.principals[observed.traffic.members(family)])
    return float(np.isin(who, pool).mean())
