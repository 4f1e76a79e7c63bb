"""JSON lines, plain or compressed: a line that is no usable object is a rejected row, never an exception."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from json import JSONDecodeError
from types import NoneType

import polars as pl

from embedder.reading.messages import content_text, load_json, messages_from_objects
from embedder.reading.records import (
    BATCH_BYTES,
    ID_COLUMNS,
    MAX_RECORD_BYTES,
    TEXT_COLUMNS,
    ColumnMap,
    LogError,
    RawBatch,
    require_columns,
)
from embedder.reading.sources import OpenLog, Source, open_log

_TOO_LONG = f"line longer than {MAX_RECORD_BYTES:,} bytes"
_WORDS = {bool: "a boolean", int: "an integer", float: "a float", list: "a list", dict: "an object"}


def read_jsonl(source: Source, columns: ColumnMap, *, batch_rows: int) -> Iterator[RawBatch]:
    """Read a file of JSON objects, one a line.

    Parameters
    ----------
    source
        The file.
    columns
        Where each canonical column is found; a path is looked up as a whole key first, then dot by dot.
    batch_rows
        Rows a batch at most; a batch also ends at ``BATCH_BYTES``.

    Yields
    ------
    RawBatch
        Row numbers are line numbers; blank lines are passed over. All values are strings.

    Raises
    ------
    LogError
        A truncated or unreadable file, a JSON array instead of lines, or a first batch in whose objects a
        required or mapped column never occurs.
    """
    getters = {name: _getter(path) for name, path in columns.paths.items()}
    position, first = 0, True
    with open_log(source) as log:
        _refuse_array(source, log)
        for rows, lines in _batches(log.bytes, batch_rows):
            objects, reasons = _parse(lines)
            if first and any(objects):
                _check_columns(source.path, objects, getters=getters, columns=columns)
                first = False
            here = log.raw.tell()
            batch = _raw_batch(rows, reasons, objects=objects, getters=getters, bytes_read=here - position)
            del objects, lines  # or the next batch's lie in memory beside them
            yield batch
            position = here


def _refuse_array(source: Source, log: OpenLog) -> None:
    start = log.bytes.peek(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    name = source.path.lower().removesuffix(".gz").removesuffix(".zst")
    if start[:1] == b"[" and name.endswith(".json"):
        raise LogError(f"{source.path}: a JSON array; write one object a line (for example: jq -c '.[]')")


def _batches(stream: io.BufferedReader, batch_rows: int) -> Iterator[tuple[list[int], list[bytes | None]]]:
    """Line numbers and lines; None stands for a line that is too long, whose rest is skipped unread."""
    rows: list[int] = []
    lines: list[bytes | None] = []
    size = number = 0
    while line := stream.readline(MAX_RECORD_BYTES):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        kept: bytes | None = line
        if len(line) == MAX_RECORD_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
                pass
            kept = None
        elif line.isspace() or not line:
            continue
        if rows and (len(rows) >= batch_rows or size + len(line) > BATCH_BYTES):
            yield rows, lines
            rows, lines, size = [], [], 0
        rows.append(number)
        lines.append(kept)
        size += len(line)
    yield rows, lines


def _parse(lines: Sequence[bytes | None]) -> tuple[list[dict[str, object]], list[str | None]]:
    """Each line's object, {} where there is a reason."""
    objects: list[dict[str, object]] = []
    reasons: list[str | None] = []
    for line in lines:
        value: object = None
        reason: str | None = None
        if line is None:
            reason = _TOO_LONG
        else:
            try:
                value = load_json(line)
            except JSONDecodeError as error:
                reason = f"not valid JSON: {error.msg}"
        if isinstance(value, dict):
            objects.append(value)
        else:
            objects.append({})
            reason = reason or "not a JSON object"
        reasons.append(reason)
    return objects, reasons


def _getter(path: str) -> Callable[[dict[str, object]], object]:
    parts = path.split(".")
    if len(parts) == 1:
        return lambda record: record.get(path)

    def walk(record: dict[str, object]) -> object:
        if path in record:
            return record[path]
        value: object = record
        for part in parts:
            if not isinstance(value, dict):
                return None
            value = value.get(part)
        return value

    return walk


def _check_columns(
    file: str,
    objects: Sequence[dict[str, object]],
    *,
    getters: dict[str, Callable[[dict[str, object]], object]],
    columns: ColumnMap,
) -> None:
    """Exporters leave out keys without a value, so that here only columns that are needed can be missed."""
    needed = {"prompt", "messages", "account_id"}
    found = {name for name in needed if any(getters[name](record) is not None for record in objects)}
    there = sorted({key for record in objects[:1000] for key in record})
    # A column that is there but null in every row is a matter of rows, not of columns.
    found |= {name for name in needed if columns.paths[name] in there}
    needs = ColumnMap(columns.paths, columns.mapped & needed)
    require_columns(file, found, there=there, columns=needs)


def _raw_batch(
    rows: list[int],
    reasons: list[str | None],
    *,
    objects: list[dict[str, object]],
    getters: dict[str, Callable[[dict[str, object]], object]],
    bytes_read: int,
) -> RawBatch:
    columns: dict[str, pl.Series] = {}
    messages = None
    for name, get in getters.items():
        values = [get(record) for record in objects]
        kinds = set(map(type, values))
        if kinds <= {NoneType}:
            continue
        if name == "messages":
            messages = messages_from_objects(values)
            continue
        if not kinds <= {str, NoneType}:
            values = [_as_string(name, value, reasons, i) for i, value in enumerate(values)]
        columns[name] = pl.Series(name, values, dtype=pl.String)
    return RawBatch(
        pl.Series("row", rows, dtype=pl.Int64),
        pl.Series("reason", reasons, dtype=pl.String),
        columns,
        messages,
        bytes_read,
    )


def _as_string(name: str, value: object, reasons: list[str | None], i: int) -> str | None:
    """A JSON value as the text that CSV would hold; an impossible type becomes the row's reason."""
    if value is None or isinstance(value, str):
        return value
    if name in TEXT_COLUMNS:
        if isinstance(value, list):
            return content_text(value)
        allowed: tuple[type, ...] = ()
    else:
        allowed = (int,) if name in ID_COLUMNS else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        reasons[i] = reasons[i] or f"{name} is {_WORDS[type(value)]}"
        return None
    return repr(value)
