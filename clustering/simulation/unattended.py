"""When programs run: cron jobs, office events, round the clock, nightly batches, and other people's days.

Each account has a way, a phase and dates of its own; nothing is common to two accounts but the calendar.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World
from .schedule import HOURS, inside

WAYS = ("cron", "office", "clock", "nightly", "visitors")
_TICKS = np.array([1, 1, 2, 4, 24, 96])  # runs a day of a cron job


def program_times(
    world: World, people: People, who: NDArray[np.int64], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Moments of the requests of unattended accounts; (n,) int64 like `who`, microseconds.

    The log draws how common each way is; each account draws its way, its first day (half run before the log
    begins) and its last (six of ten run on after its end).
    """
    n_accounts = len(people)
    way = rng.choice(len(WAYS), size=n_accounts, p=rng.dirichlet(np.full(len(WAYS), 1.5)))
    days = world.settings.days
    first = np.where(rng.random(n_accounts) < 0.5, 0.0, rng.random(n_accounts) * days * 0.9)
    last = np.where(rng.random(n_accounts) < 0.6, days, first + rng.random(n_accounts) * (days - first))
    day = first[who] + (last - first)[who] * rng.random(len(who))
    times = day * DAY_US
    kind = way[who]
    for place, write in enumerate((_cron, _office, None, _nightly, _visitors)):
        rows = np.flatnonzero(kind == place)
        if write is not None and len(rows):
            times[rows] = write(world, people, who[rows], np.floor(day[rows]), rng)
    return inside(world, times.astype(np.int64))


def _cron(
    world: World, people: People, who: NDArray[np.int64], day: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """At the same minute, once to 96 times a day; a run works off its requests one after the other."""
    ticks = rng.choice(_TICKS, len(people))
    minute = np.floor(rng.random(len(people)) * 1440 / ticks) * HOUR_US / 60
    run = np.floor(rng.random(len(who)) * ticks[who])
    pace = rng.lognormal(np.log(4e6), 1.0, len(people))
    elapsed = np.minimum(_place_in(who, day, run) * pace[who], DAY_US / ticks[who])
    begin: NDArray[np.float64] = day * DAY_US + run * DAY_US / ticks[who] + minute[who]
    return begin + elapsed + rng.random(len(who)) * 2e6


def _office(
    world: World, people: People, who: NDArray[np.int64], day: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """When the customer's staff do something: weekdays, mostly."""
    weekday = (world.settings.start.weekday() + day) % 7
    works = (weekday >= 5) & (rng.random(len(who)) < 0.85)
    day = day - np.where(works, weekday - 4, 0)
    local: NDArray[np.float64] = np.maximum(day, 0) - people.zone[who] / 24
    return local * DAY_US + _hour(0, len(who), rng)


def _nightly(
    world: World, people: People, who: NDArray[np.int64], day: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """A backlog worked off from a fixed hour, every so many days."""
    every = rng.integers(1, 8, len(people))
    begin = rng.random(len(people)) * DAY_US
    length: NDArray[np.float64] = rng.exponential(0.06, len(who)).clip(0, 0.9)
    return day // every[who] * every[who] * DAY_US + begin[who] + length * DAY_US


def _visitors(
    world: World, people: People, who: NDArray[np.int64], day: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """When the customer's own visitors come: evenings or all day, weekends too."""
    late = rng.random(len(people)) < 0.5
    hour = np.where(late[who], _hour(1, len(who), rng), _hour(2, len(who), rng))
    local: NDArray[np.float64] = day - people.zone[who] / 24
    return local * DAY_US + hour


def _hour(kind: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    by_hour = np.concatenate([[0.0], np.cumsum(HOURS[kind] / HOURS[kind].sum())])
    hour: NDArray[np.float64] = np.interp(rng.random(n), by_hour, np.arange(25))
    return hour * HOUR_US


def _place_in(*keys: NDArray[np.generic]) -> NDArray[np.float64]:
    """Place of each row among the rows with the same keys."""
    order = np.lexsort(keys)
    same = np.ones(len(order), dtype=np.bool_)
    same[:1] = False
    for key in keys:
        same[1:] &= key[order][1:] == key[order][:-1]
    rows = np.arange(len(order))
    out = np.empty(len(order))
    out[order] = rows - np.maximum.accumulate(np.where(same, 0, rows))
    return out
