"""Payload vectors of simulated people, each with subjects of their own, and of groups."""

from __future__ import annotations

import numpy as np

from clustering.signals import Traffic


def unit(z):
    return (z / np.linalg.norm(z, axis=-1, keepdims=True)).astype(np.float32)


def around(random, centres, spread):
    """A unit vector near each of the unit centres."""
    return unit(centres + spread * random.normal(size=centres.shape) / np.sqrt(centres.shape[1]))


def log_of(*parts):
    """A log of ordinary requests and groups: parts (principals, vectors), the first in no group.

    Returns
    -------
    Traffic, vectors, vector_of, rows of the ordinary requests
    """
    groups = np.repeat(np.arange(len(parts)) - 1, [len(who) for who, _ in parts])
    principals, n = [], 0
    for who, _ in parts:
        principals.append(np.asarray(who) + n)
        n += int(np.max(who, initial=-1)) + 1
    rows = np.arange(len(groups))
    traffic = Traffic(
        rows, np.concatenate(principals), np.full(len(rows), np.nan), groups, n_groups=len(parts) - 1
    )
    return traffic, np.concatenate([z for _, z in parts]), rows, np.flatnonzero(groups < 0)
