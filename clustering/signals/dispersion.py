"""S1, dispersion: do the payloads under one template differ more than one person's requests do?"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, no_evidence

_N_COMPARED = 256  # requests of a group
_NO_SPREAD = 1e-12


def dispersion(
    traffic: Traffic,
    vectors: NDArray[np.float32],
    vector_of: NDArray[np.int64],
    background: NDArray[np.int64],
    *,
    seed: int,
) -> Signal:
    """Effective number of the group's payloads, over that of one ordinary principal's own requests.

    The Vendi score of order 2 (Pasarkar and Dieng 2024, AISTATS, eq. 3) is 1 / sum(l**2) of the eigenvalues l
    of K / n; for K of cosines, one over the mean of cos(z_i, z_j)**2. That mean is taken without the diagonal
    and over requests of two different principals, all pairs of principals alike: unbiased for any n, so that
    20 requests compare with 20,000, and one's own subjects do not narrow it. Null model: the group has one
    subject, that is, two of its principals ask things as alike as an ordinary principal's own two requests
    are in the mean. p is the lower tail of Student's t, the error by the jackknife over principals. A wrapper
    around everyone's own work, a framework's default, is as wide as a campaign: what separates them is
    elsewhere. Payloads of a few words look wider than whole requests do.

    Tried and dropped: exp of the entropy of the spectrum (order 1) on subsamples of 64 or 256; it costs an
    eigendecomposition, leaves out the small groups, and ranks no better. "No wider than requests of as many
    ordinary people" as the null: only sweeps over personas are, and templates around a single word.

    Parameters
    ----------
    traffic : Traffic
    vectors : (m, d) float32
        Payload vectors of the sampled prompts, unit rows.
    vector_of : (n_prompts,) int64
        Row of ``vectors`` for each prompt; -1 where it was not sampled or has no payload.
    background : (b,) int64
        Rows of ordinary requests, several of a principal.
    seed : int
        Of the sample of requests.

    Returns
    -------
    Signal
        Effect > 0; 1 of one person. NaN with fewer than five principals with a payload, or where fewer than
        five ordinary principals sent two requests.
    """
    out = no_evidence(traffic.n_groups)
    known = background[vector_of[traffic.prompts[background]] >= 0]
    one = _of_one_principal(traffic, known, vectors, vector_of)
    if one is None:
        return out
    with import_module("threadpoolctl").threadpool_limits(1, user_api="blas"):
        # Small products, for which threads only wait.
        for group, rows in traffic.each_group():
            rows = rows[vector_of[traffic.prompts[rows]] >= 0]
            own, z = _sample(traffic, rows, seed)
            if len(own) == 0 or own[-1] + 1 < FEWEST:
                continue
            found = _between(own, vectors[vector_of[traffic.prompts[z]]])
            error = max(float(np.hypot(found.error, one.error)), _NO_SPREAD)
            out.effect[group] = one.mean / max(found.mean, _NO_SPREAD)
            out.p_value[group] = t.cdf((found.mean - one.mean) / error, own[-1])
    return out


@dataclass(frozen=True)
class _Likeness:
    """A mean squared cosine and its standard error."""

    mean: float
    error: float


def _of_one_principal(
    traffic: Traffic,
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    vector_of: NDArray[np.int64],
) -> _Likeness | None:
    """Of two distinct prompts of each principal, the first two in the (arbitrary) order of prompts."""
    who, what = np.unique(np.stack([traffic.principals[rows], traffic.prompts[rows]]), axis=1)
    _, first, counts = np.unique(who, return_index=True, return_counts=True)
    first = first[counts > 1]
    if len(first) < FEWEST:
        return None
    one, two = vectors[vector_of[what[first]]], vectors[vector_of[what[first + 1]]]
    squares = np.einsum("ij,ij->i", one, two).astype(np.float64) ** 2
    return _Likeness(float(squares.mean()), float(squares.std(ddof=1) / np.sqrt(len(squares))))


def _sample(
    traffic: Traffic, rows: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Principals 0..A-1, ascending, and rows of at most 256 requests; as many principals as can be."""
    if len(rows) == 0:
        return rows, rows
    random = np.random.default_rng([seed, len(rows)])
    rows = random.permutation(rows)
    rows = rows[np.argsort(traffic.principals[rows], kind="stable")]
    _, first, who, counts = np.unique(
        traffic.principals[rows], return_index=True, return_inverse=True, return_counts=True
    )
    if len(rows) > _N_COMPARED:
        place = np.arange(len(rows)) - first[who]
        taken = np.lexsort((random.permutation(len(counts))[who], place))[:_N_COMPARED]
        taken.sort()
        rows = rows[taken]
        who = np.unique(who[taken], return_inverse=True)[1]
    return who, rows


def _between(who: NDArray[np.int64], z: NDArray[np.float32]) -> _Likeness:
    """Mean squared cosine over pairs of principals, of the mean over the pairs of their requests."""
    counts = np.bincount(who)
    n = len(counts)
    share = 1 / counts[who]
    squares = (z @ z.T) ** 2
    squares[who[:, None] == who] = 0
    own = np.bincount(who, (squares @ share.astype(np.float32)) * share)
    total = float(own.sum())
    left = (total - 2 * own) / ((n - 1) * (n - 2))
    error = np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())
    return _Likeness(total / (n * (n - 1)), float(error))
