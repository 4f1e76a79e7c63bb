"""One input of unknown bytes, read as every kind of log: what must hold whatever the bytes are.

Used by the fuzzer (``fuzz/fuzz_readers.py``), by the replay of what it found, and by the properties.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import zstandard
from polars.testing import assert_frame_equal

from embedder.reading import CANONICAL, REJECTED, LogError, read_logs
from embedder.reading.messages import SCHEMA, messages_from_column
from embedder.reading.times import parse_times

FILES = ("jsonl", "csv", "parquet", "jsonl.gz", "jsonl.zst", "csv.gz", "csv.zst")
COLUMNS = {"prompt": "body.text", "account_id": "who.id"}
_ROWS = (2, 65_536)

Read = tuple[pl.DataFrame, pl.DataFrame]


def check_file(path: Path, *, columns: dict[str, str] | None = None) -> bool:
    """Read a file in small and in large batches; whether it could be read.

    Only ``LogError`` may escape the readers, one line; else each record is accepted or rejected once, and
    batches do not matter.
    """
    found: list[Read] = []
    for batch_rows in _ROWS:
        said = ""
        try:
            found.append(_read(path, columns, batch_rows))
        except LogError as error:
            said = str(error).removeprefix(str(path))
        assert "\n" not in said
        assert len(said) < 2_000
    for accepted, rejected in found:
        n_records = _n_records(path)
        assert n_records is None or accepted.height + rejected.height == n_records
        assert rejected["row"].is_unique().all()
        assert rejected["reason"].null_count() == 0
        assert (rejected["reason"].str.len_bytes() < 200).all()
        assert accepted["prompt"].null_count() == accepted["account_id"].null_count() == 0
    if len(found) == len(_ROWS):
        for one, other in zip(*found, strict=True):
            assert_frame_equal(one, other)
    return len(found) > 0


def _read(path: Path, columns: dict[str, str] | None, batch_rows: int) -> Read:
    batches = list(read_logs(path, columns=columns, batch_rows=batch_rows))
    assert sum(batch.bytes_read for batch in batches) == path.stat().st_size
    for batch in batches:
        assert batch.accepted.schema == CANONICAL
        assert batch.rejected.schema == REJECTED
        assert batch.accepted.height + batch.rejected.height <= batch_rows
    return (
        pl.concat(batch.accepted for batch in batches),
        pl.concat(batch.rejected for batch in batches),
    )


def _n_records(path: Path) -> int | None:
    """Records of a file that can be read, counted another way; None for CSV, which has no other."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    if ".csv" in path.suffixes:
        return None
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return sum(bool(line.strip(b" \t\r\x0b\x0c")) for line in lines)


def check_messages(data: bytes) -> None:
    """The bytes' lines as messages in JSON text."""
    column = pl.Series(data.decode(errors="replace").split("\n"), dtype=pl.String)
    found = messages_from_column(column)
    assert found.schema == SCHEMA
    assert found.height == len(column)
    assert not (found["prompt"].is_not_null() & found["reason"].is_not_null()).any()


def check_times(data: bytes) -> None:
    """The bytes as times: a string a line, and as numbers of every type."""
    columns = [pl.Series(data.decode(errors="replace").split("\n"), dtype=pl.String)]
    whole = data[: len(data) // 16 * 16]
    if whole:
        columns += [
            pl.Series(memoryview(whole).cast(code), dtype=kind)
            for code, kind in (("d", pl.Float64), ("f", pl.Float32), ("q", pl.Int64), ("Q", pl.UInt64))
        ]
        ticks = columns[3]
        columns += [ticks.cast(pl.Datetime(unit)) for unit in ("ms", "us", "ns")]
        columns += [
            ticks.cast(pl.Int32, strict=False).cast(pl.Date),
            ticks.cast(pl.Decimal(38, 3), strict=False),
        ]
    for column in columns:
        times, reasons = parse_times(column)
        assert len(times) == len(reasons) == len(column)
        assert not (times.is_not_null() & reasons.is_not_null()).any()
        assert times.drop_nulls().dt.year().is_between(2000, 2100).all()


def check_input(data: bytes, folder: Path) -> None:
    """The kind by the first byte, what it is by the rest."""
    if not data:
        return
    kind, body = data[0], data[1:]
    checks: tuple[Callable[[bytes], None], ...] = (check_messages, check_times)
    place = kind % (2 * len(FILES) + len(checks))
    if place >= 2 * len(FILES):
        checks[place - 2 * len(FILES)](body)
        return
    path = folder / f"log.{FILES[place // 2]}"
    path.write_bytes(body)
    try:
        check_file(path, columns=COLUMNS if place % 2 else None)
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
