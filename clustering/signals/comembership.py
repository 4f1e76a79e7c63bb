"""K7, co-membership: which families share principals beyond chance?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import poisson

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, no_evidence

LINK_LEVEL = 0.01  # chance of one false link in a log
_LEAST_OVERLAP = 0.5  # of the smaller family's principals


def comembership(traffic: Traffic, akin: Callable[[int, int], bool]) -> tuple[Signal, NDArray[np.int64]]:
    """Principals that families share, and the linked families.

    Null model: memberships are dealt at random, but every principal keeps the number k of its families and
    every family the number A of its principals, so that busy principals meet everywhere: two families share
    A_i A_j sum(k (k - 1)) / ((sum A)**2 - sum(A**2)) principals (Chung and Lu 2002, PNAS 99(25), on the
    bipartite graph, without the double edges that few families would be full of; the stochastic degree model
    of Neal 2014, Social Networks 39). p of a pair is the Poisson upper tail of the principals they share,
    Bonferroni over all pairs of families: those that share somebody are chosen by what is tested.

    Parameters
    ----------
    traffic : Traffic
    akin : function of two families
        Whether they are variants of one template: those share their principals whoever stands behind them,
        which links them but is no evidence.

    Returns
    -------
    signal : Signal
        Effect: largest share of a family's principals that one linked family of another template shares. p:
        of its most telling such link. NaN without a link: a campaign of one template has none, and that is no
        sign of people.
    links : (l, 2) int64
        Linked pairs i < j: p <= LINK_LEVEL and half of the smaller family's principals shared.
    """
    out = no_evidence(traffic.n_groups)
    inside = traffic.groups >= 0
    pairs = np.unique(np.stack([traffic.groups[inside], traffic.principals[inside]]), axis=1)
    size = np.bincount(pairs[0], minlength=traffic.n_groups)
    pairs = pairs[:, size[pairs[0]] >= FEWEST]
    shape = (traffic.n_groups, len(traffic.loads))
    member = csr_matrix((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=shape)
    shared = (member @ member.T).tocoo()
    above = shared.row < shared.col
    i, j, overlap = shared.row[above], shared.col[above], shared.data[above]
    if len(i) == 0:
        return out, np.zeros((0, 2), np.int64)
    families_of = np.bincount(pairs[1]).astype(np.float64)
    sizes = np.bincount(pairs[0]).astype(np.float64)
    meeting = (families_of * (families_of - 1)).sum() / (sizes.sum() ** 2 - (sizes**2).sum())
    n_families = np.count_nonzero(sizes)
    expected = size[i].astype(np.float64) * size[j] * meeting
    p = np.minimum(1.0, poisson.sf(overlap - 1, expected) * (n_families * (n_families - 1) / 2))
    share = overlap / np.minimum(size[i], size[j])
    linked = (p <= LINK_LEVEL) & (share >= _LEAST_OVERLAP) & (overlap >= FEWEST)
    told = np.array([not akin(int(a), int(b)) for a, b in zip(i[linked], j[linked], strict=True)], dtype=bool)
    for one in (i[linked][told], j[linked][told]):
        np.fmin.at(out.p_value, one, p[linked][told])
        np.fmax.at(out.effect, one, overlap[linked][told] / size[one])
    return out, np.stack([i[linked], j[linked]], axis=1).astype(np.int64)
