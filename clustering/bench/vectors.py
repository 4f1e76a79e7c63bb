"""Vectors for the methods that Covey is compared with: the static encoder's, one per distinct prompt."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder import embed, load_encoder


def distinct_prompts(requests: pl.DataFrame) -> tuple[pl.Series, NDArray[np.int64]]:
    """The distinct prompts in the order of their texts, (m,), and the place of each request's, (n,) int64.

    The order of requests does not matter.
    """
    prompts = requests["prompt"].fill_null("")
    texts = prompts.unique().sort()
    return texts, texts.search_sorted(prompts).cast(pl.Int64).to_numpy()


def request_vectors(requests: pl.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors of ``distinct_prompts``, (m, d), and the places."""
    texts, places = distinct_prompts(requests)
    return embed(texts, load_encoder("static")).astype(np.float32), places
