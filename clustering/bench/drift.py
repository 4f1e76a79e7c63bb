"""Windowed MMD, the published detector of distillation traffic, on the same logs.

Contiguous windows of 1,500 requests are compared with benign ones by the unbiased maximum mean discrepancy
(Gretton et al. 2012, JMLR 13, eq. 3) under the mean of Gaussian kernels of half, one, two and four times the
median distance; a window is alarmed above the 95th percentile of 1,000 benign-against-benign draws (arXiv
2606.05725). Its benign reference is taken from the log itself by the truth, which no user has: the figures
are its upper end. Windows of the log's time differ in more than campaigns; so the same requests in a drawn
order are windowed, too, as the paper draws them. It says when, not which requests.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.judgement import CAMPAIGN, mean

from .counting import Counted, Finished
from .section import Section, table_of
from .vectors import request_vectors

WINDOW = 1_500
N_DRAWS = 1_000
BANDWIDTHS = (0.5, 1.0, 2.0, 4.0)
_POOL = 3 * WINDOW  # benign requests that references are drawn from
_QUANTILE = 0.95

Floats = NDArray[np.float32]


def squared_distances(x: Floats, y: Floats) -> Floats:
    """(n, m) squared Euclidean distances, at least 0."""
    d = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)[None, :] - 2 * (x @ y.T)
    return np.asarray(np.maximum(d, 0.0), dtype=np.float32)


def mixture(squared: Floats, sigma: float) -> Floats:
    """Mean of the Gaussian kernels at the bandwidths times `sigma`."""
    total = np.zeros_like(squared)
    for factor in BANDWIDTHS:
        total += np.exp(squared * np.float32(-0.5 / (factor * sigma) ** 2))
    return total / np.float32(len(BANDWIDTHS))


def unbiased(xx: Floats, yy: Floats, xy: Floats) -> float:
    """MMD squared of two samples from their kernel matrices (eq. 3); may be below 0."""
    n, m = len(xx), len(yy)
    inside = (xx.sum(dtype=np.float64) - np.trace(xx)) / (n * (n - 1))
    beside = (yy.sum(dtype=np.float64) - np.trace(yy)) / (m * (m - 1))
    return float(inside + beside - 2 * xy.mean(dtype=np.float64))


def null_draws(kernel: Floats, size: int, n_draws: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """MMD squared of pairs of disjoint samples of `size` from one pool, (n_draws,).

    Sums over a sample are quadratic forms of the pool's kernel in its indicator, so that all draws are three
    matrix products.
    """
    n = len(kernel)
    order = np.argsort(rng.random((n_draws, n)), axis=1)
    first, second = (np.zeros((n, n_draws), np.float32) for _ in range(2))
    columns = np.arange(n_draws)[:, None]
    first[order[:, :size], columns] = 1.0
    second[order[:, size : 2 * size], columns] = 1.0
    by_first, by_second = kernel @ first, kernel @ second
    diagonal = np.diag(kernel)

    def quadratic(left: Floats, right: Floats) -> NDArray[np.float64]:
        return np.asarray(np.einsum("ij,ij->j", left, right, dtype=np.float64))

    inside = quadratic(first, by_first) - diagonal @ first
    beside = quadratic(second, by_second) - diagonal @ second
    return np.asarray((inside + beside) / (size * (size - 1)) - 2 * quadratic(first, by_second) / size**2)


def count_drift(finished: Finished) -> pl.DataFrame:
    """A row per window: ``drawn`` (not in the order of time), ``benign`` (campaigns taken out), ``share`` of
    campaign requests, ``alarmed``.

    No rows when the log is too small for a reference and a window.
    """
    schema = {"drawn": pl.Boolean, "benign": pl.Boolean, "share": pl.Float64, "alarmed": pl.Boolean}
    campaign = (
        finished.requests.select("request_id")
        .join(finished.truth, on="request_id", how="left", maintain_order="left")
        .select(CAMPAIGN.fill_null(False))["kind"]
        .to_numpy()
    )
    rng = np.random.default_rng([finished.seed, 1])
    calm = np.flatnonzero(~campaign)
    if len(calm) < _POOL + WINDOW:
        return pl.DataFrame(schema=schema)
    vectors, place = request_vectors(finished.requests)
    pool = np.sort(rng.choice(calm, _POOL, replace=False))
    squared = squared_distances(vectors[place[pool]], vectors[place[pool]])
    sigma = float(np.sqrt(np.median(squared[np.triu_indices(len(squared), k=1)])))
    kernel = mixture(squared, sigma)
    threshold = float(np.quantile(null_draws(kernel, WINDOW, N_DRAWS, rng=rng), _QUANTILE))
    rest = np.setdiff1d(np.arange(len(campaign)), pool)  # in the order of time
    calm_rest = rest[~campaign[rest]]
    orders = (
        (False, False, rest),
        (False, True, calm_rest),
        (True, False, rng.permutation(rest)),
        (True, True, rng.permutation(calm_rest)),
    )
    rows = []
    for drawn, benign, kept in orders:
        for begin in range(0, len(kept) - WINDOW + 1, WINDOW):
            window = kept[begin : begin + WINDOW]
            other = rng.choice(_POOL, WINDOW, replace=False)
            x, y = vectors[place[window]], vectors[place[pool[other]]]
            own, cross = (mixture(squared_distances(x, z), sigma) for z in (x, y))
            value = unbiased(own, kernel[np.ix_(other, other)], cross)
            rows.append((drawn, benign, float(campaign[window].mean()), value > threshold))
    return pl.DataFrame(rows, schema=schema, orient="row")


def drift_section(worlds: Sequence[Counted]) -> Section:
    """Alarms by the share of campaigns in the log, and on the same logs without their campaigns."""
    groups: dict[str, list[pl.DataFrame]] = {}
    for world in worlds:
        if "drift" in world.tables:
            groups.setdefault(f"{world.world.share:.1%}", []).append(world.tables["drift"])
    rows = []
    for share, tables in groups.items():
        windows = pl.concat(tables)
        alarms = [
            mean(part["alarmed"].cast(pl.Float64).to_list())
            for drawn in (False, True)
            for benign in (False, True)
            for part in (windows.filter(drawn=drawn, benign=benign),)
        ]
        rows.append((share, windows.filter(drawn=False, benign=False).height, *alarms))
    heads = [
        f"{order}: {what}" for order in ("By time", "Drawn") for what in ("alarmed", "without campaigns")
    ]
    columns = ("Share of campaigns", "Windows", *heads)
    note = f"Windows of {WINDOW:,} requests; the benign reference is known by the truth."
    return Section("baselines", "Windowed MMD", note, table_of(rows, columns))
