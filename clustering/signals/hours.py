"""K4, hour flatness: round the clock, or when people are awake?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ncx2

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, drawn_p_value, no_evidence, principal_counts

_N_DRAWS = 499
_MOST_REQUESTS = 1_000  # of a group whose hours are compared
_DAY = 24.0


def hour_flatness(traffic: Traffic, *, seed: int) -> Signal:
    """Resultant length R of the requests' hours on the 24 h circle: 0 round the clock, 1 all at one time.

    R = |mean exp(2 pi i hour / 24)| (Mardia and Jupp 2000, eq. 2.3.4). Null model: the group's principals keep
    the hours of this log's people; principals are drawn from the background, each with one group member's load,
    and times from their own. p is the share of 499 draws at least as flat; beyond the draws, of the noncentral
    chi-square of their mean resultant's two coordinates. A log whose people work round the clock gives no small p.
    """
    out = no_evidence(traffic.n_groups)
    angle = np.exp(2j * np.pi * (traffic.hours % _DAY) / _DAY)
    people = traffic.background[~np.isnan(traffic.hours[traffic.background])]
    people = people[np.argsort(traffic.principals[people], kind="stable")]
    _, first, n_own = np.unique(traffic.principals[people], return_index=True, return_counts=True)
    if len(first) < FEWEST:
        return out
    for group, rows in traffic.each_group():
        rows = rows[~np.isnan(traffic.hours[rows])]
        _, counts = principal_counts(traffic, rows)
        if len(counts) < FEWEST:
            continue
        if len(rows) > _MOST_REQUESTS:
            rows = rows[np.linspace(0, len(rows) - 1, _MOST_REQUESTS).astype(np.int64)]
            _, counts = principal_counts(traffic, rows)
        out.effect[group] = abs(angle[rows].mean())
        drawn = _people_hours(counts, (first, n_own), np.random.default_rng([seed, len(rows), len(counts)]))
        null = angle[people[drawn]].mean(axis=1)
        spread = (null.real.var() + null.imag.var()) / 2
        tail = float(ncx2.cdf(out.effect[group] ** 2 / spread, 2, abs(null.mean()) ** 2 / spread))
        out.p_value[group] = drawn_p_value(int((abs(null) <= out.effect[group]).sum()), _N_DRAWS, tail)
    return out


def _people_hours(
    counts: NDArray[np.int64],
    people: tuple[NDArray[np.int64], NDArray[np.int64]],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Places of (draws, requests) among the people's requests: a person for each load, times of their own."""
    first, n_own = people
    who = random.integers(0, len(first), (_N_DRAWS, len(counts)))
    each = np.repeat(who, counts, axis=1)
    return first[each] + (random.random(each.shape) * n_own[each]).astype(np.int64)
