"""Who sends what, and when: the dispatchers of campaigns, and the hours of the operators behind them.

Times are microseconds after the log's start, int64, inside ``[0, world.window_us)``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World
from .plans import CampaignPlan
from .schedule import OFFICE, Times, inside, people_times

_OPERATORS = (8.0, 3.0, 1.0, -3.0, 5.5, 9.0, -8.0)  # time zones with offices, in hours


def dispatch(
    world: World, plan: CampaignPlan, people: People, n: int, *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Times]:
    """Accounts (rows of `people`) and times of a campaign's `n` requests, in the order of its queue."""
    who = shares_of(n, len(people), loads=plan.loads, rng=rng)
    if plan.schedule == "slices":
        who = np.sort(who)
    times = _SCHEDULES[plan.schedule](world, people, who, rng)
    return _by_pool(world, plan, who, times, n_accounts=len(people), rng=rng), times


def shares_of(n: int, n_accounts: int, *, loads: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """The account of each of `n` requests in dispatch order: round robin, any free one, or some busy ones."""
    if loads == "equal":
        rounds = -(-n // n_accounts)
        turns = [rng.permutation(n_accounts) for _ in range(rounds)]
        return np.concatenate(turns)[:n] if turns else np.zeros(0, np.int64)
    if loads == "poisson":
        return rng.integers(0, n_accounts, n)
    weights = rng.lognormal(0.0, rng.uniform(0.9, 1.5), n_accounts)
    return rng.choice(n_accounts, size=n, p=weights / weights.sum())


def _by_pool(
    world: World,
    plan: CampaignPlan,
    who: NDArray[np.int64],
    times: Times,
    *,
    n_accounts: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Hand each request to an account of the pool of its moment; pools follow one another, ban by ban."""
    n_pools = min(plan.pools, n_accounts)
    if n_pools < 2 or not len(who):
        return who
    middle = (np.arange(1, n_pools) + rng.uniform(-0.3, 0.3, n_pools - 1)) / n_pools
    bans = np.quantile(times, middle)  # of the requests, or a pool might never be used
    pool = np.searchsorted(bans, times, side="right")
    ends = np.linspace(0, n_accounts, n_pools + 1).round().astype(np.int64)
    return ends[pool] + who % np.diff(ends)[pool]


def _round_the_clock(world: World, people: People, who: NDArray[np.int64], rng: np.random.Generator) -> Times:
    """Day and night for a part of the log; the queue runs at a rate that drifts by the hour, or not."""
    begin = rng.uniform(0.0, 0.3)
    end = rng.uniform(begin + 0.4, 1.0)
    hours = rng.lognormal(0.0, rng.choice([0.0, 0.3, 0.8]), world.settings.days * 24)
    level = np.concatenate([[0.0], np.cumsum(hours / hours.sum())])
    moments = np.interp(rng.random(len(who)), level, np.linspace(begin, end, len(level)))
    return np.sort((moments * world.window_us).astype(np.int64))


def _slices(world: World, people: People, who: NDArray[np.int64], rng: np.random.Generator) -> Times:
    """Each account works through its slice in a few hours of one day, whatever the hour."""
    begins = (rng.random(len(people)) * (world.window_us - DAY_US // 2)).astype(np.int64)
    hours = rng.uniform(0.5, 10.0, len(people)) * HOUR_US
    first = np.searchsorted(who, np.arange(len(people)))
    count = np.maximum(np.bincount(who, minlength=len(people)), 1)
    place = (np.arange(len(who)) - first[who] + rng.random(len(who))) / count[who]
    return inside(world, begins[who] + (place * hours[who]).astype(np.int64))


def _bursts(world: World, people: People, who: NDArray[np.int64], rng: np.random.Generator) -> Times:
    """The whole pool together, in some bursts of one to three hours."""
    n_bursts = int(rng.integers(3, 12))
    begins = np.sort((rng.random(n_bursts) * (world.window_us - 3 * HOUR_US)).astype(np.int64).clip(0))
    lengths = (rng.uniform(1.0, 3.0, n_bursts) * HOUR_US).astype(np.int64)
    burst = np.sort(rng.integers(0, n_bursts, len(who)))
    return inside(world, begins[burst] + (rng.random(len(who)) * lengths[burst]).astype(np.int64))


def _groups(world: World, people: People, who: NDArray[np.int64], rng: np.random.Generator) -> Times:
    """Groups of about eight accounts; each account's next request goes out at the next tick of its group.

    Ticks are moments in the group's own shifts of one to six hours; a group sends within seconds of a tick.
    """
    n_groups = max(1, round(len(people) / 8))
    group = rng.permutation(len(people)) % n_groups
    counts = np.bincount(who, minlength=len(people))
    n_ticks = int(counts.max(initial=0))
    n_shifts = int(rng.integers(3, 10))
    begins = rng.random((n_groups, n_shifts)) * max(world.window_us - 6 * HOUR_US, 0)
    lengths = rng.uniform(1.0, 6.0, (n_groups, n_shifts)) * HOUR_US
    shift = rng.integers(0, n_shifts, (n_groups, n_ticks))
    rows = np.arange(n_groups)[:, None]
    ticks = begins[rows, shift] + rng.random((n_groups, n_ticks)) * lengths[rows, shift]
    order = np.argsort(who, kind="stable")
    nth = np.empty(len(who), dtype=np.int64)
    nth[order] = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    times = np.sort(ticks, axis=1)[group[who], nth] + rng.exponential(4e6, len(who))
    return inside(world, times.astype(np.int64))


def _office(world: World, people: People, who: NDArray[np.int64], rng: np.random.Generator) -> Times:
    """Operators in the offices of one to three time zones, on weekdays, in sittings like anybody's."""
    n = len(people)
    offices = rng.choice(_OPERATORS, size=int(rng.integers(1, 4)), replace=False)
    staff = replace(people, hours=np.full(n, OFFICE), zone=rng.choice(offices, size=n), joined=np.zeros(n))
    return people_times(world, staff, who, rng=rng)


def _people(world: World, people: People, who: NDArray[np.int64], rng: np.random.Generator) -> Times:
    return people_times(world, people, who, rng=rng)


_SCHEDULES = {
    "round_the_clock": _round_the_clock,
    "slices": _slices,
    "bursts": _bursts,
    "groups": _groups,
    "office": _office,
    "people": _people,
}
