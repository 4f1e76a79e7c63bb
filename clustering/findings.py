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
from clustering.evidence import Evidence
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
from clustering.signals import LEAST_OVERLAP, Signal
from clustering.templates import family_template, templates_frame, templates_of
from index import Vectors, knn_graph

_SMALLEST = 1e-300
_SENT = "No common text, but common senders: {share:.0%} of them are this campaign's accounts, beyond chance."
_LEFT = (
    "What else the accounts of a flagged campaign send ({share:.0%} of its accounts are theirs): they keep "
    "to no subject here either, as if it were dealt to them. Relayed requests or a cover; not flagged by it."
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
        q,
        evidence.scores,
        groups,
        np.where(evidence.pooled, np.bincount(evidence.groups)[evidence.groups] - 1, 0),
        known,
        [None] * len(p),
        campaign_accounts(observed.traffic, _campaigns(groups, flagged), people=~flagged),
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
    pools, claimed = _pools(found)
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
        claimed=claimed,
        min_family=settings.min_family,
    )
    families, came_from = with_sender_families(
        found.observed.families, new, prompts, view="pool", min_family=settings.min_family
    )
    found = _with_families(found, (families, came_from), new=new, pools=pools, said=_SENT)
    found = _with_leftovers(_with_joining(found, pools), pools, prompts, settings=settings)
    flagged = found.flagged
    accounts = campaign_accounts(found.observed.traffic, _campaigns(found.groups, flagged), people=~flagged)
    return replace(found, accounts=accounts)


@dataclass(frozen=True, eq=False)
class _Pools:
    """Pools to follow: their principals, the p-value of what made them, and the group they belong to."""

    members: list[NDArray[np.int64]]
    p_values: NDArray[np.float64]
    groups: NDArray[np.int64]


def _pools(found: Findings) -> tuple[_Pools, NDArray[np.int64]]:
    """Pools of the campaigns, then those that relay conversations; and the pool of each relayed request.

    A pool that relays and shares at least half of its principals with a campaign's is the campaign's.
    """
    campaign_of = _campaigns(found.groups, found.flagged)
    n = int(campaign_of.max(initial=-1)) + 1
    members = [found.accounts.pool(campaign) for campaign in range(n)]
    relays = relay_pools(found.observed.traffic, found.observed.hops)
    home = [_home(pool, members, n + k) for k, pool in enumerate(relays.pools)]
    own = [found.p_values[campaign_of == campaign] for campaign in range(n)]
    p = [min(1.0, len(each) * float(each.min())) for each in own]  # Bonferroni over its families
    groups = [int(found.groups[np.flatnonzero(campaign_of == campaign)[0]]) for campaign in range(n)]
    beyond = int(found.groups.max(initial=-1)) + 1 - n
    theirs = [groups[place] if place < n else beyond + place for place in home]
    pools = _Pools(
        [*members, *relays.pools],
        np.append(np.array(p, np.float64), relays.p_values),
        np.array([*groups, *theirs], np.int64),
    )
    return pools, np.append(np.array(home, np.int64), -1)[relays.claimed]


def _home(pool: NDArray[np.int64], campaigns: Sequence[NDArray[np.int64]], own: int) -> int:
    """The first campaign whose pool holds most of a pool, if half of it; else its own number."""
    shared = [len(np.intersect1d(pool, members)) for members in campaigns]
    best = int(np.argmax(shared)) if shared else 0
    return best if shared and shared[best] >= LEAST_OVERLAP * len(pool) else own


def _with_leftovers(
    found: Findings, pools: _Pools, prompts: pl.DataFrame, *, settings: RunSettings
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
    return _with_families(found, moved, new=new, pools=pools, said=_LEFT, certain=False)


def _with_families(
    found: Findings,
    moved: tuple[Families, NDArray[np.int64]],
    *,
    new: PoolFamilies,
    pools: _Pools,
    said: str,
    certain: bool = True,
) -> Findings:
    """Findings with the pools' new families after the others, and how they were found.

    They have the p-value of what found them, or of their pool's campaign if that is larger; where it is not
    `certain` that they are the campaign's, that one only makes the score.
    """
    old = moved[1][moved[1] >= 0]
    observed = _regrouped(found.observed, *moved)
    n_new = len(new.pools)
    rows = range(len(old), len(old) + n_new)
    evidence = np.maximum(new.p_values, pools.p_values[new.pools])
    p_values = np.append(found.p_values[old], evidence if certain else np.ones(n_new))
    shares = [_share(observed, row, pools.members[pool]) for row, pool in zip(rows, new.pools, strict=True)]
    unmeasured = np.full(n_new, np.nan)
    return replace(
        found,
        observed=observed,
        signals={
            name: Signal(np.append(s.effect[old], unmeasured), np.append(s.p_value[old], unmeasured))
            for name, s in found.signals.items()
        },
        p_values=p_values,
        q_values=q_values(p_values),
        scores=np.append(found.scores[old], -np.log10(np.maximum(evidence, _SMALLEST))),
        groups=np.append(found.groups[old], pools.groups[new.pools]),
        n_pooled=np.append(found.n_pooled[old], np.zeros(n_new, np.int64)),
        known=[*(found.known[family] for family in old.tolist()), *[None] * n_new],
        followed=[
            *(found.followed[family] for family in old.tolist()),
            *(said.format(share=share) for share in shares),
        ],
    )


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


def _with_joining(found: Findings, pools: _Pools) -> Findings:
    """Findings in which whole families that a pool sends have joined its campaign."""
    joins, p = joining_families(found.observed.traffic, pools.members, placed=found.flagged)
    rows = np.flatnonzero((joins >= 0) & np.array([entry is None for entry in found.known], bool))
    if len(rows) == 0:
        return found
    p_values, scores, groups = found.p_values.copy(), found.scores.copy(), found.groups.copy()
    followed = list(found.followed)
    joined = np.minimum(1.0, 2 * np.maximum(p[rows], pools.p_values[joins[rows]]))  # the second look
    p_values[rows] = np.minimum(p_values[rows], joined)
    scores[rows] = np.maximum(scores[rows], -np.log10(np.maximum(p_values[rows], _SMALLEST)))
    groups[rows] = pools.groups[joins[rows]]
    for row in rows.tolist():
        share = _share(found.observed, row, pools.members[joins[row]])
        followed[row] = _JOINED.format(share=share)
    return replace(
        found,
        p_values=p_values,
        q_values=q_values(p_values),
        scores=scores,
        groups=groups,
        followed=followed,
    )


def _share(observed: Observed, family: int, pool: NDArray[np.int64]) -> float:
    """Share of a family's principals that are of a pool."""
    who = np.unique(observed.traffic.principals[observed.traffic.members(family)])
    return float(np.isin(who, pool).mean())


def _campaigns(groups: NDArray[np.int64], flagged: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of each flagged family's group, 0..c-1; -1 for the others."""
    out = np.full(len(groups), -1, np.int64)
    out[flagged] = np.unique(groups[flagged], return_inverse=True)[1]
    return out
