"""Identifiers that look like a log's own and are none of them."""

from __future__ import annotations

import os
import string
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

_N_MOULDS = 1_000
_LONGEST = 100  # characters of an identifier that is copied
_PLAIN = ("0" * 16,)  # where the log has none to copy
_CLASSES = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


@dataclass(frozen=True, eq=False)
class IdStyle:
    """What a log's identifiers look like, and which are taken.

    Parameters
    ----------
    moulds : identifiers of the log, in their order.
    taken : (n,) uint64, hashes of all of them, ascending: eight bytes each instead of the texts.
    """

    moulds: tuple[str, ...]
    taken: NDArray[np.uint64]

    def draw(self, n: int, *, rng: np.random.Generator) -> pl.Series:
        """`n` distinct identifiers, none of the log's; (n,) String.

        Each is an identifier of the log whose digits and Latin letters behind the prefix of all are drawn
        anew, from those that the log uses: hexadecimal stays hexadecimal, and no dash moves. Where a log has
        used up what its identifiers can say, the new ones get longer.
        """
        prefix = os.path.commonprefix(self.moulds)  # noqa: RUF071 - of texts, not of paths
        seen = {char for mould in self.moulds for char in mould[len(prefix) :]}
        letters = {char: sorted(seen.intersection(kind)) or list(kind) for kind in _CLASSES for char in kind}
        drawn = pl.Series([], dtype=pl.String)
        n_more = 0
        while len(drawn) < n:
            picks = rng.integers(0, len(self.moulds), n - len(drawn)).tolist()
            # A letter before the end decides in which class an identifier grows.
            texts = [self.moulds[pick] + "0" * n_more for pick in picks]
            fresh = pl.Series([_redrawn(text, len(prefix), letters, rng) for text in texts], dtype=pl.String)
            drawn = pl.concat([drawn, fresh.filter(self._free(fresh))]).unique(maintain_order=True)
            n_more += 1
        return drawn

    def _free(self, ids: pl.Series) -> NDArray[np.bool_]:
        hashes = ids.hash().to_numpy()
        at = np.minimum(np.searchsorted(self.taken, hashes), max(len(self.taken) - 1, 0))
        return self.taken[at] != hashes if len(self.taken) else np.ones(len(ids), dtype=np.bool_)


def id_style(ids: pl.Series) -> IdStyle:
    """The style of a log's identifiers; nulls and repetitions do not count, nor does the order."""
    ids = ids.drop_nulls().unique().sort()
    short = ids.filter(ids.str.len_chars() <= _LONGEST)
    rows = np.unique(np.linspace(0, max(len(short) - 1, 0), _N_MOULDS).astype(np.int64))
    moulds = tuple(short.gather(rows).to_list()) if len(short) else _PLAIN
    return IdStyle(moulds, np.sort(ids.hash().to_numpy()))


def _redrawn(text: str, n_kept: int, letters: dict[str, list[str]], rng: np.random.Generator) -> str:
    """The text with its digits and letters behind the first `n_kept` characters drawn anew."""
    chances = rng.random(len(text)).tolist()
    return text[:n_kept] + "".join(
        own[int(chance * len(own))] if (own := letters.get(char)) else char
        for char, chance in zip(text[n_kept:], chances[n_kept:], strict=True)
    )
