"""Vectors of texts, each distinct text encoded once, cached by content.

A text is known by its content key: 16 bytes of BLAKE2b as two 64-bit numbers. Equal keys are encoded once,
and what the cache holds for this encoder's fingerprint is not encoded at all; the bytes are the same either
way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from embedder.encoders import Encoder
from embedder.vector_cache import VectorCache


def content_keys(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Content keys of texts: BLAKE2b-128 of their UTF-8 bytes.

    Returns
    -------
    Shape (n, 2), high and low half (big-endian), so that rows sort as the digests do.
    """
    digests = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts
    )
    return np.frombuffer(digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def embed(
    texts: Sequence[str],
    keys: NDArray[np.uint64] | None,
    encoder: Encoder,
    *,
    cache: VectorCache | None = None,
    batch_size: int = 32_768,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Vectors of texts; see the module.

    Parameters
    ----------
    texts
        n strings.
    keys
        Shape (n, 2): content keys of the texts (`content_keys`); None computes them.
    encoder
        Whose vectors.
    cache
        Where vectors are looked up and kept; None encodes every distinct text.
    batch_size
        Texts encoded, and written to the cache as one shard, at a time: what a crash can lose.
    on_progress
        Called after each batch with the number of distinct texts that have a vector, and how many there are.

    Returns
    -------
    Shape (n, dim), float32, rows of the encoder; independent of the order of the texts, the cache and the
    batches as far as the encoder keeps its contract.

    Raises
    ------
    ValueError
        `keys` do not fit `texts`, `batch_size` is below 1, or the encoder returned rows of another shape.
    """
    keys = content_keys(texts) if keys is None else np.asarray(keys, dtype=np.uint64)
    if keys.shape != (len(texts), 2):
        raise ValueError(
            f"keys: shape {keys.shape} for {len(texts)} texts; give ({len(texts)}, 2), see content_keys"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: give at least 1")
    first, inverse = _distinct(keys)
    vectors = np.zeros((len(first), encoder.dim), dtype=np.float32)
    known = np.zeros(len(first), dtype=bool)
    if cache is not None:
        vectors, known = cache.lookup(encoder.fingerprint, keys[first], dim=encoder.dim)
    missing = np.flatnonzero(~known)
    n_done = len(first) - len(missing)
    if on_progress is not None:
        on_progress(n_done, len(first))
    for start in range(0, len(missing), batch_size):
        batch = missing[start : start + batch_size]
        found = _checked(encoder, [texts[i] for i in first[batch]])
        vectors[batch] = found
        if cache is not None:
            cache.store(encoder.fingerprint, keys[first[batch]], found)
        if on_progress is not None:
            on_progress(n_done + start + len(batch), len(first))
    return vectors if len(first) == len(texts) and _is_identity(inverse) else vectors[inverse]


def _distinct(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First positions of the distinct keys, in order of position, and for each row its place among them."""
    n = len(keys)
    order = np.lexsort((np.arange(n), keys[:, 1], keys[:, 0]))
    in_order = keys[order]
    is_first = np.ones(n, dtype=bool)
    is_first[1:] = np.any(in_order[1:] != in_order[:-1], axis=1)
    group_of_row = np.empty(n, dtype=np.int64)
    group_of_row[order] = np.cumsum(is_first) - 1
    first_of_group = order[is_first]
    by_position = np.argsort(first_of_group)
    place = np.empty(len(by_position), dtype=np.int64)
    place[by_position] = np.arange(len(by_position))
    return first_of_group[by_position], place[group_of_row]


def _is_identity(inverse: NDArray[np.int64]) -> bool:
    return bool(np.array_equal(inverse, np.arange(len(inverse))))


def _checked(encoder: Encoder, texts: list[str]) -> NDArray[np.float32]:
    found = np.asarray(encoder.encode(texts), dtype=np.float32)
    if found.shape != (len(texts), encoder.dim):
        raise ValueError(
            f"encoder {encoder.fingerprint!r} returned shape {found.shape} for {len(texts)} texts; "
            f"its encode must return ({len(texts)}, {encoder.dim})"
        )
    if not np.isfinite(found).all():
        raise ValueError(f"encoder {encoder.fingerprint!r} returned values that are not finite")
    return found
