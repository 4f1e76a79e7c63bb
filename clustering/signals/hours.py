"""K4, hour flatness: round the clock, or when people are awake?"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ncx2

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import DAY, Signal, Traffic, drawn_p_value, no_evidence

_N_DRAWS, _FIRST_DRAWS, _SETTLED = 499, 99, 20
_MOST_PEOPLE = 1_000  # of the background, whose hours stand for everybody's
_MOST_MEMBERS = 250  # of a group whose hours are compared
_MOST_OF_ONE = (20, 10, 5, 2, 1)  # requests of a principal that count; fewer where people sent few
_STAND_INS = 4  # for each member: draws of the same few would be alike
_ROUNDING = 1e-12


def hour_flatness(traffic: Traffic, *, seed: int) -> Signal:
    """Resultant length R of the requests' hours on the 24 h circle: 0 round the clock, 1 all at one time.

    R = |mean exp(2 pi i hour / 24)| (Mardia and Jupp 2000, eq. 2.3.4), over at most twenty requests of each
    of at most 250 principals. Null model: they keep hours as this log's people do, so that any people, the
    group's own among them, could stand in their place: as many are drawn, none twice, each with one member's
    load of times of their own. Who sent too few for any load is joined with another, which makes the null
    flatter and p larger. p is the share of 499 draws at least as flat; beyond the draws, of the noncentral
    chi-square that has the null's moments. A log whose people work round the clock gives no small p.
    """
    out = no_evidence(traffic.n_groups)
    people = _angles(traffic, traffic.background, _MOST_PEOPLE, np.random.default_rng(seed))
    if len(people) < FEWEST:
        return out
    joined = cache(lambda most: _joined(people, most))
    for group, rows in traffic.each_group():
        rows = rows[~np.isnan(traffic.hours[rows])]
        random = np.random.default_rng([seed, len(rows)])
        members = _angles(traffic, rows, _MOST_MEMBERS, random)
        if len(members) < FEWEST:
            continue
        most, stand_ins = _stand_ins(joined, len(people), members)
        counts = np.array([min(len(own), most) for own in members])
        out.effect[group] = abs(np.concatenate([own[:most] for own in members]).mean())
        sums = _first_sums(np.concatenate([stand_ins, _joined(members, most)]))
        out.p_value[group] = _p_value(float(out.effect[group]), sums, counts[: len(sums)], random)
    return out


def _p_value(
    resultant: float, sums: NDArray[np.complex128], counts: NDArray[np.int64], random: np.random.Generator
) -> float:
    """Share of draws of as many rows of the sums, at these counts, that are at least as flat.

    The first ninety-nine settle it where a fifth of them are (Besag and Clifford 1991, Biometrika 78(2)).
    """
    n_flatter = _n_flatter(_FIRST_DRAWS, resultant, sums, counts=counts, random=random)
    if n_flatter >= _SETTLED:
        return (1 + n_flatter) / (1 + _FIRST_DRAWS)
    n_flatter += _n_flatter(_N_DRAWS - _FIRST_DRAWS, resultant, sums, counts=counts, random=random)
    if n_flatter:
        return (1 + n_flatter) / (1 + _N_DRAWS)
    mean, spread = _moments(sums, counts)
    return drawn_p_value(0, _N_DRAWS, float(ncx2.cdf(resultant**2 / spread, 2, abs(mean) ** 2 / spread)))


def _n_flatter(
    n_draws: int,
    resultant: float,
    sums: NDArray[np.complex128],
    *,
    counts: NDArray[np.int64],
    random: np.random.Generator,
) -> int:
    """Draws at least as flat; all of them where everybody has the same hours, or dates without any."""
    who = _drawn(len(sums), len(counts), n_draws, random=random)
    null = sums[who, counts[:, None]].sum(axis=0) / counts.sum()
    return int((abs(null) <= resultant + _ROUNDING).sum())


def _drawn(n: int, n_drawn: int, n_draws: int, *, random: np.random.Generator) -> NDArray[np.int32]:
    """So many of 0..n-1 without replacement, in each draw: (n_drawn, n_draws).

    The first steps of a Fisher-Yates shuffle, of all draws at once: few are drawn of many.
    """
    who = np.repeat(np.arange(n, dtype=np.int32)[:, None], n_draws, axis=1)
    draw = np.arange(n_draws)
    for k in range(n_drawn):
        other = random.integers(k, n, n_draws)
        who[k], who[other, draw] = who[other, draw], who[k].copy()
    return who[:n_drawn]


def _moments(sums: NDArray[np.complex128], counts: NDArray[np.int64]) -> tuple[complex, float]:
    """Mean and variance per coordinate of the mean resultant of rows drawn without replacement.

    A draw is a sum over a random permutation; its variance is that of the doubly centred numbers (Hoeffding
    1951, Ann. Math. Statist. 22(4), eq. 10).
    """
    n, n_each = len(sums), np.bincount(counts, minlength=sums.shape[1])
    centred = sums - sums.mean(axis=0)
    within = ((abs(centred) ** 2).sum(axis=0) * n_each).sum()
    variance = (within - (abs((centred * n_each).sum(axis=1)) ** 2).sum() / n) / (n - 1)
    mean = complex((sums.mean(axis=0) * n_each).sum()) / int(counts.sum())
    return mean, float(variance) / int(counts.sum()) ** 2 / 2


def _angles(
    traffic: Traffic, rows: NDArray[np.int64], most_people: int, random: np.random.Generator
) -> list[NDArray[np.complex128]]:
    """Unit numbers of the hours of the rows of at most so many people, in random order, each's too."""
    rows = rows[~np.isnan(traffic.hours[rows])]
    known, who = np.unique(traffic.principals[rows], return_inverse=True)
    place = random.permutation(len(known))[who]
    rows, place = rows[place < most_people], place[place < most_people]
    rows = rows[np.lexsort((random.random(len(rows)), place))]
    angle = np.exp(2j * np.pi * (traffic.hours[rows] % DAY) / DAY)
    return np.split(angle, np.cumsum(np.bincount(place))[:-1]) if len(rows) else []


def _stand_ins(
    joined: Callable[[int], NDArray[np.complex128]], n_people: int, members: list[NDArray[np.complex128]]
) -> tuple[int, NDArray[np.complex128]]:
    """Most requests of a principal that join nobody, or leave four stand-ins for a member; stand-ins."""
    largest = max(len(own) for own in members)
    for most in _MOST_OF_ONE:
        most = min(most, largest)
        if len(joined(most)) == n_people or len(joined(most)) >= _STAND_INS * len(members):
            break
    return most, joined(most)


def _joined(people: list[NDArray[np.complex128]], n_least: int) -> NDArray[np.complex128]:
    """Neighbours joined until each has so many requests, (people, n_least); a rest without is left out."""
    lengths = [min(len(own), n_least) for own in people]
    taken, rows, held = [0] * len(people), [], 0
    for place, length in enumerate(lengths):
        taken[place] = min(length, n_least - held)
        held += length
        if held >= n_least:
            rows.append(place)
            held = 0
    last = rows[-1] + 1 if rows else 0
    if last == 0:
        return np.zeros((0, n_least), np.complex128)
    kept = [own[:n] for own, n in zip(people[:last], taken[:last], strict=True)]
    return np.concatenate(kept).reshape(len(rows), n_least)


def _first_sums(people: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Sums of the first 0, 1, ... of everybody's numbers: (people, n_each + 1)."""
    sums = np.zeros((len(people), people.shape[1] + 1), np.complex128)
    np.cumsum(people, axis=1, out=sums[:, 1:])
    return sums
