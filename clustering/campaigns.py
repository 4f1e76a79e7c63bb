"""Families linked into groups by the principals they share: candidates for campaigns."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.signals import Crowd, Traffic, crowd_of, of_one_pool


def linked_groups(traffic: Traffic, links: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group of each family: linked families whose groups share their principals like one pool, too.

    Links are taken by the share of the smaller family's principals, largest first; two groups merge when the
    crowds of all their families together are of one pool (``of_one_pool``). Plain connected components were
    dropped: one family that holds two crowds chains them together.

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
    rows = {int(family): traffic.members(int(family)) for family in np.unique(links)}
    crowds = {family: crowd_of(traffic, members) for family, members in rows.items()}
    shares = [(_overlap(crowds[i], crowds[j]), i, j) for i, j in links.tolist()]
    group = np.arange(traffic.n_groups)
    for _, i, j in sorted(shares, key=lambda s: (-s[0], s[1], s[2])):
        one, other = sorted((int(group[i]), int(group[j])))
        if one != other and of_one_pool(crowds[one], crowds[other]):
            group[group == other] = one
            rows[one] = np.concatenate([rows[one], rows[other]])
            crowds[one] = crowd_of(traffic, rows[one])
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def _overlap(a: Crowd, b: Crowd) -> float:
    return a.n_shared(b) / min(len(a.principals), len(b.principals))


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
