"""Shingles (runs of four words) and in how many principals' prompts each one occurs.

Document frequency is counted over *principals*: a thousand requests of one customer count once. Requests are
visited principal by principal, so that a slot which remembers its last principal counts each exactly once.
The table has a fixed number of slots (its memory is a setting, not a function of the input); two shingles may
share a slot, and what that adds to a count is measured (``expected_collisions``) and stays below every
threshold used on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from embedder.text_buffer import TextBuffer
from embedder.words import code_point_tables, compiled, find_words, mix

SHINGLE_WORDS = 4
CUT, NUMBERS = -1, -2  # no slots
NUMBER = np.uint64(1)  # the hash that ``find_words`` gives every number
_MIN_BITS = 16
_PROBE_BYTES, _PROBE_CHARS = 1 << 18, 1 << 10


@dataclass(frozen=True)
class ShingleTable:
    """Number of principals per shingle slot.

    Attributes
    ----------
    n_principals : (2**bits,) int32
        Principals in whose prompts a shingle of this slot occurs.
    expected_collisions : float
        Mean number of principals that unrelated shingles add to a slot.
    """

    n_principals: NDArray[np.int32]
    expected_collisions: float

    def sparse(self, minimum: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Slots that reach ``minimum`` principals, and their counts: the table's form on disk."""
        slots = np.flatnonzero(self.n_principals >= minimum)
        return slots, self.n_principals[slots]


def table_bits(n_bytes: int, memory: int) -> int:
    """Bits of a table for texts of ``n_bytes`` that stays within ``memory`` bytes (8 a slot).

    Eight slots for each word (about six bytes) keep collisions rare, until the memory bound decides.
    """
    wanted = int(np.ceil(np.log2(max(1.0, 8 * n_bytes / 6))))
    allowed = int(np.floor(np.log2(max(1, memory // 8))))
    return max(_MIN_BITS, min(wanted, allowed))


@compiled
def scratch(longest):  # type: ignore[no-untyped-def]
    """Arrays for the words of a text of at most ``longest`` bytes."""
    size = longest + 2
    return (
        np.empty(size, np.uint64),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.uint8),
    )


@compiled
def shingle_slots(words, n, mask, slots):  # type: ignore[no-untyped-def]
    """Slot of the shingle that starts at each of n words; CUT where a boundary or the end cuts it.

    Numbers alone, which all have one hash, are no shingle: NUMBERS.
    """
    hashes, _, _, halves = words
    for i in range(n):
        mass, j, told = 0, i, False
        h = np.uint64(0x9E3779B97F4A7C15)
        while j < n and mass < 2 * SHINGLE_WORDS and halves[j] > 0:
            h = mix(h * np.uint64(31) + hashes[j])
            mass += halves[j]
            told |= hashes[j] != NUMBER
            j += 1
        slots[i] = np.int64(h & mask) if told else NUMBERS
        if mass < 2 * SHINGLE_WORDS:
            slots[i] = CUT


@compiled
def _count(data, offsets, texts, principals, tables, bits, longest):  # type: ignore[no-untyped-def]
    """Principals per slot, and the number of (shingle, principal) pairs counted."""
    count = np.zeros(1 << bits, np.int32)
    last = np.full(1 << bits, -1, np.int32)
    words = scratch(longest)
    slots = np.empty(longest + 2, np.int64)
    mask = np.uint64((1 << bits) - 1)
    total = 0
    for q in range(texts.shape[0]):
        t, principal = texts[q], principals[q]
        n = find_words(data, (offsets[t], offsets[t + 1]), tables, words)
        shingle_slots(words, n, mask, slots)
        for i in range(n):
            s = slots[i]
            if s >= 0 and last[s] != principal:
                last[s] = principal
                count[s] += 1
                total += 1
    return count, total


def count_shingles(
    texts: TextBuffer,
    pairs: tuple[NDArray[np.int64], NDArray[np.int32]],
    *,
    min_texts: int,
    memory: int = 1 << 30,
) -> ShingleTable:
    """Count, for every shingle, the principals in whose texts it occurs.

    Parameters
    ----------
    texts : TextBuffer
        Distinct texts.
    pairs : (text row, principal row) arrays of equal length
        Who sent which text; sorted by principal, each pair once.
    min_texts : int
        Distinct texts a shingle must stand in to count at all: a wrapper stands around many payloads, while a
        popular question, a benchmark's item or a shared document is one text, whoever sends it.
    memory : int, bytes
        Bound on one table of eight bytes a slot; two are held while counting.

    Returns
    -------
    ShingleTable
        The same for any order of the texts; exact but for collisions.

    Raises
    ------
    ValueError
        When the pairs are not sorted by principal: counts would be wrong without a sign.
    """
    text_rows, principal_rows = pairs
    if np.any(np.diff(principal_rows) < 0):
        raise ValueError("pairs must be sorted by principal; sort them before counting")
    bits = table_bits(len(texts.data), memory)
    everyone = np.arange(len(texts))
    tables = code_point_tables()
    n_texts, _ = _count(
        texts.data, texts.offsets, everyone, everyone.astype(np.int32), tables, bits, texts.longest
    )
    count, total = _count(texts.data, texts.offsets, text_rows, principal_rows, tables, bits, texts.longest)
    count[n_texts < min_texts] = 0
    return ShingleTable(count, total / len(count))


def time_shingles(texts: Iterable[str], *, repeats: int = 20) -> float:
    """CPU seconds that counting the shingles of a mebibyte of these texts takes on this machine.

    A measure of the machine more than of the texts: a quarter of a mebibyte of them is counted (again and
    again, where they are fewer) into a table so small that neither the processor's cache nor the state of the
    process's memory matters, and the quickest of some repeats holds.

    Raises
    ------
    ValueError
        There is no text.
    """
    chosen: list[bytes] = []
    size = 0
    for text in cycle(text for text in texts if text):
        piece = text[:_PROBE_CHARS].encode()
        chosen.append(piece)
        size += len(piece)
        if size >= _PROBE_BYTES:
            break
    if not chosen:
        raise ValueError("texts: none holds a byte; give some text")
    buffer = TextBuffer(
        np.frombuffer(b"".join(chosen), np.uint8), np.cumsum([0, *map(len, chosen)]).astype(np.int64)
    )
    rows = np.arange(len(chosen))
    pairs = rows, rows.astype(np.int32)
    memory = 8 << _MIN_BITS
    count_shingles(buffer, pairs, min_texts=1, memory=memory)  # compiles, or loads what was compiled
    spent = []
    for _ in range(repeats):
        started = time.process_time()
        count_shingles(buffer, pairs, min_texts=1, memory=memory)
        spent.append(time.process_time() - started)
    return min(spent) / size * (1 << 20)
