"""Families found by who sends them, views "shared" and "pool", put among those found by text.

``assign``, which knows text only, gives no family to a prompt that such a family holds.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.cosharing import SharedFamilies
from clustering.families import VIEW_NAMES, Families, ViewClusters
from clustering.pools import PoolFamilies

Found = PoolFamilies | SharedFamilies


def with_sender_families(
    families: Families, found: Found, prompts: pl.DataFrame, *, view: str, min_family: int
) -> tuple[Families, NDArray[np.int64]]:
    """Families with those of a view after them, and what became of each.

    A prompt in a family found so leaves the one it was in; a family that is left with fewer than `min_family`
    requests by that is no family any more, and its other prompts are noise. The id is a hash of the view and
    the medoid: the strongest prompt, among those the most frequent, then by prompt_id.

    Parameters
    ----------
    families : Families
        Of n distinct prompts.
    found : PoolFamilies or SharedFamilies
        Of the same prompts; may be shorter, by prompts that nobody sent.
    prompts : DataFrame of n rows
        ``prompt_id`` and ``n_requests``.
    view : str
        Its name in ``VIEW_NAMES``.
    min_family : int

    Returns
    -------
    families : Families
        Those kept in their order, then the new ones.
    came_from : (f,) int64
        Old number of each family; -1 - k for the k-th of `found`.
    """
    n_old, n_new = len(families.ids), int(found.labels.max(initial=-1)) + 1
    taken = np.flatnonzero(found.labels >= 0)
    labels, strengths = families.labels.copy(), families.strengths.copy()
    labels[taken], strengths[taken] = n_old + found.labels[taken], found.strengths[taken]
    weights = prompts["n_requests"].to_numpy().astype(np.int64)
    left = np.bincount(labels[labels >= 0], weights=weights[labels >= 0], minlength=n_old + n_new)
    robbed = np.zeros(n_old + n_new, bool)
    robbed[families.labels[taken][families.labels[taken] >= 0]] = True
    lost = robbed & (left < min_family)
    number = np.append(np.where(lost, -1, np.cumsum(~lost) - 1), -1)
    labels = number[labels]
    strengths[labels < 0] = 0.0
    medoids = _medoids(found, prompts)
    kept = np.flatnonzero(~lost[:n_old])
    stays = kept[labels[families.medoids[kept]] != number[kept]]  # the medoid left: the strongest that stays
    at = families.medoids.copy()
    at[stays] = [_strongest(np.flatnonzero(labels == number[f]), strengths, prompts) for f in stays]
    ids = pl.Series([_sender_id(view, prompts["prompt_id"][int(row)]) for row in medoids], dtype=pl.String)
    out = replace(
        families,
        labels=labels,
        strengths=strengths,
        views=np.append(families.views[kept], np.full(n_new, VIEW_NAMES.index(view), np.uint8)),
        medoids=np.append(at[kept], medoids),
        ids=pl.concat([families.ids[kept.tolist()], ids]),
        skeleton=replace(families.skeleton, labels=number[families.skeleton.labels]),
        whole=_without(families.whole, number, taken),
    )
    return out, np.append(kept, -1 - np.arange(n_new))


def _medoids(found: Found, prompts: pl.DataFrame) -> NDArray[np.int64]:
    """Row of the medoid of each new family."""
    rows = [np.flatnonzero(found.labels == family) for family in range(int(found.labels.max(initial=-1)) + 1)]
    return np.array([_strongest(members, found.strengths, prompts) for members in rows], np.int64)


def _strongest(members: NDArray[np.int64], strengths: NDArray[np.float32], prompts: pl.DataFrame) -> int:
    weights = prompts["n_requests"].to_numpy()[members].astype(np.int64)
    return int(members[np.lexsort((members, -weights, -strengths[members]))[0]])


def _without(whole: ViewClusters, number: NDArray[np.int64], taken: NDArray[np.int64]) -> ViewClusters:
    """The whole view under new numbers; a taken prompt is noise there."""
    gone = np.isin(whole.rows, taken)
    return replace(whole, labels=np.where(gone, -1, number[whole.labels]))


def _sender_id(view: str, prompt_id: str) -> str:
    return "f" + blake2b(f"{view} {prompt_id}".encode(), digest_size=6).hexdigest()
