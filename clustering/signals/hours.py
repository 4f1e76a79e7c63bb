"""K4, hour flatness: round the clock, or when people are awake?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ncx2

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, drawn_p_value, no_evidence, principal_counts

_N_DRAWS = 499
_MOST_PEOPLE = 1_000  # whose hours stand for everybody's
_MOST_REQUESTS = 1_000  # of a group whose hours are compared
_MOST_SHARE = 0.25  # of the people's requests; draws of more would all be alike
_DAY = 24.0


@dataclass(frozen=True, eq=False)
class _Hours:
    """Angles of requests, person by person in random order; where each person begins, and their number."""

    angle: NDArray[np.complex128]
    first: NDArray[np.int64]
    n_own: NDArray[np.int64]


def hour_flatness(traffic: Traffic, *, seed: int) -> Signal:
    """Resultant length R of the requests' hours on the 24 h circle: 0 round the clock, 1 all at one time.

    R = |mean exp(2 pi i hour / 24)| (Mardia and Jupp 2000, eq. 2.3.4). Null model: the group's principals
    keep hours as this log's people do, so that any people, the group's own among them, could stand in their
    place: as many are drawn without repeating any, each with one group member's load of times of their own,
    none twice; where these are too few for the load, a neighbour's follow, which makes the null flatter and p
    larger. p is the share of 499 draws at least as flat; beyond the draws, of the noncentral chi-square of
    their mean resultant's two coordinates. A log whose people work round the clock gives no small p.
    """
    out = no_evidence(traffic.n_groups)
    people = _hours(traffic, traffic.background, _MOST_PEOPLE, np.random.default_rng(seed))
    if len(people.first) < FEWEST:
        return out
    most = min(_MOST_REQUESTS, int(_MOST_SHARE * len(people.angle)))
    for group, rows in traffic.each_group():
        rows = rows[~np.isnan(traffic.hours[rows])]
        if len(rows) > most:
            rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
        _, counts = principal_counts(traffic, rows)
        if len(counts) < FEWEST:
            continue
        random = np.random.default_rng([seed, len(rows), len(counts)])
        members = _hours(traffic, rows, len(counts), random)
        out.effect[group] = abs(members.angle.mean())
        everybody = _Hours(
            np.concatenate([people.angle, members.angle]),
            np.concatenate([people.first, members.first + len(people.angle)]),
            np.concatenate([people.n_own, members.n_own]),
        )
        null = everybody.angle[_drawn_places(counts, everybody, random)].mean(axis=1)
        spread = (null.real.var() + null.imag.var()) / 2
        tail = float(ncx2.cdf(out.effect[group] ** 2 / spread, 2, abs(null.mean()) ** 2 / spread))
        out.p_value[group] = drawn_p_value(int((abs(null) <= out.effect[group]).sum()), _N_DRAWS, tail)
    return out


def _hours(
    traffic: Traffic, rows: NDArray[np.int64], most_people: int, random: np.random.Generator
) -> _Hours:
    """Hours of the rows of at most so many people, in random order."""
    rows = rows[~np.isnan(traffic.hours[rows])]
    known, who = np.unique(traffic.principals[rows], return_inverse=True)
    place = random.permutation(len(known))[who]
    rows, place = rows[place < most_people], place[place < most_people]
    order = np.lexsort((random.random(len(rows)), place))
    n_own = np.bincount(place)
    angle = np.exp(2j * np.pi * (traffic.hours[rows[order]] % _DAY) / _DAY)
    return _Hours(angle, np.cumsum(n_own) - n_own, n_own)


def _drawn_places(
    counts: NDArray[np.int64], people: _Hours, random: np.random.Generator
) -> NDArray[np.int64]:
    """Places of (draws, requests) among the people's requests: a person for each load, times of their own."""
    everybody = np.tile(np.arange(len(people.first), dtype=np.int32), (_N_DRAWS, 1))
    who = random.permuted(everybody, axis=1)[:, : len(counts)]
    turn = (random.random(who.shape) * people.n_own[who]).astype(np.int64)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    first, n_own, turn = (np.repeat(x, counts, axis=1) for x in (people.first[who], people.n_own[who], turn))
    own = first + (turn + number) % n_own
    return np.asarray(np.where(number < n_own, own, (first + number) % len(people.angle)))
