"""The second pass: partition by partition, in the order of ``prompt_id``, the tables of a corpus are written.

Texts and requests do not need each other: a request's prompt is known by its key's rank, as every prompt of a
partition is asked there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder.collapse import PROMPTS, collapse
from embedder.column_files import ColumnFiles, GrowingArray, TextFiles, write_frame
from embedder.intake import Intake, Told
from embedder.requests import REQUESTS, Identifiers, doubled, id_hashes

TABLES = ("prompts", "requests", "accounts", "principals", "models", "rejected")


def assemble(
    intake: Intake, told: Told, home: Path, *, on_part: Callable[[int, int], None] | None
) -> dict[str, int]:
    """Write the tables and texts of what was read.

    Parameters
    ----------
    intake, told
        What the first pass left. The partitions go.
    home
        An existing folder with a folder ``work``. ``TABLES`` as ``.arrow``, ``texts.npy`` and
        ``texts_offsets.npy`` come into it.
    on_part
        Called with the parts done and all; all grow where identifiers have to be made anew.

    Returns
    -------
    dict
        The counts of a ``Corpus``.
    """
    steps = _Steps(intake, home, on_part)
    steps.write_texts()
    small = (*intake.owners.tables(), told.rejected)
    for name, table in zip(TABLES[2:], small, strict=True):
        write_frame(home / f"{name}.arrow", table)
    n_renamed = steps.write_requests(small[0]["account_id"])
    return {
        "n_rows_read": sum(file.n_rows for file in told.files),
        "n_outside": told.n_outside,
        "n_made_ids": intake.n_missing_ids,
        "n_renamed_ids": n_renamed,
    }


class _Steps:
    def __init__(self, intake: Intake, home: Path, on_part: Callable[[int, int], None] | None) -> None:
        self._intake, self._home, self._on_part = intake, home, on_part
        self._done = 0
        self._all = len(intake.texts.parts()) + len(intake.requests.parts())

    def write_texts(self) -> None:
        """Prompts and texts, by ``prompt_id``."""
        raw = self._intake.texts
        prompts, texts = ColumnFiles(self._home / "prompts", PROMPTS), TextFiles(self._home, "texts")
        for part in raw.parts():
            found, whole = collapse(raw.read(part))
            prompts.append(found)
            texts.append(whole)
            self._tell()
        raw.delete()
        texts.close()
        prompts.write(self._home / "prompts.arrow")

    def write_requests(self, account_ids: pl.Series) -> int:
        """Requests in order, identified; how many had an identifier that another has too."""
        n_missing = self._intake.n_missing_ids
        suspects = [doubled(self._intake.id_hashes.close())]
        while True:
            identifiers = Identifiers(suspects, n_missing=n_missing, account_ids=account_ids)
            columns, hashes = self._identified(identifiers)
            again = doubled(hashes) if identifiers.n_given[-1] else hashes[:0]
            if not len(again):
                break
            # A made identifier seems to be taken, which has to be meant: one attempt more, over all requests.
            suspects.append(again)
            columns.delete()
            self._all += len(self._intake.requests.parts())
        self._intake.requests.delete()
        columns.write(self._home / "requests.arrow")
        return identifiers.n_given[0] - n_missing

    def _identified(self, identifiers: Identifiers) -> tuple[ColumnFiles, NDArray[np.uint64]]:
        """Requests in order, and hashes of their identifiers where they are not the log's own."""
        columns = ColumnFiles(self._home / "requests", REQUESTS)
        hashes = GrowingArray(self._home / "work" / "id_hashes.npy", np.uint64)
        n_prompts = 0
        for part in self._intake.requests.parts():
            rows = self._intake.owners.rows(self._intake.requests.read(part))
            rows = identifiers.order(rows, n_prompts=n_prompts)
            n_prompts = int(rows["prompt_row"][-1]) + 1
            columns.append(rows)
            if not identifiers.settled:
                hashes.append(id_hashes(rows["request_id"]))
            self._tell()
        return columns, hashes.close()

    def _tell(self) -> None:
        self._done += 1
        if self._on_part is not None:
            self._on_part(self._done, self._all)
