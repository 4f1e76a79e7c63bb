"""Skeletons as unit vectors: which word pairs they hold, folded into 256 dimensions.

A skeleton is literal text that recurs, so two skeletons of one template differ in few words and those of two
templates in most, whatever either is about. Semantic vectors of skeletons blur just that (four operators of
one rewriting chain lie at cosine distance 0.004, two unrelated rubrics at 0.14), so the skeleton view is
compared by its words: each distinct pair of neighbouring words adds a fixed vector of +-1 (a random
projection of the pair's indicator; Achlioptas 2003, J. Comput. Syst. Sci. 66(4), 671-687). The cosine of two
such vectors estimates that of the two sets of pairs, with a standard error of 1/16.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedder.shingles import scratch
from embedder.text_buffer import TextBuffer
from embedder.words import code_point_tables, compiled, find_words, mix

LEXICAL_DIM = 256


@compiled
def _fold(data, offsets, tables, longest, out):  # type: ignore[no-untyped-def]
    """Sum of the +-1 vectors of each text's distinct word pairs (a lone word pairs with nothing)."""
    words = scratch(longest)
    pairs = np.empty(longest + 3, np.uint64)
    hashes, _, _, halves = words
    for t in range(offsets.shape[0] - 1):
        n = find_words(data, (offsets[t], offsets[t + 1]), tables, words)
        m = 0
        for i in range(n):
            if halves[i] > 0:
                nxt = hashes[i + 1] if i + 1 < n and halves[i + 1] > 0 else np.uint64(0)
                pairs[m] = mix(hashes[i] * np.uint64(31) + nxt)
                m += 1
        ordered = np.sort(pairs[:m])
        for p in range(m):
            if p > 0 and ordered[p] == ordered[p - 1]:
                continue
            for block in range(out.shape[1] // 64):
                bits = mix(ordered[p] + np.uint64(block + 1) * np.uint64(0x9E3779B97F4A7C15))
                for b in range(64):
                    out[t, block * 64 + b] += (
                        np.float32(1) if bits >> np.uint64(b) & np.uint64(1) else np.float32(-1)
                    )


def lexical_vectors(texts: TextBuffer) -> NDArray[np.float32]:
    """Unit vectors of the word pairs of texts.

    Parameters
    ----------
    texts : TextBuffer
        n texts.

    Returns
    -------
    (n, 256) float32
        Unit rows; zero rows for texts without a word. The same for a text in any batch, on any machine: the
        sums are of small integers, and only their length is divided.
    """
    out = np.zeros((len(texts), LEXICAL_DIM), np.float32)
    _fold(texts.data, texts.offsets, code_point_tables(), texts.longest, out)
    norms = np.sqrt((out.astype(np.float64) ** 2).sum(axis=1))
    out /= np.where(norms > 0, norms, 1.0).astype(np.float32)[:, None]
    return out
