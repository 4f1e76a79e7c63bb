"""Points to cluster, for the tests of density clustering."""

from __future__ import annotations

import numpy as np
from oracles import full_graph


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cosine_graph(vectors, k):
    """The exact kNN graph of unit vectors, with distances rounded as the index rounds them."""
    return full_graph(np.round(np.clip(1 - vectors @ vectors.T, 0, 2), 6), k)


def mixture(seed):
    """Three blobs of different density among scattered points, (60 to 219, 3)."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 220))
    blobs = [rng.normal(rng.normal(0, 4, 3), rng.uniform(0.2, 1), (n // 4, 3)) for _ in range(3)]
    return np.concatenate([*blobs, rng.uniform(-8, 8, (n - 3 * (n // 4), 3))])


def planted_families(rng, *, copies, varied, dim=64):
    """Two families among noise: three vectors in so many copies each, and members about as far."""
    rows, family = [unit(rng.normal(size=(300, dim)))], [-1] * 300
    for place in range(2):
        centre = unit(rng.normal(size=(1, dim)))
        away = rng.normal(size=(3 + varied, dim)) * rng.uniform(0.04, 0.07, (3 + varied, 1))
        members = unit(centre + away)
        rows += [np.repeat(members[:3], copies, axis=0), members[3:]]
        family += [place] * (3 * copies + varied)
    return np.concatenate(rows), np.array(family)
