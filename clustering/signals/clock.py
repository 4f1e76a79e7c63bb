"""K4, one clock: do the accounts keep the same hours, or each its own?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.signals.intraclass import LEAST_OF_PEOPLES, N_PEOPLE, Intraclass, intraclass, paired_sample
from clustering.signals.traffic import DAY, Signal, Traffic, no_evidence


def one_clock(traffic: Traffic, background: NDArray[np.int64], *, seed: int) -> Signal:
    """Intraclass correlation of the hour of day within principals; 0 of one clock, more of people.

    The hour is a point on the 24 h circle; see ``clustering.signals.intraclass``. People keep the hours of
    their time zone and habits, a scheduled job its own minute, office hours of one office are everybody's.
    Null model: the group's principals differ in their hours at least half as much as this log's people do; p
    is the lower tail of Student's t, with the larger of the jackknife's error and normal theory's.

    Parameters
    ----------
    traffic : Traffic
    background : (b,) int64
        Rows of requests whose ICC is that of people.
    seed : int
        Of the samples.
    """
    out = no_evidence(traffic.n_groups)
    angle = 2 * np.pi * (traffic.hours % DAY) / DAY
    hands = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    people = _of_hours(traffic, paired_sample(traffic, background, seed=seed, n_requests=N_PEOPLE), hands)
    if people is None or not people.value > 0:
        return out
    for group, rows in traffic.each_group():
        found = _of_hours(traffic, paired_sample(traffic, rows, seed=seed), hands)
        if found is not None:
            out.effect[group], out.p_value[group] = found.value, found.below(LEAST_OF_PEOPLES, people)
    return out


def _of_hours(traffic: Traffic, rows: NDArray[np.int64], hands: NDArray[np.float64]) -> Intraclass | None:
    rows = rows[~np.isnan(hands[rows, 0])]
    _, member = np.unique(traffic.principals[rows], return_inverse=True)
    return intraclass(member, hands[rows])
