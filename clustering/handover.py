"""Hand-over: a pool stops, another starts on the same templates.

A banned pool is replaced by one that shares no account with it, so co-membership cannot link what they send.
What links them is the template, and that one crowd left as a whole before the other came. Inside one family
this is the turnover of its accounts; here it is a link between families, which joins their campaigns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import mannwhitneyu

from clustering.signals import FEWEST, LINK_LEVEL, Traffic

MOST_GAP = 24.0 * 7  # hours from one pool's end to the other's start; "within days"
MOST_MIXED = 0.05  # of a crowd or of pairs of principals: stragglers of a ban


def handover_links(
    traffic: Traffic, akin: Callable[[int, int], bool], *, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of groups where one crowd took over from another, and their p-values.

    p is that of Mann and Whitney's test (1947, Ann. Math. Statist. 18(1)) that the principals of the one,
    each at its median hour, came before those of the other; Bonferroni over all ordered pairs of wanted
    groups with FEWEST principals. Null: the principals of two variants of a template are exchangeable in
    time: people's families do not change their whole crowd at once.

    A new version of a framework's default shows such a drift, too. So the two must be wanted, share hardly
    anybody (MOST_MIXED of the smaller), hardly mix (of the pairs of their principals, MOST_MIXED have the
    other's first request before the one's last), and follow each other within MOST_GAP.

    Parameters
    ----------
    traffic : Traffic
        Grouped by family, or by linked families.
    akin : function of two groups
        Whether they hold variants of one template, or the same families.
    wanted : (g,) bool
        Groups worth linking: those flagged.

    Returns
    -------
    links : (l, 2) int64
        Groups i, j, ascending: i stopped, j took over. p <= LINK_LEVEL.
    p_values : (l,) float64
    """
    crowds = [_crowd(traffic, g) for g in np.flatnonzero(wanted).tolist()]
    crowds = [crowd for crowd in crowds if len(crowd.principals) >= FEWEST]
    n_pairs = len(crowds) * (len(crowds) - 1)
    links, p_values = [], []
    for i, j in np.argwhere(_in_turn(crowds)).tolist():
        one, other = crowds[i], crowds[j]
        if not (_soon_after(one, other) and akin(one.group, other.group)):
            continue
        p = float(mannwhitneyu(one.middle, other.middle, alternative="less").pvalue) * n_pairs
        if p <= LINK_LEVEL:
            links.append((one.group, other.group))
            p_values.append(p)
    return np.array(links, np.int64).reshape(-1, 2), np.array(p_values, np.float64)


def joined_groups(groups: NDArray[np.int64], links: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups of families once linked families' groups are one: 0..g-1, in the order of their first families.

    Parameters
    ----------
    groups : (f,) int64
    links : (l, 2) int64
        Pairs of families.
    """
    if len(links) == 0:
        return groups
    n = int(groups.max()) + 1
    one, other = groups[links].T
    part = connected_components(csr_matrix((np.ones(len(links)), (one, other)), shape=(n, n)), directed=False)
    joined = part[1][groups]
    _, first, place = np.unique(joined, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[place]


@dataclass(frozen=True, eq=False)
class _Crowd:
    """Principals of a group, ascending, and the first, median and last hour of each."""

    group: int
    principals: NDArray[np.int64]
    first: NDArray[np.float64]
    middle: NDArray[np.float64]
    last: NDArray[np.float64]


def _crowd(traffic: Traffic, group: int) -> _Crowd:
    """The crowd of a group; requests without a time left out."""
    rows = traffic.members(group)
    rows = rows[~np.isnan(traffic.hours[rows])]
    order = np.lexsort((traffic.hours[rows], traffic.principals[rows]))
    hours = traffic.hours[rows][order]
    who, at, n = np.unique(traffic.principals[rows][order], return_index=True, return_counts=True)
    middle = (hours[at + (n - 1) // 2] + hours[at + n // 2]) / 2
    return _Crowd(group, who, hours[at], middle, hours[at + n - 1])


def _in_turn(crowds: Sequence[_Crowd]) -> NDArray[np.bool_]:
    """Pairs of which the one's median end is not after the other's median start, (c, c).

    Else at least a quarter of their pairs of principals mix, so none is lost that ``_soon_after`` would keep.
    """
    over = np.array([np.median(crowd.last) for crowd in crowds])
    begun = np.array([np.median(crowd.first) for crowd in crowds])
    return np.asarray(over[:, None] <= begun)


def _soon_after(one: _Crowd, other: _Crowd) -> bool:
    """Whether two crowds share hardly anybody and one is over, but for stragglers, days before the other."""
    shared = len(np.intersect1d(one.principals, other.principals, assume_unique=True))
    n_pairs = len(one.principals) * len(other.principals)
    mixed = n_pairs - np.searchsorted(np.sort(one.last), other.first, side="right").sum()
    gap = np.quantile(other.first, MOST_MIXED) - np.quantile(one.last, 1 - MOST_MIXED)
    few = shared <= MOST_MIXED * min(len(one.principals), len(other.principals))
    return bool(few and mixed <= MOST_MIXED * n_pairs and gap <= MOST_GAP)
