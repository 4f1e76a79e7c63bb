"""Families linked into groups by the principals they share: candidates for campaigns."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.signals import LEAST_OVERLAP, Traffic


def linked_groups(traffic: Traffic, links: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group of each family: linked families that also share half of their principals as groups.

    Links are taken by the share of the smaller family's principals, largest first; two groups merge when at
    least half of the smaller one's principals, all its families together, are in the other. Plain connected
    components were dropped: one family that holds two crowds chains them together.

    Parameters
    ----------
    traffic : Traffic
        Grouped by family.
    links : (l, 2) int64
        Pairs of families that share principals beyond chance.

    Returns
    -------
    (f,) int64
        0..g-1, in the order of their first families.
    """
    pools = {int(f): set(traffic.principals[traffic.members(int(f))].tolist()) for f in np.unique(links)}
    shares = [(_overlap(pools[i], pools[j]), i, j) for i, j in links.tolist()]
    group = np.arange(traffic.n_groups)
    for _, i, j in sorted(shares, key=lambda s: (-s[0], s[1], s[2])):
        one, other = sorted((int(group[i]), int(group[j])))
        if one != other and _overlap(pools[one], pools[other]) >= LEAST_OVERLAP:
            group[group == other] = one
            pools[one] = pools[one] | pools[other]
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def _overlap(a: set[int], b: set[int]) -> float:
    return len(a & b) / min(len(a), len(b))


def campaign_ids(
    family_ids: pl.Series, groups: NDArray[np.int64], flagged: NDArray[np.bool_]
) -> list[str | None]:
    """Id of the campaign of each flagged family; None for the others.

    A hash of the smallest family id of the whole group, flagged or not: a family that comes, goes or crosses
    the level does not rename the campaign, unless it is that one.
    """
    out: list[str | None] = [None] * len(groups)
    for group in np.unique(groups[flagged]):
        members = np.flatnonzero(groups == group)
        first = min(family_ids[members.tolist()].to_list())
        for row in members[flagged[members]]:
            out[row] = "c" + blake2b(first.encode(), digest_size=6).hexdigest()
    return out
