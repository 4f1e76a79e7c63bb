"""Which shared spans are skeleton: long runs of shared shingles, against the traffic's own ordinary language.

People who have never met share phrases ("what is the difference between"), and the larger the traffic, the
more of them. They share *short* ones: the number of maximal runs of shingles that t principals share falls
geometrically with the run's length, while a wrapper's run is as long as the wrapper. The null model is that
geometric law, fitted for a ladder of levels t = 2, 4, 8, ... to the runs of two to five shingles; at each
level a span counts as skeleton when at most ``false_share`` of the prompts would show so long a run by
ordinary language alone. More traffic or more uniform language makes the law heavier and the demanded run
longer. Runs with which a part of a text (system prompt, prompt) begins or ends have laws of their own: there
are fewer of them, and there wrappers stand, so that a head of seven words is told from a phrase.

One constant for all (say, a shingle in 60 prompts) would neither find a family of thirty accounts nor survive
a larger traffic; a length alone would lose the wrappers of eight words that thousands of accounts send.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.shingles import CUT, SHINGLE_WORDS, ShingleTable, scratch, shingle_slots
from embedder.text_buffer import TextBuffer, concatenated
from embedder.words import code_point_tables, compiled, find_words, mix

LOWEST_LEVEL = 2  # the fewest that share anything; one customer's own prompts are not shared
INSIDE, START, END = 0, 1, 2  # of a part of a text (system prompt, prompt, window)
N_PLACES = 3
_LONGEST_RUN = 64  # histogram's end: longer runs are templates, whatever their length


@dataclass(frozen=True)
class SpanRule:
    """Levels of the ladder and the run each demands.

    Attributes
    ----------
    levels : (m,) int32, ascending
        Numbers of principals that share a shingle.
    shortest_run : (3, m) int32
        Consecutive shingles, all at this level, that make a span skeleton (a run of r is r + 3 words long):
        inside its part of the text, at its start, at its end.
    """

    levels: NDArray[np.int32]
    shortest_run: NDArray[np.int32]

    @property
    def ordinary_words(self) -> int:
        """Words from which a span is no ordinary phrase at any level."""
        return int(self.shortest_run.max()) + SHINGLE_WORDS - 1


@compiled
def _place(halves, slots, run):  # type: ignore[no-untyped-def]
    """Where in its part of a text a run of shingles (start, end, words of the text) stands."""
    start, end, n = run
    if start == 0 or halves[start - 1] == 0:
        return START
    return END if end == n or slots[end] == CUT else INSIDE


@compiled
def _run_histogram(data, offsets, rows, counts, levels, tables, longest):  # type: ignore[no-untyped-def]
    """Distinct maximal runs by place, level and length over all texts; the last bin holds all longer ones."""
    runs = np.zeros((N_PLACES, levels.shape[0], _LONGEST_RUN + 1), np.int64)
    seen = np.zeros(counts.shape[0], np.uint32)  # bit l: a run of this hash was counted at level l
    words = scratch(longest)
    slots = np.empty(longest + 2, np.int64)
    mask = np.uint64(counts.shape[0] - 1)
    for t in rows:
        n = find_words(data, (offsets[t], offsets[t + 1]), tables, words)
        shingle_slots(words, n, mask, slots)
        for level in range(levels.shape[0]):
            run = 0
            bit = np.uint32(1 << level)
            h = np.uint64(run)
            for i in range(n + 1):
                if i < n and slots[i] >= 0 and counts[slots[i]] >= levels[level]:
                    run += 1
                    h = mix(h * np.uint64(31) + np.uint64(slots[i]))
                elif run > 0:
                    place = _place(words[3], slots, (i - run, i, n))
                    h = mix(h + np.uint64(place))
                    if seen[h & mask] & bit == 0:
                        seen[h & mask] |= bit
                        runs[place, level, min(run, _LONGEST_RUN)] += 1
                    run = 0
                    h = np.uint64(run)
    return runs


@compiled
def _mark(words, n, slots, counts, levels, shortest, keep):  # type: ignore[no-untyped-def]
    """Set keep[i] for each word inside a run that is long enough at some level."""
    halves = words[3]
    keep[:n] = False
    for level in range(levels.shape[0]):
        run = 0
        for i in range(n + 1):
            if i < n and slots[i] >= 0 and counts[slots[i]] >= levels[level]:
                run += 1
                continue
            if run > 0 and run >= shortest[_place(halves, slots, (i - run, i, n)), level]:
                for j in range(i - run, i):
                    keep[j] = True
                mass, j = 0, i - 1  # the last shingle reaches over the words that follow its start
                while j < n and mass < 8 and halves[j] > 0:
                    keep[j] = True
                    mass += halves[j]
                    j += 1
            run = 0


@compiled
def _cut(data, offsets, counts, levels, shortest, tables, longest):  # type: ignore[no-untyped-def]
    """Skeleton of each text as a byte buffer with offsets; spans are joined by one space."""
    out = np.empty(data.shape[0] + offsets.shape[0] + 8, np.uint8)
    ends = np.zeros(offsets.shape[0], np.int64)
    at = 0
    words = scratch(longest)
    slots = np.empty(longest + 2, np.int64)
    keep = np.empty(longest + 2, np.bool_)
    mask = np.uint64(counts.shape[0] - 1)
    _, starts, stops, halves = words
    for t in range(offsets.shape[0] - 1):
        n = find_words(data, (offsets[t], offsets[t + 1]), tables, words)
        shingle_slots(words, n, mask, slots)
        _mark(words, n, slots, counts, levels, shortest, keep)
        i = 0
        while i < n:
            j = i
            while j + 1 < n and keep[j + 1] == keep[i] and halves[j] > 0 and halves[j + 1] > 0:
                j += 1
            if keep[i] and halves[i] > 0:
                if at > ends[t]:
                    out[at] = 32
                    at += 1
                length = stops[j] - starts[i]
                out[at : at + length] = data[starts[i] : stops[j]]
                at += length
            i = j + 1
        ends[t + 1] = at
    return out[:at].copy(), ends


def fit_rule(
    texts: TextBuffer, rows: NDArray[np.int64], table: ShingleTable, *, false_share: float = 1e-2
) -> SpanRule:
    """Fit the geometric law of ordinary runs at each level and read off the run that it makes rare.

    With N(r) the number of distinct maximal runs of r shingles that t principals share and rho the ratio of
    the law, the demanded length is the smallest r with
    N(2) / (1 - rho) * rho**(r - 2) <= false_share * n / t.

    Parameters
    ----------
    texts : TextBuffer
        Distinct texts.
    rows : (n,) int64
        The texts whose runs are ordinary language's: those that one principal wrote.
    table : ShingleTable
        Counted over all the texts.
    false_share : float in (0, 1)
        Accepted share of prompts whose ordinary phrases pass for a skeleton, per level.
    """
    lowest = max(LOWEST_LEVEL, int(np.ceil(3 * table.expected_collisions)) + 1)
    top = max(lowest, int(table.n_principals.max(initial=0)))
    levels = (lowest * 2 ** np.arange(1 + int(np.log2(top / lowest)))).astype(np.int32)
    runs = _run_histogram(
        texts.data, texts.offsets, rows, table.n_principals, levels, code_point_tables(), texts.longest
    )
    n = max(1, len(rows))
    # A phrase that t principals share stands in at least t prompts.
    shortest = [
        [_demanded_run(row, false_share * n / t) for row, t in zip(place, levels, strict=True)]
        for place in runs
    ]
    # A run shared by more principals is a run shared by fewer, too: it need not be longer.
    return SpanRule(levels, np.minimum.accumulate(np.array(shortest, np.int32), axis=1))


def _demanded_run(runs: NDArray[np.int64], accepted: float) -> int:
    """Smallest run that ordinary language is expected to show at most ``accepted`` times.

    Maximum likelihood of a geometric law on the runs of exactly two to five shingles: long enough to have
    left the sparser law of single shingles, too short to be wrappers. Ten pseudo-counts at rho = 1/2 stand in
    for language where a small traffic shows none.
    """
    lengths = np.arange(2, 6)
    counts = runs[lengths] + 10 * 0.5 ** (lengths - 1)
    mean = float((counts * (lengths - 2)).sum() / counts.sum())
    rho = _truncated_geometric(mean, len(lengths))
    expected = counts[0] / (1 - rho)
    return max(2, int(np.ceil(2 + np.log(accepted / expected) / np.log(rho))))


def _truncated_geometric(mean: float, n_values: int) -> float:
    """Ratio rho of the law rho**x on x = 0..n_values-1 that has this mean, by bisection; at most 0.9."""
    low, high = 0.01, 0.9
    x = np.arange(n_values)
    for _ in range(40):
        rho = (low + high) / 2
        law = rho**x
        low, high = (rho, high) if (law * x).sum() / law.sum() < mean else (low, rho)
    return (low + high) / 2


def cut_texts(texts: TextBuffer, table: ShingleTable, rule: SpanRule) -> TextBuffer:
    """Skeleton of each text: its words inside skeleton spans."""
    tables = code_point_tables()
    decisive = (table.n_principals, rule.levels, rule.shortest_run, tables)
    return concatenated(
        [TextBuffer(*_cut(part.data, part.offsets, *decisive, part.longest)) for _, part in texts.parts()]
    )
