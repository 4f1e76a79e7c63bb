"""What signals are computed from: every request of the log, and which group (family or campaign) it is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

DAY = 24.0  # hours
FEWEST_EXPECTED = 3.0  # exp(-3) = 0.05: where fewer are expected, not even none at all would tell
MOST_MET = 4_000_000  # pairs that are held at a time: 100 to 200 MB


@dataclass(frozen=True, eq=False)
class Traffic:
    """N requests of a log, in a fixed order, and their groups.

    Attributes
    ----------
    prompts : (N,) int64
        Row of the distinct prompt.
    principals : (N,) int64
        0..P-1: the organisation where the log names one, else the account.
    hours : (N,) float64
        Hours since the epoch, UTC; NaN where the log has no time.
    groups : (N,) int64
        0..g-1; -1 for requests in no group.
    n_groups : int
    """

    prompts: NDArray[np.int64]
    principals: NDArray[np.int64]
    hours: NDArray[np.float64]
    groups: NDArray[np.int64]
    n_groups: int

    def regrouped(self, group_of: NDArray[np.int64], n_groups: int) -> Traffic:
        """The same requests with group g renamed to ``group_of[g]``."""
        groups = np.append(group_of, -1)[self.groups]  # -1, no group, takes the last
        return replace(self, groups=groups, n_groups=n_groups)

    def only(self, requests: NDArray[np.bool_]) -> Traffic:
        """The same groups without the requests that the mask leaves out."""
        return replace(self, groups=np.where(requests, self.groups, -1))

    @cached_property
    def _members(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.groups, kind="stable")
        return order, np.searchsorted(self.groups[order], np.arange(self.n_groups + 1))

    def members(self, group: int) -> NDArray[np.int64]:
        """Rows of a group's requests, ascending."""
        order, offsets = self._members
        return order[offsets[group] : offsets[group + 1]]

    def each_group(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Every group with its rows."""
        return ((group, self.members(group)) for group in range(self.n_groups))

    @cached_property
    def loads(self) -> NDArray[np.int64]:
        """Requests of each principal in the whole log."""
        return np.bincount(self.principals)

    @cached_property
    def background(self) -> NDArray[np.int64]:
        """Rows of requests in no group: what people otherwise do; all rows if these are too few."""
        rows = np.flatnonzero(self.groups < 0)
        return (
            rows
            if 2 * len(np.unique(self.principals[rows])) >= len(self.loads)
            else np.arange(len(self.groups))
        )


@dataclass(frozen=True, eq=False)
class Signal:
    """One signal of g groups.

    Attributes
    ----------
    effect : (g,) float64
        What a person reads; NaN where the log holds no evidence.
    p_value : (g,) float64
        In [0, 1], valid under the signal's stated null; NaN where there is no evidence.
    """

    effect: NDArray[np.float64]
    p_value: NDArray[np.float64]


def no_evidence(n_groups: int) -> Signal:
    """A signal that says nothing yet."""
    return Signal(np.full(n_groups, np.nan), np.full(n_groups, np.nan))


def principal_counts(
    traffic: Traffic, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Principals among the rows, ascending, and their requests."""
    principals, counts = np.unique(traffic.principals[rows], return_counts=True)
    return principals, counts


def ratio_p_value(numerators: NDArray[np.float64], denominators: NDArray[np.float64], bound: float) -> float:
    """One-sided p of "sum(numerators) / sum(denominators) <= bound" by the delete-one jackknife over rows.

    Efron and Stein 1981, Ann. Statist. 9(3), eq. 1.4; Student's t with len - 1 degrees of freedom. A ratio
    that no deletion moves is exactly what it is: p is then 0 or 1.
    """
    from scipy.stats import t

    n = len(numerators)
    whole = numerators.sum() / denominators.sum()
    left = (numerators.sum() - numerators) / (denominators.sum() - denominators)
    error = np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())
    if error < 1e-12:
        return 0.0 if whole > bound else 1.0
    return float(t.sf((whole - bound) / error, n - 1))


def drawn_p_value(n_beyond: int, n_draws: int, fitted: float) -> float:
    """p of an observation from draws of its null, with a fitted tail where the draws end.

    (1 + beyond) / (1 + draws) (Davison and Hinkley 1997, eq. 4.11) cannot fall below 1 / (1 + draws), too
    coarse for a lone family among thousands. When no draw lies beyond, the null's moments give the tail
    (Knijnenburg et al. 2009, Bioinformatics 25(12)): ``fitted``, if it is smaller.
    """
    p = (1 + n_beyond) / (1 + n_draws)
    return min(p, fitted) if n_beyond == 0 else p
