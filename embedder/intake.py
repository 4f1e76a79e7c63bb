"""The first pass over the logs: batch by batch, what is read goes to its partition on disk.

Memory holds the batches of one run, some copies of a part of them, eight bytes a request, and the distinct
accounts, organisations and models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, Self

import numpy as np
import polars as pl

from embedder.account_keys import with_keyed_ids
from embedder.collapse import distinct_texts
from embedder.column_files import GrowingArray, own_memory, pieces
from embedder.owners import Owners
from embedder.partitions import Partitions
from embedder.reading import REJECTED, LogBatch, LogError, find_sources, read_logs
from embedder.redaction import redacted
from embedder.requests import id_hashes

_SHOWN_REASONS = 3
# Bad records that are kept in any case; beyond them a log that is too bad so far is not read to its end.
_MANY_REJECTED = 1_000_000


@dataclass(frozen=True)
class FileRecord:
    """A log file that was read: path, size in bytes, records read (good and bad), records rejected."""

    path: str
    size: int
    n_rows: int
    n_rejected: int


@dataclass(frozen=True)
class Wanted:
    """What is kept of the logs, and how: the parameters of ``build_corpus`` of these names."""

    max_rejected_share: float
    since: datetime | None
    until: datetime | None
    redact: bool
    account_key: bytes | None


class Intake:
    """Requests on their way into partitions of ``prompt_id``: raw texts once a run, and who asks them.

    A thread of its own writes one run while the next is read; leaving the context ends it.

    Parameters
    ----------
    folder
        Existing, where the partitions are written.
    most_bytes
        Rows are sorted into partitions when they hold as much, and read together while they hold no more.
    """

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self.texts = Partitions(folder / "texts", most_bytes=most_bytes)
        self.requests = Partitions(folder / "requests", most_bytes=most_bytes)
        self.owners = Owners()
        self.id_hashes = GrowingArray(folder / "id_hashes.npy", np.uint64)
        self.n_requests = self.n_missing_ids = 0
        self._most_bytes, self._held = most_bytes, 0
        self._waiting: list[pl.DataFrame] = []
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown(cancel_futures=True)

    def add(self, accepted: pl.DataFrame) -> None:
        """Take requests, columns ``CANONICAL``."""
        for piece in pieces(accepted, self._most_bytes):
            # Copied: a selection of rows, or what many share, would keep the memory of whole batches.
            texts = [own_memory(column) for column in piece if column.dtype == pl.String]
            self._waiting.append(piece.with_columns(texts))
            self._held += int(self._waiting[-1].estimated_size())
            if self._held > self._most_bytes:
                self._write_waiting()

    def close(self) -> None:
        """Write what waits, to the end."""
        self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        """Write what waits while the next batches are read; one run at a time."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None
        if self._waiting:
            self._writing = self._writer.submit(self._write, pl.concat(self._waiting))
            self._waiting, self._held = [], 0

    def _write(self, rows: pl.DataFrame) -> None:
        raw, keys = distinct_texts(rows)
        self.texts.add(raw)
        rows = rows.drop("system_prompt", "prompt")
        self.requests.add(rows.hstack(keys))
        self.owners.add(rows)
        ids = rows["request_id"].drop_nulls()
        self.id_hashes.append(id_hashes(ids))
        self.n_requests += rows.height
        self.n_missing_ids += rows.height - len(ids)


@dataclass(frozen=True)
class Told:
    """What reading tells beside the requests: the files, by path, and the bad records, sorted."""

    files: tuple[FileRecord, ...]
    rejected: pl.DataFrame
    n_outside: int


def read_in(
    paths: str | Path | Sequence[str | Path],
    intake: Intake,
    wanted: Wanted,
    *,
    columns: Mapping[str, str] | None,
    on_batch: Callable[[int, int], None] | None,
) -> Told:
    """Read logs into their partitions.

    Raises
    ------
    LogError
        As ``build_corpus`` does.
    """
    rejected: list[pl.DataFrame] = [REJECTED.to_frame()]
    n_read = n_bad = n_outside = 0
    counts = {source.path: (source.size, 0, 0) for source in find_sources(paths)}
    for batch in _batches(paths, columns, redact=wanted.redact):
        size, n_rows, n_rejected = counts[batch.file]
        here = batch.accepted.height + batch.rejected.height
        counts[batch.file] = (size, n_rows + here, n_rejected + batch.rejected.height)
        rejected.append(batch.rejected)
        n_read, n_bad = n_read + here, n_bad + batch.rejected.height
        if n_bad > max(_MANY_REJECTED, wanted.max_rejected_share * n_read):
            _refuse_bad_rows(pl.concat(rejected), n_read, wanted.max_rejected_share, so_far=" so far")
        kept = within_period(batch.accepted, wanted.since, wanted.until)
        n_outside += batch.accepted.height - kept.height
        if kept.height:
            intake.add(_private(kept, redact=wanted.redact, account_key=wanted.account_key))
        if on_batch is not None:
            on_batch(here, batch.bytes_read)
    intake.close()
    files = tuple(FileRecord(path, *count) for path, count in sorted(counts.items()))
    bad = pl.concat(rejected).sort("file", "row").rechunk()
    _refuse_bad_logs(files, bad, max_rejected_share=wanted.max_rejected_share, n_outside=n_outside)
    return Told(files, bad, n_outside)


def _batches(
    paths: str | Path | Sequence[str | Path], columns: Mapping[str, str] | None, *, redact: bool
) -> Iterator[LogBatch]:
    """The batches of the logs; what reasons and errors quote of them is redacted like the prompts."""
    try:
        for batch in read_logs(paths, columns=columns):
            if redact and batch.rejected.height:
                rejected = batch.rejected.with_columns(redacted(batch.rejected["reason"]))
                yield replace(batch, rejected=rejected)
            else:
                yield batch
    except LogError as error:
        if not redact:
            raise
        raise LogError(redacted(pl.Series([str(error)]))[0]) from None


def _private(accepted: pl.DataFrame, *, redact: bool, account_key: bytes | None) -> pl.DataFrame:
    if redact:
        accepted = accepted.with_columns(redacted(accepted[name]) for name in ("system_prompt", "prompt"))
    return accepted if account_key is None else with_keyed_ids(accepted, account_key)


def within_period(rows: pl.DataFrame, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    """Rows whose ``timestamp`` lies in the period; one without a time belongs to none."""
    if since is not None:
        rows = rows.filter(pl.col("timestamp") >= _utc(since))
    if until is not None:
        rows = rows.filter(pl.col("timestamp") < _utc(until))
    return rows


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _refuse_bad_logs(
    files: tuple[FileRecord, ...], rejected: pl.DataFrame, *, max_rejected_share: float, n_outside: int
) -> None:
    n_rows, n_bad = sum(file.n_rows for file in files), rejected.height
    if n_rows and n_bad / n_rows > max_rejected_share:
        _refuse_bad_rows(rejected, n_rows, max_rejected_share)
    if n_rows - n_bad - n_outside == 0:
        where = files[0].path if len(files) == 1 else f"{len(files):,} files from {files[0].path} on"
        why = f": {_shown_reasons(rejected)}" if n_bad else ""
        outside = f"; {n_outside:,} lie outside since/until or have no time" if n_outside else ""
        raise LogError(
            f"{where}: no usable record among {n_rows:,}{outside}; check the log and the columns{why}"
        )


def _refuse_bad_rows(
    rejected: pl.DataFrame, n_rows: int, max_rejected_share: float, *, so_far: str = ""
) -> NoReturn:
    raise LogError(
        f"{rejected.height:,} of {n_rows:,} records{so_far} are bad, more than max_rejected_share = "
        f"{max_rejected_share:g} (--max-rejected) allows; mend the log or the column mapping: "
        f"{_shown_reasons(rejected)}"
    )


def _shown_reasons(rejected: pl.DataFrame) -> str:
    first = rejected.unique("reason", keep="first", maintain_order=True).head(_SHOWN_REASONS)
    return "; ".join(f"{file} row {row}: {reason}" for file, row, reason in first.iter_rows())
