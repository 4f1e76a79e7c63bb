"""Words without end: the names, products and compounds that keep coming the longer people write.

The words of people follow a power law: a few are everybody's, and new ones never stop (Heaps' law). A coinage
numbers its words 0, 1, 2, …, the more popular first, and spells a number in syllables or in parts of a
compound. The word of rank k is about as popular as that of a Pitman-Yor urn with discount d, which falls as
k ** (-1 / d) (Pitman and Yor, Annals of Probability 25, 1997): ranks follow a Pareto law, P(rank > k) =
(1 + k / h) ** (1 - 1 / d), and n draws show in the order of n ** d different words. No urn is kept: the cost
is that of the draws, and any part of a log is made without the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_DISCOUNT = 0.625  # d above: Heaps' exponents of English are 0.5 to 0.75; the middle, chosen and not fitted
_HEAD = 30.0  # h above: ranks below it are about equally popular, as Zipf's law bends at its head; chosen
_OWN = 0.5  # share of a person's draws that come from the person's own urn
_LONGEST = 2  # middle parts in one word


@dataclass(frozen=True)
class Coinage:
    """Parts of words: a first one, any number of middle ones, a last one; (n,) object each."""

    first: NDArray[np.object_]
    middle: NDArray[np.object_]
    last: NDArray[np.object_]
    salt: int

    @property
    def n_words(self) -> int:
        """Different words, up to different ways to put together one spelling."""
        n_middle = len(self.middle)
        n_spellings: int = sum(n_middle**k for k in range(_LONGEST + 1))
        return len(self.first) * len(self.last) * n_spellings


def make_coinage(name: str, parts: Sequence[Sequence[str]]) -> Coinage:
    """A coinage of the lists first, middle, last; of two lists, the first serves for the middle as well.

    Raises
    ------
    ValueError
        There are not two or three lists, or one is empty.
    """
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(
            f"slot {name!r} coins words of {[len(part) for part in parts]} parts; "
            "give it two or three lists that are not empty"
        )
    first, middle, last = (np.array(parts[place], dtype=object) for place in (0, -2, -1))
    return Coinage(first, middle, last, crc32(name.encode()))


def coin(coinage: Coinage, shift: NDArray[np.int64], *, rng: np.random.Generator) -> NDArray[np.object_]:
    """A word for each row of `shift` ((n,) int64), which names the row's person; 0: nobody in particular.

    Half of a person's words are the person's own: a few that come again and again, drawn once from the same
    law as everybody's.
    """
    n_rows = len(shift)
    level = rng.random(n_rows)
    nth = rng.geometric(0.4, n_rows)
    own = (rng.random(n_rows) < _OWN) & (shift != 0)
    level = np.where(own, _uniform(shift, nth, salt=coinage.salt), level)
    rank = (_HEAD * ((1.0 - level) ** (_DISCOUNT / (_DISCOUNT - 1.0)) - 1.0)).clip(0, 2**52).astype(np.int64)
    return spelled(coinage, rank % coinage.n_words)


def spelled(coinage: Coinage, rank: NDArray[np.int64]) -> NDArray[np.object_]:
    """The words of ranks in [0, ``n_words``); neighbours in rank seldom share a part."""
    n_first, n_middle, n_last = len(coinage.first), len(coinage.middle), len(coinage.last)
    first, rest = rank % n_first, rank // n_first
    last, rest = (rest + 7 * first) % n_last, rest // n_last
    words = coinage.first[first]
    while rest.any():
        longer = np.flatnonzero(rest)
        words[longer] += coinage.middle[(rest[longer] - 1) % n_middle]
        rest[longer] = (rest[longer] - 1) // n_middle
    spelled_out: NDArray[np.object_] = words + coinage.last[last]
    return spelled_out


def _uniform(shift: NDArray[np.int64], nth: NDArray[np.int64], *, salt: int) -> NDArray[np.float64]:
    """A number in [0, 1) that depends on the person, the place among its favourites and the coinage alone."""
    x = shift.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x ^= nth.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F) ^ np.uint64(salt)
    for turn in (33, 29):  # Murmur3's finaliser
        x ^= x >> np.uint64(turn)
        x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    return (x >> np.uint64(11)).astype(np.float64) / 2.0**53
