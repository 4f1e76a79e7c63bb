"""Vectors for the methods that Covey is compared with: the static encoder's, one per distinct prompt."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder import VectorCache, default_cache_dir, embed, load_encoder


def request_vectors(requests: pl.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors of the distinct prompts, (m, d), and the place of each request's, (n,) int64.

    Distinct prompts are in the order of their texts, so that the order of requests does not matter.
    """
    prompts = requests["prompt"].fill_null("")
    texts = prompts.unique().sort()
    cache = VectorCache(default_cache_dir() / "vectors")
    vectors = embed(texts.to_list(), None, load_encoder("static"), cache=cache)
    return vectors, texts.search_sorted(prompts).cast(pl.Int64).to_numpy()
