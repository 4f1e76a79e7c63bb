"""S5, sweep order: does the next account's request change one slot of the last one's, as a loop would?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from clustering.density.compiled import compiled
from clustering.signals.principals import FEWEST
from clustering.signals.shuffling import BEYOND, FEWEST_DRAWS, N_DRAWS, shuffle_within
from clustering.signals.slots import Slots, read_requests
from clustering.signals.traffic import Signal, Traffic, drawn_p_value, no_evidence

_WINDOW = 1.0  # hours: over longer ones people of other time zones follow each other


def sweep_order(traffic: Traffic, slots: Sequence[Slots], *, seed: int) -> Signal:
    """Requests that differ from the one before in exactly one slot, over what a shuffled order has.

    A loop over a grid changes one slot at a time, whichever account sends the next request. A person who
    varies an own prompt does so, too: each principal counts once, by its first request, compared with the
    first request of the one who came before, in the same hour. Null model: within an hour the order of
    newcomers says nothing, because they do not know of each other; what changes with the time of day or the
    news changes between hours. p is the share of up to 999 shuffles within the hours with as many such
    neighbours (ended early, Besag and Clifford 1991, Biometrika 78(2), when twenty are), beyond them of the
    gamma law with their moments. A shuffled queue leaves nothing to see, nor does a loop that takes an hour
    over its innermost turn.

    Tried and dropped: every principal in every window; scheduled jobs follow each other in the same order,
    each with its own fillers, day after day. Each principal in its fullest window; who comes early there is
    in the middle of something, who comes late begins. Windows of three hours: the languages of a menu follow
    the sun, which looks like a loop.

    Parameters
    ----------
    traffic : Traffic
    slots : per group
        See ``clustering.signals.slots``; two empty gaps are equal.
    seed : int

    Returns
    -------
    Signal
        Effect 1 of a shuffled order. NaN without times, with fewer than two slots or five principals, or
        where no two newcomers of an hour differ in one slot.
    """
    out = no_evidence(traffic.n_groups)
    for group, members in traffic.each_group():
        if len(slots[group].codes) < 2 or len(members) < FEWEST:
            continue
        rows, place = read_requests(traffic, members, slots[group])
        order, ends = _windows(traffic.hours[rows], traffic.principals[rows], place)
        if len(np.unique(traffic.principals[rows[order]])) < FEWEST:
            continue
        codes = np.ascontiguousarray(slots[group].codes[:, place[order]].T)
        # A generator of the group's own, so that its p does not depend on the other groups.
        random = np.random.default_rng([seed, len(order), len(ends)])
        observed, draws = _draw(codes, ends, random)
        mean = float(draws.mean())
        if mean == 0:
            continue
        out.effect[group] = observed / mean
        spread = max(float(draws.var(ddof=1)), mean)
        tail = float(gamma.sf(observed - 0.5, mean**2 / spread, scale=spread / mean))
        out.p_value[group] = drawn_p_value(int((draws >= observed).sum()), len(draws), tail)
    return out


def _windows(
    hours: NDArray[np.float64], who: NDArray[np.int64], place: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first request of each principal, in the order of time, and where windows end.

    A window in which only one principal came is left out. Ties in time are in the order of ``place``.
    """
    order = np.lexsort((who, place, hours))
    order = order[~np.isnan(hours[order])]
    _, first = np.unique(who[order], return_index=True)
    order = order[np.sort(first)]
    _, window, sizes = np.unique(np.floor(hours[order] / _WINDOW), return_inverse=True, return_counts=True)
    return order[sizes[window] > 1], np.cumsum(sizes[sizes > 1])


@compiled
def _draw(
    codes: NDArray[np.int64], ends: NDArray[np.int64], random: np.random.Generator
) -> tuple[int, NDArray[np.float64]]:
    """Neighbours observed, and in draws that shuffle the (n, s) codes within the windows (their ends)."""
    place = np.arange(len(codes))
    observed = _neighbours(codes, place, ends)
    draws = np.empty(N_DRAWS)
    n_beyond = 0
    for draw in range(N_DRAWS):
        shuffle_within(place, ends, random)
        draws[draw] = _neighbours(codes, place, ends)
        n_beyond += draws[draw] >= observed
        if n_beyond >= BEYOND and draw + 1 >= FEWEST_DRAWS:
            return observed, draws[: draw + 1]
    return observed, draws


@compiled
def _neighbours(codes: NDArray[np.int64], place: NDArray[np.int64], ends: NDArray[np.int64]) -> int:
    """Requests that differ from the one before, in the same window, in exactly one slot."""
    total = 0
    first = 0
    for end in ends:
        for i in range(first + 1, end):
            n_changed = 0
            for slot in range(codes.shape[1]):
                n_changed += codes[place[i], slot] != codes[place[i - 1], slot]
                if n_changed > 1:
                    break
            total += n_changed == 1
        first = end
    return total
