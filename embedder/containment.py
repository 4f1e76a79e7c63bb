"""Which texts hold the text of others, but for short gaps: by shingles, in one pass over the holders.

Texts that may be held are few (one for each cluster) and their shingles are kept as a sorted list; the texts
that may hold them stream by. A text is held when no run of its words as long as a shingle is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.shingles import SHINGLE_WORDS, scratch, shingle_slots
from embedder.text_buffer import TextBuffer
from embedder.words import code_point_tables, compiled, find_words

_ALL_BITS = np.uint64((1 << 63) - 1)


@dataclass(frozen=True)
class HeldTexts:
    """Words of m texts, and their shingles in the order of their hashes.

    Attributes
    ----------
    ends : (m + 1,) int64
        Text i has the words ``ends[i]:ends[i + 1]``.
    words : (w,) uint64
        Hashes; equal for equal words.
    halves : (w,) uint8
        Length of a word in half words; 0 for a boundary.
    hashes : (s,) int64, ascending
        Shingles.
    places : (s,) int64
        The word that each shingle starts with; ascending among equal hashes.
    owners : (s,) int64
        Text of each shingle.
    """

    ends: NDArray[np.int64]
    words: NDArray[np.uint64]
    halves: NDArray[np.uint8]
    hashes: NDArray[np.int64]
    places: NDArray[np.int64]
    owners: NDArray[np.int64]


@compiled
def _read(data, offsets, tables, longest):  # type: ignore[no-untyped-def]
    """Words, half words and shingles (-1 for none) of all texts, one after another."""
    size = data.shape[0] + offsets.shape[0] + 2
    hashes, halves, shingles = np.empty(size, np.uint64), np.empty(size, np.uint8), np.empty(size, np.int64)
    ends = np.zeros(offsets.shape[0], np.int64)
    words, slots = scratch(longest), np.empty(longest + 2, np.int64)
    for t in range(offsets.shape[0] - 1):
        n = find_words(data, (offsets[t], offsets[t + 1]), tables, words)
        shingle_slots(words, n, _ALL_BITS, slots)
        first = ends[t]
        hashes[first : first + n], halves[first : first + n] = words[0][:n], words[3][:n]
        shingles[first : first + n] = slots[:n]
        ends[t + 1] = first + n
    last = ends[-1]
    return ends, hashes[:last].copy(), halves[:last].copy(), shingles[:last].copy()


def held_texts(texts: TextBuffer) -> HeldTexts:
    """Words and sorted shingles of texts."""
    ends, words, halves, shingles = _read(texts.data, texts.offsets, code_point_tables(), texts.longest)
    places = np.flatnonzero(shingles >= 0)
    places = places[np.argsort(shingles[places], kind="stable")]
    owners = np.searchsorted(ends, places, side="right") - 1
    return HeldTexts(ends, words, halves, shingles[places], places, owners)


@compiled
def _support(data, offsets, tables, longest, held, labels):  # type: ignore[no-untyped-def]
    """Number of texts of each label that hold each shingle of the label's own held text."""
    hashes, places, owners, n_words = held
    support = np.zeros(n_words, np.int64)
    seen = np.full(n_words, -1, np.int64)
    words, slots = scratch(longest), np.empty(longest + 2, np.int64)
    for t in range(offsets.shape[0] - 1):
        if labels[t] < 0:
            continue
        n = find_words(data, (offsets[t], offsets[t + 1]), tables, words)
        shingle_slots(words, n, _ALL_BITS, slots)
        for i in range(n):
            e = np.searchsorted(hashes, slots[i]) if slots[i] >= 0 else hashes.shape[0]
            while e < hashes.shape[0] and hashes[e] == slots[i]:
                if owners[e] == labels[t] and seen[places[e]] != t:
                    seen[places[e]] = t
                    support[places[e]] += 1
                e += 1
    return support


def common_words(
    held: HeldTexts, texts: TextBuffer, rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Words of each held text inside shingles that most texts of its label hold.

    Parameters
    ----------
    held : HeldTexts
        Text i stands for label i.
    texts : TextBuffer
    rows : (m,) int64
        The texts that count.
    labels : (m,) int64
        Of these; -1 for none.

    Returns
    -------
    (w,) bool
    """
    known, tables = (held.hashes, held.places, held.owners, len(held.words)), code_point_tables()
    support = np.zeros(len(held.words), np.int64)
    for places, part in texts.blocks(rows):
        support += _support(part.data, part.offsets, tables, part.longest, known, labels[places])
    total = np.bincount(labels[labels >= 0], minlength=len(held.ends) - 1)
    common = np.zeros(len(held.words), np.bool_)
    most = 2 * support[held.places] > total[held.owners]
    _cover(np.sort(held.places[most]), held.halves, common)
    return common


@compiled
def _cover(places, halves, covered):  # type: ignore[no-untyped-def]
    """Set ``covered`` for the words of the shingles that start at ``places``."""
    for i in range(places.shape[0]):
        j, mass = places[i], 0
        while j < halves.shape[0] and mass < 2 * SHINGLE_WORDS and halves[j] > 0:
            covered[j] = True
            mass += halves[j]
            j += 1


@compiled
def _holders(data, offsets, tables, longest, held, n_shingles):  # type: ignore[no-untyped-def]
    """Pairs (text, held text) where no run of words as long as a shingle is missing."""
    hashes, places, owners, ends, halves = held
    m = ends.shape[0] - 1
    rows, whose, k = np.empty(1024, np.int64), np.empty(1024, np.int64), 0
    seen, count = np.full(halves.shape[0], -1, np.int64), np.zeros(m, np.int64)
    touched = np.empty(m, np.int64)
    words, slots = scratch(longest), np.empty(longest + 2, np.int64)
    for t in range(offsets.shape[0] - 1):
        n = find_words(data, (offsets[t], offsets[t + 1]), tables, words)
        shingle_slots(words, n, _ALL_BITS, slots)
        n_touched = 0
        for i in range(n):
            e = np.searchsorted(hashes, slots[i]) if slots[i] >= 0 else hashes.shape[0]
            while e < hashes.shape[0] and hashes[e] == slots[i]:
                if seen[places[e]] != t:
                    seen[places[e]] = t
                    if count[owners[e]] == 0:
                        touched[n_touched] = owners[e]
                        n_touched += 1
                    count[owners[e]] += 1
                e += 1
        for j in range(n_touched):
            owner = touched[j]
            enough = 2 * count[owner] >= n_shingles[owner]
            count[owner] = 0
            if enough and _longest_gap(seen, t, (ends[owner], ends[owner + 1]), halves) < 2 * SHINGLE_WORDS:
                if k == rows.shape[0]:
                    rows, whose = np.append(rows, np.empty_like(rows)), np.append(whose, np.empty_like(whose))
                rows[k], whose[k] = t, owner
                k += 1
    return rows[:k].copy(), whose[:k].copy()


@compiled
def _longest_gap(seen, t, bounds, halves):  # type: ignore[no-untyped-def]
    """Half words in the longest run that no shingle seen in text t covers."""
    gap, longest, covered_mass = 0, 0, 0
    for i in range(bounds[0], bounds[1]):
        if seen[i] == t:
            covered_mass = 2 * SHINGLE_WORDS
        if covered_mass > 0:
            covered_mass -= halves[i]
            gap = 0
        else:
            gap += halves[i]
            longest = max(longest, gap)
    return longest


def holders(
    held: HeldTexts, texts: TextBuffer, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of some texts hold which of the held texts, all but runs shorter than a shingle.

    At least half of the held text's shingles are there, and the missing ones leave no run of words uncovered
    that is as long as a shingle. The order of the pieces is not looked at.

    Returns
    -------
    holding, owners : (k,) int64
        Pairs (place in `rows`, held text); by place, then in the order of the first shingle they share.
    """
    known = (held.hashes, held.places, held.owners, held.ends, held.halves)
    n_shingles, tables = np.bincount(held.owners, minlength=len(held.ends) - 1), code_point_tables()
    holding, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for places, part in texts.blocks(rows):
        found, whose = _holders(part.data, part.offsets, tables, part.longest, known, n_shingles)
        holding.append(found + places.start)
        owners.append(whose)
    return np.concatenate(holding), np.concatenate(owners)
