"""K4, hour flatness: round the clock, or when people are awake?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ncx2

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, drawn_p_value, no_evidence

_N_DRAWS = 499
_MOST_PEOPLE = 1_000  # of the background, whose hours stand for everybody's
_MOST_MEMBERS = 250  # of a group whose hours are compared
_MOST_OF_ONE = (20, 10, 5, 2, 1)  # requests of a principal that count; fewer where people sent few
_STAND_INS = 4  # for each member: draws of the same few would be alike
_DAY = 24.0


def hour_flatness(traffic: Traffic, *, seed: int) -> Signal:
    """Resultant length R of the requests' hours on the 24 h circle: 0 round the clock, 1 all at one time.

    R = |mean exp(2 pi i hour / 24)| (Mardia and Jupp 2000, eq. 2.3.4), over at most twenty requests of each
    of at most 250 principals. Null model: they keep hours as this log's people do, so that any people, the
    group's own among them, could stand in their place: as many are drawn, none twice, each with one member's
    load of times of their own. Who sent too few for any load is joined with another, which makes the null
    flatter and p larger. p is the share of 499 draws at least as flat; beyond the draws, of the noncentral
    chi-square of their mean resultant's two coordinates. A log whose people work round the clock gives no
    small p.
    """
    out = no_evidence(traffic.n_groups)
    people = _angles(traffic, traffic.background, _MOST_PEOPLE, np.random.default_rng(seed))
    if len(people) < FEWEST:
        return out
    for group, rows in traffic.each_group():
        rows = rows[~np.isnan(traffic.hours[rows])]
        random = np.random.default_rng([seed, len(rows)])
        members = _angles(traffic, rows, _MOST_MEMBERS, random)
        if len(members) < FEWEST:
            continue
        most, stand_ins = _stand_ins(people, members)
        counts = np.array([min(len(own), most) for own in members])
        out.effect[group] = abs(np.concatenate([own[:most] for own in members]).mean())
        sums = _first_sums(stand_ins + _joined(members, most), most)
        everybody = np.tile(np.arange(len(sums), dtype=np.int32), (_N_DRAWS, 1))
        who = random.permuted(everybody, axis=1)[:, : len(counts)]
        null = sums[who, counts[: who.shape[1]]].sum(axis=1) / counts[: who.shape[1]].sum()
        spread = (null.real.var() + null.imag.var()) / 2
        tail = float(ncx2.cdf(out.effect[group] ** 2 / spread, 2, abs(null.mean()) ** 2 / spread))
        out.p_value[group] = drawn_p_value(int((abs(null) <= out.effect[group]).sum()), _N_DRAWS, tail)
    return out


def _angles(
    traffic: Traffic, rows: NDArray[np.int64], most_people: int, random: np.random.Generator
) -> list[NDArray[np.complex128]]:
    """Unit numbers of the hours of the rows of at most so many people, in random order, each's too."""
    rows = rows[~np.isnan(traffic.hours[rows])]
    known, who = np.unique(traffic.principals[rows], return_inverse=True)
    place = random.permutation(len(known))[who]
    rows, place = rows[place < most_people], place[place < most_people]
    rows = rows[np.lexsort((random.random(len(rows)), place))]
    angle = np.exp(2j * np.pi * (traffic.hours[rows] % _DAY) / _DAY)
    return np.split(angle, np.cumsum(np.bincount(place))[:-1]) if len(rows) else []


def _stand_ins(
    people: list[NDArray[np.complex128]], members: list[NDArray[np.complex128]]
) -> tuple[int, list[NDArray[np.complex128]]]:
    """Most requests of a principal that join nobody, or leave four stand-ins for a member; stand-ins."""
    largest = max(len(own) for own in members)
    for most in _MOST_OF_ONE:
        most = min(most, largest)
        joined = _joined(people, most)
        if len(joined) == len(people) or len(joined) >= _STAND_INS * len(members):
            break
    return most, joined


def _joined(people: list[NDArray[np.complex128]], n_least: int) -> list[NDArray[np.complex128]]:
    """Neighbours joined until each has so many requests; a rest without is left out."""
    out, part = [], people[0][:0]
    for own in people:
        part = np.append(part, own[:n_least])
        if len(part) >= n_least:
            out.append(part[:n_least])
            part = part[:0]
    return out


def _first_sums(people: list[NDArray[np.complex128]], n_each: int) -> NDArray[np.complex128]:
    """Sums of the first 0, 1, ... of everybody's numbers: (people, n_each + 1)."""
    sums = np.zeros((len(people), n_each + 1), np.complex128)
    np.cumsum(np.stack(people), axis=1, out=sums[:, 1:])
    return sums
