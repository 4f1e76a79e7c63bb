"""K1, exchangeability: could any of the accounts have sent any of the requests?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.signals.intraclass import LEAST_OF_PEOPLES, Intraclass, intraclass
from clustering.signals.traffic import Signal, Traffic, no_evidence


def exchangeability(
    traffic: Traffic,
    vectors: NDArray[np.float32],
    vector_of: NDArray[np.int64],
    background: NDArray[np.int64],
) -> Signal:
    """Intraclass correlation of payload vectors within principals; 0 of a dispatcher, more of people.

    See ``clustering.signals.intraclass``. A principal's repetitions of a prompt count once. Null model: the
    group's principals keep to their subjects at least half as much as the principals of this log's background
    do. p is the lower tail of Student's t: the errors of both by the jackknife over principals, degrees of
    freedom one less than the group's effective number of principals.

    Parameters
    ----------
    traffic : Traffic
    vectors : (m, d) float32
        Payload vectors of the sampled prompts.
    vector_of : (n_prompts,) int64
        Row of ``vectors`` for each prompt; -1 where it was not sampled or has no payload.
    background : (b,) int64
        Rows of requests whose ICC is that of people.
    """
    out = no_evidence(traffic.n_groups)
    people = payload_icc(traffic, background, vectors, vector_of)
    if people is None or not people.value > 0:
        return out  # people without subjects of their own: nothing to tell a dispatcher from
    for group, rows in traffic.each_group():
        found = payload_icc(traffic, rows, vectors, vector_of)
        if found is not None:
            out.effect[group], out.p_value[group] = found.value, found.below(LEAST_OF_PEOPLES, people)
    return out


def payload_icc(
    traffic: Traffic,
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    vector_of: NDArray[np.int64],
) -> Intraclass | None:
    """ICC of the payloads of the rows that have a vector, each (principal, prompt) once."""
    rows = rows[vector_of[traffic.prompts[rows]] >= 0]
    both = np.unique(np.stack([traffic.principals[rows], traffic.prompts[rows]]), axis=1)
    _, member = np.unique(both[0], return_inverse=True)
    return intraclass(member, vectors[vector_of[both[1]]].astype(np.float64))
