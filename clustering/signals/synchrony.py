"""K4, synchrony: are the accounts active in the same hours of the same days, beyond their habits?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from clustering.density.compiled import compiled
from clustering.evenly import evenly
from clustering.signals.principals import FEWEST
from clustering.signals.traffic import FEWEST_EXPECTED, Signal, Traffic, drawn_p_value, no_evidence

_N_DRAWS = 99
_HALF_AS_MUCH = 1.5  # weekends, timetables and deadlines bring people together so far beyond habit
_NO_SPREAD = 1e-9  # of draws that are all alike
_MOST_PEOPLE = 2_000  # of the background


def synchrony(traffic: Traffic, *, seed: int) -> Signal:
    """Coincidences of a group's principals in the same hour over what their own hours and days make of it.

    A principal is active in an hour or not; a coincidence is two principals active in the same hour of the
    same day. What is expected follows from 99 draws in which every principal keeps its days and its hours of
    the day, but which of its days has which hours is drawn anew: rhythm of the day, time zone, weekday,
    growth, fashion and sittings stay as they are. 1 of independent accounts; above it lockstep (bursts of a
    whole pool), below it shifts that relieve one another. It is the ratio of the variances of the sum and of
    the parts (Schluter 1984, Ecology 65(3)) with that background taken out.

    Null model: principals choose their hours on a day independently, or with coincidences up to half as many
    again, and as many again as those of this log's background exceed theirs (an outage's morning after). p is
    the share of draws that, so enlarged, reach the observed number; beyond the draws, of the gamma law with
    their moments. Jobs on a schedule of their own have the same hours every day, so every draw is what was
    seen. NaN where fewer than five principals are active on two days, or hardly any coincidence is expected.

    Tried and dropped: the variance ratio against circular shifts by whole days. They break weekdays and
    growth: p <= 0.01 came up in every fashion that peaks within a week, and eight times too often at offices.
    """
    out = no_evidence(traffic.n_groups)
    people = traffic.background
    known = np.unique(traffic.principals[people])
    people = people[np.isin(traffic.principals[people], evenly(known, _MOST_PEOPLE))]
    apart = _coincidences(traffic, np.full(len(people), 0), people, seed=seed)
    usual = 1.0
    if apart.group.size and apart.drawn[0].mean() >= FEWEST_EXPECTED:
        usual = max(1.0, float(apart.observed[0] / apart.drawn[0].mean()))
    rows = np.flatnonzero(traffic.groups >= 0)
    found = _coincidences(traffic, traffic.groups[rows], rows, seed=seed)
    mean = found.drawn.mean(axis=1)
    told = mean >= FEWEST_EXPECTED
    group, observed, mean = found.group[told], found.observed[told], mean[told]
    out.effect[group] = observed / mean
    null = found.drawn[told] * _HALF_AS_MUCH * usual
    spread = np.maximum(null.var(axis=1, ddof=1), _NO_SPREAD)
    centre = null.mean(axis=1)
    tail = gamma.sf(observed, centre**2 / spread, scale=spread / centre)
    n_beyond = (null >= observed[:, None]).sum(axis=1)
    drawn = zip(n_beyond.tolist(), tail.tolist(), strict=True)
    out.p_value[group] = [drawn_p_value(beyond, _N_DRAWS, fitted) for beyond, fitted in drawn]
    return out


@dataclass(frozen=True, eq=False)
class _Coincidences:
    """Of some groups: their numbers (g,), coincidences seen (g,) and drawn (g, 99)."""

    group: NDArray[np.int64]
    observed: NDArray[np.float64]
    drawn: NDArray[np.float64]


def _coincidences(
    traffic: Traffic, groups: NDArray[np.int64], rows: NDArray[np.int64], *, seed: int
) -> _Coincidences:
    """Of the rows' requests, whose groups are given; groups with five principals of two days and more."""
    timed = ~np.isnan(traffic.hours[rows])
    groups, rows = groups[timed], rows[timed]
    if len(rows) == 0:
        return _Coincidences(rows, np.zeros(0), np.zeros((0, 1 + _N_DRAWS))[:, 1:])
    hour = np.floor(traffic.hours[rows]).astype(np.int64)
    hour -= hour.min() // 24 * 24
    n_hours, n_principals = int(hour.max()) + 1, len(traffic.loads)
    # One number sorts by group, principal and hour, and is sorted faster than three.
    seen = np.unique((groups * n_principals + traffic.principals[rows]) * n_hours + hour)
    both, hour = seen // n_hours, seen % n_hours
    new = np.diff(both, prepend=-1) != 0
    new_day = new | (np.diff(hour // 24, prepend=-1) != 0)
    n_days = np.bincount(np.cumsum(new) - 1, weights=new_day)
    several = np.bincount(both[new] // n_principals, weights=n_days > 1)
    kept = several[both // n_principals] >= FEWEST
    both, hour, new, new_day = both[kept], hour[kept], new[kept], new_day[kept]
    group = both // n_principals
    new_group = np.diff(group, prepend=-1) != 0
    # Where each principal's days begin among the hours, principals among the days, groups among these.
    of_day = np.append(np.flatnonzero(new_day), len(hour))
    of_principal = np.append(np.flatnonzero(new[of_day[:-1]]), len(of_day) - 1)
    of_group = np.append(np.flatnonzero(new_group[of_day[of_principal[:-1]]]), len(of_principal) - 1)
    out = np.zeros((len(of_group) - 1, 1 + _N_DRAWS))
    if len(out):
        _count(hour % 24, hour[of_day[:-1]] // 24, (of_day, of_principal, of_group), np.uint64(seed), out)
    return _Coincidences(group[new_group], out[:, 0], out[:, 1:])


@compiled
def _count(hours, days, offsets, seed, out):  # type: ignore[no-untyped-def]
    """Coincidences as seen (column 0) and with each principal's days dealt anew among its own."""
    of_day, of_principal, of_group = offsets
    active = np.zeros((days.max() + 1) * 24, np.int64)
    dealt = days.copy()
    for g in range(len(of_group) - 1):
        first, last = of_principal[of_group[g]], of_principal[of_group[g + 1]]
        dealt[first:last] = days[first:last]
        # A generator of the group's own (xorshift64*), so that its draws do not depend on the other groups.
        state = (seed + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
            of_day[last] - of_day[first]
        )
        for draw in range(out.shape[1]):
            if draw > 0:
                for p in range(of_group[g], of_group[g + 1]):
                    start = of_principal[p]
                    for i in range(of_principal[p + 1] - 1, start, -1):
                        state ^= state >> np.uint64(12)
                        state ^= state << np.uint64(25)
                        state ^= state >> np.uint64(27)
                        number = (state * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(33)
                        j = start + np.int64(number % np.uint64(i - start + 1))
                        dealt[i], dealt[j] = dealt[j], dealt[i]
            met = 0
            for d in range(first, last):
                for e in range(of_day[d], of_day[d + 1]):
                    cell = dealt[d] * 24 + hours[e]
                    met += active[cell]
                    active[cell] += 1
            for d in range(first, last):
                for e in range(of_day[d], of_day[d + 1]):
                    active[dealt[d] * 24 + hours[e]] = 0
            out[g, draw] = met
