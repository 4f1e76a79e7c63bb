"""Who uses a thing, and how often: sizes of groups, numbers of accounts, light and heavy loads.

Every look-alike asks here, with ranges of its own; where in a range a log lies is drawn anew for each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .accounts import People, World, joined_people, make_people


def parts(n: int, typical: float, *, rng: np.random.Generator) -> list[int]:
    """Divide `n` requests among independent groups: one below `typical`, then more as its power 0.6.

    Sizes are heavy-tailed, at least 1, and add up to `n`; none for n = 0.
    """
    if n < 1:
        return []
    wanted = (n / (typical * rng.lognormal(0.0, 0.4))) ** 0.6
    k = int(np.clip(round(wanted), 1, n))
    weights = rng.lognormal(0.0, 0.9, k)
    return [int(size) + 1 for size in rng.multinomial(n - k, weights / weights.sum())]


def between(low: float, high: float, *, rng: np.random.Generator) -> float:
    """A number between two bounds, even on the logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def loads_of(
    n: int, per_head: tuple[float, float], *, rng: np.random.Generator, heavy: float = 0.5
) -> NDArray[np.int64]:
    """The user of each of `n` requests: rows 0 … A − 1, each at least once, ascending; (n,) int64.

    Requests per head are drawn from `per_head`. With chance `heavy` the loads have a heavy tail (log-normal
    or Pareto), else they are light (gamma), from nearly equal to twofold.
    """
    n_users = int(np.clip(round(n / between(*per_head, rng=rng)), min(n, 1), n))
    if rng.random() >= heavy:
        shape = between(1.0, 12.0, rng=rng)
        weights = rng.gamma(shape, 1.0 / shape, n_users) + 1e-9
    elif rng.random() < 0.6:
        weights = rng.lognormal(0.0, rng.uniform(0.8, 2.0), n_users)
    else:
        weights = (rng.pareto(rng.uniform(1.1, 2.2), n_users) + 1.0).clip(0, 1e6)
    counts = 1 + rng.multinomial(n - n_users, weights / weights.sum()) if n_users else np.zeros(0, np.int64)
    return np.repeat(np.arange(n_users), counts)


def n_of(who: NDArray[np.int64]) -> int:
    """Number of users behind `who`, rows from 0; at least 1."""
    return int(who.max(initial=0)) + 1


def members(world: World, crowd: People, n: int, *, rng: np.random.Generator, new: float = 0.0) -> People:
    """`n` people, at least one: a share `new` with new accounts, the others from the crowd while it lasts."""
    n = max(n, 1)
    known = crowd.take(rng.permutation(len(crowd))[: n - round(new * n)])
    return joined_people(known, make_people(world, n - len(known), rng=rng))
