"""Traffic of simulated people and dispatchers, and the check that a p-value keeps its word."""

from __future__ import annotations

import numpy as np

from clustering.signals import Traffic

LEVELS = (0.01, 0.05, 0.1)


def traffic_of(principals, *, prompts=None, hours=None, groups=None, n_groups=1):
    """Traffic of these principals; every request a prompt of its own, no times and in group 0 unless told."""
    n = len(principals)
    return Traffic(
        np.arange(n) if prompts is None else np.asarray(prompts, np.int64),
        np.asarray(principals, np.int64),
        np.full(n, np.nan) if hours is None else np.asarray(hours, np.float64),
        np.zeros(n, np.int64) if groups is None else np.asarray(groups, np.int64),
        n_groups,
    )


def stacked(*parts):
    """One log of several groups: parts of (group, principals, prompts, hours), each numbered on its own."""
    groups, principals, prompts, hours = [], [], [], []
    n_principals = n_prompts = 0
    for group, who, what, when in parts:
        groups.append(np.full(len(who), group))
        principals.append(np.asarray(who) + n_principals)
        prompts.append(np.asarray(what) + n_prompts)
        hours.append(np.asarray(when, np.float64))
        n_principals += int(np.max(who, initial=-1)) + 1
        n_prompts += int(np.max(what, initial=-1)) + 1
    joined = [np.concatenate(x) for x in (prompts, principals, hours, groups)]
    return Traffic(*joined, n_groups=max(group for group, *_ in parts) + 1)


def nothing(n_groups=0):
    """A log without a request."""
    none = np.zeros(0, np.int64)
    return Traffic(none, none, np.zeros(0), none, n_groups)


def office_hours(random, n, *, days=30):
    """Hours of people awake around 14:00, give or take three."""
    return random.integers(0, days, n) * 24 + random.normal(14, 3, n) % 24


def round_the_clock(random, n, *, days=30):
    """Hours of a machine."""
    return random.uniform(0, 24 * days, n)


def error_of_normal_numbers(counts, z, icc):
    """Standard error of the ICC of normal numbers in as many dimensions as z varies in (Donner 1986)."""
    n_principals, variances = len(counts), np.linalg.eigvalsh(np.cov(z.astype(np.float64).T))
    n = (counts.sum() - (counts**2).sum() / counts.sum()) / (n_principals - 1)
    one = 2 * (1 - icc) ** 2 * (1 + (n - 1) * icc) ** 2 / (n * (n - 1) * (n_principals - 1))
    return np.sqrt(one * (variances**2).sum() / variances.sum() ** 2)


def check_valid(p_of, n_runs, *, levels=LEVELS):
    """P(p <= level) <= level within three standard errors; `p_of(random, seed)` gives one p, NaN for none."""
    p = np.array([p_of(np.random.default_rng([seed, 31]), seed) for seed in range(n_runs)])
    assert not np.isnan(p).all(), "the simulation never measured anything"
    assert ((p >= 0) & (p <= 1) | np.isnan(p)).all()
    for level in levels:
        rate = np.mean(p <= level)
        error = np.sqrt(level * (1 - level) / n_runs)
        assert rate <= level + 3 * error, f"P(p <= {level}) is {rate:.4f} under the null"
    return p
