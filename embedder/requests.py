"""Requests as rows of numbers: which prompt, account and principal, when; and an identifier for each.

The order and the identifiers follow from what the rows hold, never from the order in which they came. Rows
come in parts, which are whole prompts in the order of ``prompt_id``; of all identifiers only 64-bit hashes
are held at a time, and in full only those that occur more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder.collapse import KEY, prompt_ids
from embedder.column_files import own_memory
from embedder.reading.records import TIME

REQUEST_ORDER = ("prompt_row", "timestamp", "account_row", "request_id")
REQUESTS = pl.Schema(
    {
        "request_id": pl.String(),
        "prompt_row": pl.UInt32(),
        "account_row": pl.UInt32(),
        "principal_row": pl.UInt32(),
        "timestamp": TIME,
        "model_row": pl.UInt32(),
        "output_tokens": pl.Int64(),
        "session_id": pl.String(),
        "asked": pl.UInt64(),
        "continues": pl.UInt64(),
    }
)
_BY_PROMPT = (*KEY, *REQUEST_ORDER[1:])
_OTHERS = [name for name in REQUESTS if name not in REQUEST_ORDER]
# Identifiers that are made in one go.
_SLICE_ROWS = 1 << 16


def id_hashes(ids: pl.Series) -> NDArray[np.uint64]:
    """64-bit hashes of identifiers, (n,) without nulls: equal ones have the same, others hardly ever."""
    return ids.hash().to_numpy()


def doubled(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The values that occur more than once, sorted. Memory: a copy of the hashes."""
    hashes = np.sort(hashes)
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


class Identifiers:
    """Gives each request an identifier of its own, part by part.

    A missing identifier is made of prompt, account, time and the number of equal requests before it; of equal
    identifiers the first in order stays and the others get such a hash as a suffix after ``~``. What is made
    may be taken too: then the same is done again, with other hashes, to what is equal after the first time.

    Parameters
    ----------
    suspects
        For each attempt the hashes of identifiers that may occur more than once before it, sorted.
    n_missing
        Requests without an identifier.
    account_ids
        What ``account_row`` counts.
    """

    def __init__(
        self, suspects: Sequence[NDArray[np.uint64]], *, n_missing: int, account_ids: pl.Series
    ) -> None:
        self._suspects, self._account_ids = suspects, account_ids
        self._seen: list[list[pl.Series]] = [[] for _ in suspects]
        self.n_given = [0] * len(suspects)
        """Identifiers that each attempt has given so far."""
        self.settled = n_missing == 0 and not any(map(len, suspects))
        """Whether the log's own identifiers are distinct."""

    def order(self, requests: pl.DataFrame, *, n_prompts: int) -> pl.DataFrame:
        """Number the prompts of a part, identify its requests and put them in order.

        Parameters
        ----------
        requests
            ``KEY`` and the columns of ``REQUESTS`` but ``prompt_row``: all requests of some prompts, which
            come after those of earlier calls.
        n_prompts
            Prompts before them.

        Returns
        -------
        pl.DataFrame
            Columns ``REQUESTS``, sorted by ``REQUEST_ORDER`` (times: nulls last), ``request_id`` distinct.
        """
        others = [] if self.settled else _OTHERS
        requests = requests.sort(*_BY_PROMPT, *others, nulls_last=True)
        row = n_prompts + pl.struct(KEY).rle_id().cast(pl.Int64)
        requests = requests.with_columns(prompt_row=row.cast(pl.UInt32))
        if not self.settled:
            for attempt in range(len(self._suspects)):
                requests = self._identify(requests, attempt)
            requests = requests.sort(REQUEST_ORDER, nulls_last=True)
        return requests.select(REQUESTS.names())

    def _identify(self, requests: pl.DataFrame, attempt: int) -> pl.DataFrame:
        ids = requests["request_id"]
        suspect = ids.is_not_null() & _is_among(ids.hash(), self._suspects[attempt])
        here = own_memory(ids.filter(suspect).unique())
        seen = pl.concat(
            [ids.clear(), *(part.filter(part.is_in(here.implode())) for part in self._seen[attempt])]
        )
        again = ids.is_null() | suspect & (~ids.is_first_distinct() | ids.is_in(seen.implode()))
        self._seen[attempt].append(here.filter(~here.is_in(seen.implode())))
        self.n_given[attempt] += int(again.sum())
        if not again.any():
            return requests
        given = self._given(requests.filter(again), attempt)
        return requests.with_columns(ids.clone().scatter(again.arg_true(), given))

    def _given(self, marked: pl.DataFrame, attempt: int) -> pl.Series:
        """Hash what requests hold into identifiers; another attempt gives other hashes."""
        what = ("request_id", "prompt_row", "account_row", "timestamp")
        marked = marked.with_columns(occurrence=pl.int_range(pl.len()).over(what))
        return pl.concat([self._hashed(part, attempt) for part in marked.iter_slices(_SLICE_ROWS)])

    def _hashed(self, marked: pl.DataFrame, attempt: int) -> pl.Series:
        columns: tuple[list[Any], ...] = (
            marked["request_id"].to_list(),
            prompt_ids(marked).to_list(),
            self._account_ids.gather(marked["account_row"]).to_list(),
            marked["timestamp"].to_physical().to_list(),
            marked["occurrence"].to_list(),
        )
        names = []
        for own, prompt, account, time, occurrence in zip(*columns, strict=True):
            content = "\x1e".join(map(str, (attempt, own is None, own, prompt, time, occurrence, account)))
            digest = blake2b(content.encode(), digest_size=12).hexdigest()
            names.append(digest if own is None else f"{own}~{digest}")
        return pl.Series("request_id", names, dtype=pl.String)


def _is_among(values: pl.Series, wanted: NDArray[np.uint64]) -> pl.Series:
    """Which values are among sorted ones."""
    if not len(wanted):
        return pl.zeros(len(values), dtype=pl.Boolean, eager=True)
    held = values.to_numpy()
    at = np.minimum(np.searchsorted(wanted, held), len(wanted) - 1)
    return pl.Series(wanted[at] == held)
