"""Words of UTF-8 text, found and hashed by one compiled pass over the bytes.

A word is a maximal run of letters, marks, digits and underscores. In scripts that write without spaces (Han,
Hiragana, Katakana, Thai, Lao, Khmer, Myanmar) every letter stands alone and counts half a word. Hashes ignore
case, and every number has the same hash, so that "Write 5" and "write 10" agree. ``BREAK`` (U+001E) separates
parts of one text (system prompt and prompt, windows of a long prompt): no shingle reaches across it.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

BREAK = "\x1e"

# Classes of a code point, and the length of a token in half words.
OTHER, LETTER, ALONE, DIGIT, BOUNDARY = 0, 1, 2, 3, 4

_ALONE_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x323AF),  # Han, extensions B to H
)
_N_CODE_POINTS = 0x110000
_LAST_LETTER = 0x323B0  # above it are tags, variation selectors and private use


@cache
def code_point_tables() -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Case folding and class of every code point.

    Returns
    -------
    fold : (0x110000,) uint32
        Lower case where it is a single code point, else the code point itself.
    kind : (0x110000,) uint8
        OTHER, LETTER, ALONE, DIGIT or BOUNDARY.
    """
    fold = np.arange(_N_CODE_POINTS, dtype=np.uint32)
    kind = np.zeros(_N_CODE_POINTS, np.uint8)
    for point in range(_LAST_LETTER):
        char = chr(point)
        category = unicodedata.category(char)
        if category == "Nd":
            kind[point] = DIGIT
        elif category[0] in "LNM" or char == "_":
            kind[point] = LETTER
            lower = char.lower()
            if len(lower) == 1:
                fold[point] = ord(lower)
    for first, last in _ALONE_RANGES:
        within = kind[first : last + 1]
        within[within == LETTER] = ALONE
    kind[ord(BREAK)] = BOUNDARY
    return fold, kind


def compiled(function: Any) -> Any:
    """Compile with numba, cached on disk, without the interpreter's lock."""
    return numba.njit(cache=True, nogil=True)(function)


@compiled
def mix(x: np.uint64) -> np.uint64:
    """Murmur3's 64-bit finaliser: every input bit moves every output bit."""
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


@compiled
def decode(buffer: NDArray[np.uint8], i: int) -> tuple[np.int64, int]:
    """Code point at byte i of valid UTF-8, and its length in bytes."""
    b = np.int64(buffer[i])
    if b < 0x80:
        return b, 1
    if b < 0xE0:
        return (b & 0x1F) << 6 | np.int64(buffer[i + 1] & 0x3F), 2
    tail = np.int64(buffer[i + 1] & 0x3F) << 6 | np.int64(buffer[i + 2] & 0x3F)
    if b < 0xF0:
        return (b & 0x0F) << 12 | tail, 3
    return (b & 0x07) << 18 | tail << 6 | np.int64(buffer[i + 3] & 0x3F), 4


@compiled
def find_words(
    buffer: NDArray[np.uint8],
    bounds: tuple[int, int],
    tables: tuple[NDArray[np.uint32], NDArray[np.uint8]],
    out: tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]],
) -> int:
    """Write the words of ``buffer[bounds[0]:bounds[1]]`` into ``out``; return how many.

    ``out`` holds (hash, first byte, byte after the last, half words) per token; a BOUNDARY has 0 half words.
    Its arrays must be longer than the span is in bytes.
    """
    fold, kind = tables
    hashes, starts, ends, halves = out
    start, end = bounds
    n, i, first, number = 0, start, -1, True
    h = np.uint64(0)
    while i <= end:
        point, length = decode(buffer, i) if i < end else (0, 1)
        k = kind[point] if i < end else OTHER
        if k in (LETTER, DIGIT):
            if first < 0:
                first, number, h = i, True, np.uint64(0xCBF29CE484222325)
            number = number and k == DIGIT
            h = (h ^ np.uint64(fold[point])) * np.uint64(0x100000001B3)
        else:
            if first >= 0:
                hashes[n] = np.uint64(1) if number else mix(h)
                starts[n], ends[n], halves[n] = first, i, 2
                n, first = n + 1, -1
            if k in (ALONE, BOUNDARY):
                hashes[n] = mix(np.uint64(point))
                starts[n], ends[n], halves[n] = i, i + length, 1 if k == ALONE else 0
                n += 1
        i += length
    return n


def words_of(text: str) -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Words of one text, for alignments.

    Returns
    -------
    hashes : list of n ints
        Equal for equal words (case and numbers folded); boundaries are left out.
    starts, ends : (n,) int64
        The word is ``text.encode()[start:end]``.
    """
    data = np.frombuffer(text.encode(), np.uint8)
    size = len(data) + 2
    out = (
        np.empty(size, np.uint64),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.uint8),
    )
    n = find_words(data, (0, len(data)), code_point_tables(), out)
    real = np.flatnonzero(out[3][:n] > 0)
    return out[0][real].tolist(), out[1][real], out[2][real]
