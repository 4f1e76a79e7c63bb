"""Encoders for the tests: one that knows words only, without a model, and the packaged one."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from clustering.coverage import example_space, read_library

DIM = 64


@cache
def vector_of(word):
    """A fixed random vector."""
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
    return np.random.default_rng(seed).normal(size=DIM).astype(np.float32)


def encode(texts):
    """Unit vectors: the sum of a fixed random vector for each word; zero without a word."""
    out = np.zeros((len(texts), DIM), np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            out[row] += vector_of(word)
        out[row] /= max(1e-12, float(np.linalg.norm(out[row])))
    return out


def bundled_encoder():
    """The packaged static encoder."""
    from embedder import load_encoder

    return load_encoder("static").encode


def elicitation_space(encoder):
    """What asking for training material looks like to an encoder."""
    return example_space(read_library().elicitations, encoder)
