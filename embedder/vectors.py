"""Vectors of texts in half precision, block by block, into an array or a mapped file.

A slow encoder's vectors are cached by content: a text is known by its content key, 16 bytes of BLAKE2b as two
64-bit numbers; equal keys of a block are encoded once, and what the cache holds for this encoder's
fingerprint is not encoded at all. An encoder with ``encode_into`` says by it that it is as fast as such a
look-up, and reads columns of texts: it gets every text, and the cache is neither asked nor filled. The bytes
are the same either way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder.encoders import Encoder
from embedder.vector_cache import VectorCache


class Texts(Protocol):
    """n texts that are read a run of rows at a time: a list, a String series, `GatheredTexts`."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Sequence[str] | pl.Series: ...


@dataclass(frozen=True)
class GatheredTexts:
    """Texts of rows that are gathered when they are read, so that they are never all there.

    Attributes
    ----------
    rows : (n,) int64
        In any order, also repeated.
    gather : function
        From some of the rows to their texts, a String series.
    """

    rows: NDArray[np.int64]
    gather: Callable[[NDArray[np.int64]], pl.Series]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice, /) -> pl.Series:
        return self.gather(self.rows[rows])


@runtime_checkable
class ColumnEncoder(Encoder, Protocol):
    """An encoder that is as fast as a look-up and makes no Python object of a text."""

    def encode_into(self, texts: Sequence[str] | pl.Series, out: NDArray[np.float16]) -> None:
        """Write the vectors that `encode` gives, rounded to half precision, into the rows of ``out``."""
        ...


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
    texts: Texts,
    encoder: Encoder,
    *,
    cache: VectorCache | None = None,
    out: NDArray[np.float16] | None = None,
    batch_size: int = 32_768,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float16]:
    """Vectors of texts; see the module.

    Parameters
    ----------
    texts
        n texts.
    encoder
        Whose vectors.
    cache
        Where the vectors of an encoder without ``encode_into`` are looked up and kept; None encodes every
        distinct text of a batch.
    out
        Shape (n, dim), an array or a memory map that is filled; None makes an array.
    batch_size
        Texts that are read, encoded, and written to the cache as one shard, at a time: what a crash can lose.
    on_progress
        Called before the first and after each batch with the number of texts that have a vector, and n.

    Returns
    -------
    ``out``: rows of the encoder, independent of the order of the texts, the cache and the batches as far as
    the encoder keeps its contract. Nothing is lost of the encoders of this package; another one's rows are
    rounded to half precision (an angle moves by less than 1e-3, a cosine distance by about 1e-4).

    Raises
    ------
    ValueError
        `out` has another shape or type, `batch_size` is below 1, or the encoder returned rows of another
        shape or values that are not finite in half precision.
    """
    shape = (len(texts), encoder.dim)
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: give at least 1")
    if out is None:
        out = np.empty(shape, dtype=np.float16)
    elif out.shape != shape or out.dtype != np.float16:
        raise ValueError(f"out: shape {out.shape} of {out.dtype}; give {shape} of float16")
    if on_progress is not None:
        on_progress(0, len(texts))
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        stop = start + len(batch)
        if isinstance(encoder, ColumnEncoder):
            encoder.encode_into(batch, out[start:stop])
        else:
            out[start:stop] = _looked_up(list(batch), encoder, cache)
        if on_progress is not None:
            on_progress(stop, len(texts))
    return out


def _looked_up(texts: list[str], encoder: Encoder, cache: VectorCache | None) -> NDArray[np.float16]:
    """Vectors of texts out of the cache; those that it lacks encoded and put into it."""
    keys = content_keys(texts)
    first, inverse = _distinct(keys)
    vectors = np.zeros((len(first), encoder.dim), dtype=np.float32)
    known = np.zeros(len(first), dtype=bool)
    if cache is not None:
        vectors, known = cache.lookup(encoder.fingerprint, keys[first], dim=encoder.dim)
    missing = np.flatnonzero(~known)
    if len(missing):
        found = _checked(encoder, [texts[i] for i in first[missing]])
        vectors[missing] = found
        if cache is not None:
            cache.store(encoder.fingerprint, keys[first[missing]], found)
    halves: NDArray[np.float16] = vectors.astype(np.float16)[inverse]
    return halves


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


def _checked(encoder: Encoder, texts: list[str]) -> NDArray[np.float32]:
    found: NDArray[Any] = np.asarray(encoder.encode(texts), dtype=np.float32)
    if found.shape != (len(texts), encoder.dim):
        raise ValueError(
            f"encoder {encoder.fingerprint!r} returned shape {found.shape} for {len(texts)} texts; "
            f"its encode must return ({len(texts)}, {encoder.dim})"
        )
    if not (np.abs(found) <= np.finfo(np.float16).max).all():
        raise ValueError(
            f"encoder {encoder.fingerprint!r} returned values that are not finite in half precision; "
            "its rows must have length 1"
        )
    return found
