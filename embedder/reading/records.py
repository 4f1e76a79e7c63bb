"""What the readers hand on: the canonical columns, a batch as the file holds it, and as the corpus takes it.

A reader of one format makes ``RawBatch``; ``canonical.canonical_batch`` turns it into ``LogBatch``.
Everything in between is columnar: no Python object per request outlives its batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from embedder.reading.conversations import CONVERSATION

TIME: pl.DataType = pl.Datetime("us", "UTC")

_BROUGHT = pl.Schema(
    {
        "request_id": pl.String(),
        "timestamp": TIME,
        "account_id": pl.String(),
        "org_id": pl.String(),
        "system_prompt": pl.String(),
        "prompt": pl.String(),
        "model": pl.String(),
        "session_id": pl.String(),
        "output_tokens": pl.Int64(),
    }
)

#: Columns of ``LogBatch.accepted``, in order. An absent optional column is a column of nulls; those of the
#: conversation are made of ``messages`` and null without.
CANONICAL = pl.Schema({**_BROUGHT, **CONVERSATION})

#: Columns of ``LogBatch.rejected``.
REJECTED = pl.Schema({"file": pl.String, "row": pl.Int64, "reason": pl.String})

#: Names that a log may bring: the canonical ones, and ``messages``, from which prompts can be taken.
LOG_COLUMNS = (*_BROUGHT.names(), "messages")
TEXT_COLUMNS = ("prompt", "system_prompt")
ID_COLUMNS = ("request_id", "account_id", "org_id", "model", "session_id")

#: A batch ends after this many bytes of text even when it has fewer rows than asked for: hostile JSON becomes
#: thirty times as large in memory.
BATCH_BYTES = 16 << 20
#: A JSON line, a CSV line or a CSV field longer than this is a rejected row; it bounds what one row can cost.
MAX_RECORD_BYTES = 64 << 20

# Up to three words: more is a sentence.
_NAME = re.compile(r"\s?[\w.$@/:-]{1,40}(?: [\w.$@/:-]{1,20}){0,2}\s?")
_SHOWN_NAMES = 20


class LogError(ValueError):
    """The log as a whole cannot be used; one line that names the file or column and the remedy."""


@dataclass(frozen=True)
class RawBatch:
    """Some records of one file, mapped to Covey's names but not yet checked.

    Attributes
    ----------
    rows
        (n,) Int64, the number of each record in its file, from 1.
    reasons
        (n,) String; not null where the record could not be read at all, or a value had an impossible type.
    columns
        (n,) series by canonical name, of whatever type the file had; a column that the file lacks is absent.
    messages
        (n,) rows ``system_prompt``, ``prompt``, ``reason``, ``asked``, ``continues`` taken from ``messages``,
        or None when there are none.
    bytes_read
        Bytes of the file (compressed, as on disk) consumed since the previous batch.
    """

    rows: pl.Series
    reasons: pl.Series
    columns: Mapping[str, pl.Series]
    messages: pl.DataFrame | None
    bytes_read: int


@dataclass(frozen=True)
class LogBatch:
    """Some records of one file, checked.

    Attributes
    ----------
    file
        Path of the file, as given or as found in a folder.
    accepted
        The usable rows, columns ``CANONICAL``, in file order. ``prompt`` and ``account_id`` are never null
        nor blank; an empty string in another column is null; ``timestamp`` is UTC microseconds.
    rejected
        The others, columns ``REJECTED``: record number from 1 (the line number in JSONL; a CSV header does
        not count) and why.
    bytes_read
        Bytes of the file consumed since the previous batch; they sum to the file's size.
    """

    file: str
    accepted: pl.DataFrame
    rejected: pl.DataFrame
    bytes_read: int


@dataclass(frozen=True)
class ColumnMap:
    """Where each canonical column is found in a log.

    Attributes
    ----------
    paths
        Canonical name to the name in the log: a column's own name, or a dotted path into nested objects.
        Every name of ``LOG_COLUMNS`` is there; those that the user did not map stand for themselves.
    mapped
        The names that the user mapped, which therefore must exist.
    """

    paths: Mapping[str, str]
    mapped: frozenset[str] = field(default_factory=frozenset)


def column_map(columns: Mapping[str, str] | None) -> ColumnMap:
    """Check a user's mapping and complete it with the default names.

    Raises
    ------
    LogError
        A name that is none of ``LOG_COLUMNS``, or an empty path.
    """
    given = dict(columns or {})
    for name, path in given.items():
        if name not in LOG_COLUMNS:
            raise LogError(
                f"columns: there is no column {name!r} to map; choose from {', '.join(LOG_COLUMNS)}"
            )
        if not path or not all(path.split(".")):
            raise LogError(f"columns: {name!r} is mapped to {path!r}; give a column's name or a dotted path")
    return ColumnMap({name: given.get(name, name) for name in LOG_COLUMNS}, frozenset(given))


def require_columns(file: str, found: set[str], *, there: list[str], columns: ColumnMap) -> None:
    """Refuse a file that lacks what is required, or what the user mapped.

    Parameters
    ----------
    file
        Path, for the message.
    found
        Canonical names that the file has.
    there
        The names the file does have, for the message.
    columns
        The mapping in use.

    Raises
    ------
    LogError
        ``account_id``, both of ``prompt`` and ``messages``, or a mapped column is missing.
    """
    missing = sorted(columns.mapped - found)
    if not missing and not found & {"prompt", "messages"}:
        missing = ["prompt"]
    if not missing and "account_id" not in found:
        missing = ["account_id"]
    if not missing:
        return
    name, path = missing[0], columns.paths[missing[0]]
    what = f"column {path!r}" + (f" (mapped to {name!r})" if path != name else "")
    or_messages = " (or 'messages')" if name == "prompt" and path == name else ""
    raise LogError(
        f"{file}: {what}{or_messages} is missing; the file has: {_shown(there)}; "
        f"map the right one with columns={{{name!r}: …}} (--column {name}=NAME)"
    )


def require_values(columns: ColumnMap, found: set[str], *, n_rows: int) -> None:
    """Refuse logs of `n_rows` records in which a mapped column had no value anywhere.

    In JSON lines any record may lack an optional key, so that a misspelt mapping shows only at the end.
    """
    absent = columns.mapped - found
    if absent and n_rows:
        name = min(absent)
        raise LogError(
            f"column {columns.paths[name]!r} (mapped to {name!r}) has no value in any of {n_rows:,} records; "
            f"correct the mapping or leave it out"
        )


def _shown(names: list[str]) -> str:
    """Names for a message; where a file has no header they are a record's texts, which nobody should read."""
    likely = [name for name in names if _NAME.fullmatch(name)]
    more = len(names) - len(likely[:_SHOWN_NAMES])
    shown = ", ".join(map(repr, likely[:_SHOWN_NAMES]))
    if not names:
        return "no columns"
    if not likely:
        return f"nothing that looks like a column's name ({more:,} fields)"
    return shown + (f" and {more:,} more" if more else "")
