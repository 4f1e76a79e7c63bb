"""Finders that are planted into a bench of speed, and its measurements as written down."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

STAGES = ("start", "views", "families", "report")


def asleep(texts: pl.Series, vectors: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Never ends, as far as a test can tell."""
    time.sleep(300)
    return np.zeros(len(texts), dtype=np.int64)


def by_first_word(texts: pl.Series, vectors: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """A family per first word; noise where it is "other"."""
    words = texts.str.split(" ").list.first()
    codes = words.rank("dense").cast(pl.Int64).to_numpy()
    return np.where(words.to_numpy() == "other", -1, codes)


def taken_by_covey(requests: int) -> dict[str, Any]:
    """Fields of a ``MeasuredRun``: views grow linearly, families with the square, the others not at all."""
    n = requests / 1_000
    return {
        "size": {"requests": requests, "prompts": requests * 0.9, "text_bytes": 1.0, "seen_bytes": 1.0,
                 "packed_share": 0.5},
        "seconds": dict(zip(STAGES, (2.0, n, n * n, 0.01), strict=True)),
        "elapsed": dict(zip(STAGES, (2.0, n, n * n, 0.01), strict=True)),
        "peak_mib": dict(zip(STAGES, (100, 200 * n, 300, 40), strict=True)),
        "rows": dict(zip(STAGES, (0, requests * 0.9, requests * 0.9, requests), strict=True)),
        "units": dict(zip(STAGES, ("", "prompts", "prompts", "requests"), strict=True)),
        "written_bytes": dict(zip(STAGES, (0, n * 2**22, n * 2**21, 2**10), strict=True)),
        "run_bytes": 1,
        "n_encoded": 1,
    }  # fmt: skip


JUDGED = {"families": 7, "mean_f1": 0.9, "plain_f1": None, "average_precision": 0.8, "realised_fdr": 0.0}
LOG = {"requests": 1, "accounts": 50, "mean_chars": 120.0, "mean_tokens": 30.0}
FOUND = {"families": 5, "mean_f1": 0.5, "plain_f1": None}
TAKEN = {"seconds": 3.0, "cpu_seconds": 4.0, "peak_mib": 500}
