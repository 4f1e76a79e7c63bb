"""Logs to corpus: every request, joined to the distinct prompt it asks, its account and its principal.

Contract
--------
- No usable request is thrown away: requests that ask the same thing share a prompt row and keep their own
  account and time. Rows that cannot be used are listed with file, number and reason.
- The same rows in any order, split over any files, in any format give byte-identical tables (``files`` and
  ``rejected`` apart, which speak of the files).
- Cost grows linearly with the rows. Memory holds the distinct texts, about 100 bytes a request, and one
  batch.
- What is to stay private is replaced batch by batch, before anything is compared or kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from embedder.account_keys import with_keyed_ids
from embedder.collapse import KEY, DistinctTexts, collapse, with_keys
from embedder.reading import REJECTED, LogBatch, LogError, find_sources, read_logs
from embedder.redaction import redacted
from embedder.requests import account_tables, identify
from embedder.text_buffer import TextBuffer

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


@dataclass(frozen=True, eq=False)
class Corpus:
    """Requests and the distinct prompts they ask.

    Attributes
    ----------
    prompts
        A row per distinct normal form of (system prompt, prompt), sorted by ``prompt_id``: ``prompt_id`` (32
        hex digits, BLAKE2b-128 of both normal forms, parted by U+001E), ``system_prompt`` and ``prompt``
        (originals as sent: the most frequent pair, ties to the smallest; system prompt null when there is
        none), ``n_requests`` and ``n_variants`` (distinct originals), Int64.
    texts
        Normal forms of the prompts, row by row, as they are compared: see ``embedder.views.whole_texts``.
    requests
        A row per request, sorted by prompt_row, timestamp (nulls last), account_row, request_id:
        ``request_id`` (distinct), ``prompt_row``, ``account_row``, ``principal_row`` (UInt32, positions in
        the other tables), ``timestamp`` (UTC microseconds or null), ``model``, ``output_tokens`` (Int64),
        ``session_id`` (null where unknown); ``asked`` and ``continues`` (UInt64), hashes of the conversation
        that it asks and of the one that it goes on with, null where it holds little text or the log has no
        messages: see ``embedder.reading.conversations``.
    accounts
        ``account_id``, sorted.
    principals
        ``principal_id``, sorted: ``org:…`` where a request names an organisation, else ``account:…``.
    rejected
        ``file``, ``row`` (from 1), ``reason``, sorted.
    n_rows_read
        Records read, rejected ones and those outside the period included.
    n_outside
        Good records left out because they lie outside ``since`` … ``until``, or have no time while one is
        given.
    n_made_ids, n_renamed_ids
        Requests without an identifier, and those whose identifier another request has too.
    files
        The files read, sorted by path.
    """

    prompts: pl.DataFrame
    texts: TextBuffer
    requests: pl.DataFrame
    accounts: pl.DataFrame
    principals: pl.DataFrame
    rejected: pl.DataFrame
    n_rows_read: int
    n_outside: int
    n_made_ids: int
    n_renamed_ids: int
    files: tuple[FileRecord, ...]


def build_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    max_rejected_share: float = 0.5,
    since: datetime | None = None,
    until: datetime | None = None,
    redact: bool = False,
    account_key: bytes | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Read logs and collapse their requests onto distinct prompts.

    Parameters
    ----------
    paths
        Files, folders or globs; see ``embedder.reading.read_logs``.
    columns
        Canonical name to the log's name, e.g. ``{"prompt": "body.text"}``.
    max_rejected_share
        Share of bad records, in [0, 1], above which the log as a whole is refused: at its end, or as soon as
        more than a million are bad and more than this share of those read.
    since, until
        Keep requests at ``since`` or later, and before ``until``; naive times are UTC.
    redact
        Put placeholders for personal data and secrets in prompts, system prompts, reasons and errors; see
        ``embedder.redaction``.
    account_key
        Hash accounts, organisations and sessions with this key, of 1 to 64 bytes; see
        ``embedder.account_keys``. ``request_id`` stays, to join results back to the logs.
    on_batch
        Called after each batch with its records and the bytes of the file they took; the bytes sum to the
        files' sizes.

    Returns
    -------
    Corpus
        The same for the same rows, whatever their order, files and format.

    Raises
    ------
    LogError
        The log cannot be used: see ``read_logs``; also too many bad records, or no good one.
    ValueError
        ``max_rejected_share`` outside [0, 1].
    """
    if not 0 <= max_rejected_share <= 1:
        raise ValueError(f"max_rejected_share: {max_rejected_share} is no share; give a number from 0 to 1")
    texts = DistinctTexts()
    parts: list[pl.DataFrame] = []
    rejected: list[pl.DataFrame] = [REJECTED.to_frame()]
    n_read = n_bad = n_outside = 0
    counts = {source.path: (source.size, 0, 0) for source in find_sources(paths)}
    for batch in _batches(paths, columns, redact=redact):
        size, n_rows, n_rejected = counts[batch.file]
        here = batch.accepted.height + batch.rejected.height
        counts[batch.file] = (size, n_rows + here, n_rejected + batch.rejected.height)
        rejected.append(batch.rejected)
        n_read, n_bad = n_read + here, n_bad + batch.rejected.height
        if n_bad > max(_MANY_REJECTED, max_rejected_share * n_read):
            _refuse_bad_rows(pl.concat(rejected), n_read, max_rejected_share, so_far=" so far")
        kept = within_period(batch.accepted, since, until)
        n_outside += batch.accepted.height - kept.height
        if kept.height:
            keyed = with_keys(_private(kept, redact=redact, account_key=account_key))
            texts.add(keyed)
            parts.append(keyed.drop("system_prompt", "prompt"))
        if on_batch is not None:
            on_batch(here, batch.bytes_read)
    files = tuple(FileRecord(path, *count) for path, count in sorted(counts.items()))
    bad = pl.concat(rejected).sort("file", "row")
    _refuse_bad_logs(files, bad, max_rejected_share=max_rejected_share, n_outside=n_outside)
    return _assemble(texts, parts, rejected=bad, files=files, n_outside=n_outside)


def _assemble(
    texts: DistinctTexts,
    parts: list[pl.DataFrame],
    *,
    rejected: pl.DataFrame,
    files: tuple[FileRecord, ...],
    n_outside: int,
) -> Corpus:
    requests = pl.concat(parts)
    parts.clear()
    # Only the columns at hand are joined: a second copy of all the requests is what memory would run out for.
    raw = texts.collect()
    keys = raw.select(KEY).with_row_index("raw_row")
    raw_rows = (
        requests.select(KEY).join(keys, on=KEY, how="left", maintain_order="left")["raw_row"].to_numpy()
    )
    prompts, whole, prompt_rows = collapse(raw, np.bincount(raw_rows, minlength=raw.height))
    requests = requests.drop(KEY).with_columns(pl.Series("prompt_row", prompt_rows[raw_rows]))
    accounts, principals, rows = account_tables(requests.select("account_id", "org_id"))
    requests = requests.drop("account_id", "org_id").with_columns(rows)
    requests, n_made, n_renamed = identify(requests, prompts["prompt_id"], accounts["account_id"])
    return Corpus(
        # One chunk each: where a table was put together must not show in a file written from it.
        prompts=prompts.rechunk(),
        texts=whole,
        requests=requests.rechunk(),
        accounts=accounts.rechunk(),
        principals=principals.rechunk(),
        rejected=rejected,
        n_rows_read=sum(file.n_rows for file in files),
        n_outside=n_outside,
        n_made_ids=n_made,
        n_renamed_ids=n_renamed,
        files=files,
    )


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
