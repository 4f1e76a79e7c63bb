"""When requests are sent by people and by machines; ``dispatch`` has the times of campaigns.

Times are microseconds after the log's start, int64, inside ``[0, world.window_us)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World

Times = NDArray[np.int64]

# Relative activity by local hour: office workers, evenings, all day, early risers, night owls, no rhythm.
HOURS = np.array(
    [
        [1, 0, 0, 0, 0, 1, 3, 8, 20, 30, 32, 30, 18, 24, 30, 30, 26, 16, 8, 5, 4, 4, 3, 2],
        [6, 3, 1, 1, 0, 0, 1, 3, 5, 6, 6, 7, 9, 8, 7, 8, 10, 13, 18, 24, 28, 28, 22, 13],
        [5, 2, 1, 1, 1, 2, 5, 10, 15, 18, 19, 18, 18, 18, 18, 18, 17, 16, 16, 17, 18, 17, 13, 9],
        [1, 0, 0, 1, 4, 14, 24, 26, 20, 16, 14, 12, 12, 10, 10, 10, 10, 9, 8, 6, 4, 2, 1, 1],
        [26, 24, 20, 14, 8, 4, 2, 1, 1, 2, 4, 6, 8, 9, 10, 10, 10, 11, 12, 14, 16, 20, 24, 26],
        [1] * 24,
    ],
    dtype=np.float64,
)
OFFICE, FLAT = 0, 5
_WEEKEND = np.array([0.18, 1.2, 0.9, 0.8, 1.2, 1.0])  # activity on a Saturday or Sunday against a weekday


def people_times(world: World, people: People, who: NDArray[np.int64], *, rng: np.random.Generator) -> Times:
    """Times at which people send their requests: sittings in their own waking hours, minutes apart.

    Parameters
    ----------
    who : (n,) int64, the row of `people` behind each request; a person's requests need not be adjacent.

    Returns
    -------
    times : (n,) int64; in one sitting, a person's requests follow the order of `who`.
    """
    order = np.argsort(who, kind="stable")
    person = who[order]
    starts = np.ones(len(who), dtype=np.bool_)
    starts[1:] = (person[1:] != person[:-1]) | (rng.random(max(len(who) - 1, 0)) < 0.4)
    sitting = np.cumsum(starts) - 1
    begins = sitting_times(world, people, person[starts], rng=rng)
    gaps = np.where(starts, 0, rng.lognormal(np.log(110e6), 1.1, len(who)).astype(np.int64))
    elapsed = np.cumsum(gaps)
    times = np.empty(len(who), dtype=np.int64)
    times[order] = begins[sitting] + elapsed - elapsed[starts][sitting]
    return inside(world, times)


def sitting_times(world: World, people: People, who: NDArray[np.int64], *, rng: np.random.Generator) -> Times:
    """One moment for every row of `who` ((n,) int64) in that person's waking hours, after joining."""
    weekday = (world.settings.start.weekday() + np.arange(world.settings.days)) % 7
    days = np.empty(len(who))
    hours = np.empty(len(who))
    for kind in range(len(HOURS)):
        rows = np.flatnonzero(people.hours[who] == kind)
        by_day = np.concatenate([[0.0], np.cumsum(np.where(weekday >= 5, _WEEKEND[kind], 1.0))])
        first = np.interp(people.joined[who[rows]], np.arange(len(by_day)), by_day)
        level = first + (by_day[-1] - first) * rng.random(len(rows))
        days[rows] = np.floor(np.interp(level, by_day, np.arange(len(by_day))))
        by_hour = np.concatenate([[0.0], np.cumsum(HOURS[kind] / HOURS[kind].sum())])
        hours[rows] = np.interp(rng.random(len(rows)), by_hour, np.arange(25))
    local = days * DAY_US + (hours - people.zone[who]) * HOUR_US
    return inside(world, local.astype(np.int64))


def inside(world: World, times: Times) -> Times:
    """Times before the start or after the end are moved by whole days to where they are inside."""
    wrapped: Times = np.where(times < 0, times % DAY_US, times)
    late = wrapped >= world.window_us
    wrapped[late] = world.window_us - DAY_US + wrapped[late] % DAY_US
    return wrapped
