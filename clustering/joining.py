"""Whole families that a campaign's pool sends: they join it, though nothing else speaks against them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from clustering.pools import MAJORITY
from clustering.signals import FEWEST, LINK_LEVEL, Traffic


def joining_families(
    traffic: Traffic, pools: Sequence[NDArray[np.int64]], *, placed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pool that each family joins, and the p-value.

    p is that of the number of the family's principals that are of the pool, binomial with the pool's share of
    all (family, principal) outside the placed families, Bonferroni over families and pools. Null: the pool's
    accounts use what everybody uses, as much as they use anything. A family joins the pool of least p if p is
    at most LINK_LEVEL, FEWEST of its principals are of the pool, and MAJORITY of them and of its requests are
    the pool's: a template that the pool's people share with others stays out.

    Parameters
    ----------
    traffic : Traffic
        Grouped by family.
    pools : per pool, principals
    placed : (f,) bool
        Families that are in a campaign: they cannot join.

    Returns
    -------
    joins : (f,) int64
        Pool, -1 for none.
    p_values : (f,) float64
        NaN for families that join none.
    """
    joins, p_values = np.full(traffic.n_groups, -1), np.full(traffic.n_groups, np.nan)
    free = (traffic.groups >= 0) & ~np.append(placed, False)[traffic.groups]
    n = max(1, len(traffic.loads))
    pairs, n_requests = np.unique(traffic.groups[free] * n + traffic.principals[free], return_counts=True)
    family, who = np.divmod(pairs, n)
    size = np.bincount(family, minlength=traffic.n_groups)
    requests = np.bincount(family, weights=n_requests, minlength=traffic.n_groups)
    n_tests = max(1, int((size > 0).sum())) * len(pools)
    for number, members in enumerate(pools):
        of_pool = np.isin(who, members)
        hits = np.bincount(family[of_pool], minlength=traffic.n_groups)
        sent = np.bincount(family[of_pool], weights=n_requests[of_pool], minlength=traffic.n_groups)
        p = np.minimum(1.0, binom.sf(hits - 1, size, of_pool.mean() if len(who) else 0.0) * n_tests)
        joining = (hits >= FEWEST) & (hits >= MAJORITY * size) & (sent >= MAJORITY * requests)
        joining &= (p <= LINK_LEVEL) & ~(p >= p_values)
        joins[joining], p_values[joining] = number, p[joining]
    return joins, p_values
