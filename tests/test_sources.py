from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from embedder.reading import LogError, read_logs

GOOD = {"prompt": "hi", "account_id": "a"}


def exhaust(path: Path) -> pl.DataFrame:
    """Read to the end; the accepted rows."""
    return pl.concat(batch.accepted for batch in read_logs(path))


def jsonl_file(folder: Path, record: dict[str, Any], *, name: str) -> Path:
    path = folder / name
    path.write_text(json.dumps(record) + "\n")
    return path


def test_folders_globs_and_files(tmp_path: Path) -> None:
    inner = tmp_path / "day" / "hour"
    inner.mkdir(parents=True)
    first = jsonl_file(tmp_path, GOOD, name="b.jsonl")
    second = jsonl_file(inner, GOOD, name="a.ndjson")
    (inner / "_SUCCESS").write_text("")
    (inner / ".hidden.jsonl").write_text("rubbish")
    (tmp_path / "notes.txt").write_text("x")
    everything = [str(first), str(second)]
    for paths in (
        tmp_path,
        [first, second],
        [tmp_path, first],
        str(tmp_path / "**" / "*"),
        [first, str(tmp_path / "d*")],
    ):
        assert sorted(batch.file for batch in read_logs(paths)) == everything


def test_existing_file_is_no_pattern(tmp_path: Path) -> None:
    path = jsonl_file(tmp_path, GOOD, name="log[1].jsonl")
    assert len(exhaust(path)) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.jsonl", "no such file or folder"),
        ("absent*.jsonl", "no log files match"),
        ("notes.txt", "unknown kind of file; expected a name ending in .parquet"),
        ("empty", "the folder holds no logs"),
        ("x.parquet.gz", "unknown kind of file"),
    ],
)
def test_wrong_paths(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "x.parquet.gz").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LogError, match=message) as seen:
        read_logs(tmp_path / name)
    assert name in str(seen.value)


def test_no_paths() -> None:
    with pytest.raises(LogError, match="no log files were given"):
        read_logs([])


def bodies() -> list[tuple[str, bytes]]:
    lines = b"".join(json.dumps({**GOOD, "prompt": f"p {i * 7919}"}).encode() + b"\n" for i in range(5000))
    table = pa.BufferOutputStream()
    pq.write_table(pa.table({"prompt": ["p"] * 99, "account_id": ["a"] * 99}), table)
    packed, squeezed = gzip.compress(lines), zstandard.compress(lines)
    return [
        ("cut.jsonl.gz", packed[:-100]),
        ("wrong.jsonl.gz", b"not gzip at all"),
        ("flipped.jsonl.gz", packed[:2000] + bytes([packed[2000] ^ 255]) + packed[2001:]),
        ("cut.csv.gz", gzip.compress(b"prompt,account_id\n" + b"p,a\n" * 50_000)[:-20]),
        ("cut.jsonl.zst", squeezed[:-100]),
        ("wrong.jsonl.zst", b"not zstd at all"),
        ("cut.parquet", table.getvalue().to_pybytes()[:-50]),
        ("wrong.parquet", b"PAR1 not parquet"),
        ("nothing.parquet", b""),
    ]


@pytest.mark.parametrize(("name", "body"), bodies())
def test_corrupt_file_is_one_line_that_names_it(tmp_path: Path, name: str, body: bytes) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(LogError, match=r"truncated or corrupt \w+ \(.*\); re-export it") as seen:
        exhaust(tmp_path / name)
    assert name in str(seen.value)
    assert "\n" not in str(seen.value)


def test_corrupt_parquet_page(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    texts = [f"text {i * 7919 % 104729}" for i in range(20_000)]
    pq.write_table(pa.table({"prompt": texts, "account_id": texts}), path, compression="zstd")
    body = bytearray(path.read_bytes())
    for i in range(500, 900):
        body[i] ^= 0x5A
    path.write_bytes(bytes(body))
    with pytest.raises(LogError, match="truncated or corrupt Parquet"):
        exhaust(path)


def test_other_encodings_and_arrays(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes("prompt,account_id\np,a\n".encode("utf-16"))
    with pytest.raises(LogError, match="looks like UTF-16"):
        exhaust(tmp_path / "log.csv")
    (tmp_path / "log.json").write_text(json.dumps([GOOD], indent=1))
    with pytest.raises(LogError, match="a JSON array; write one object a line"):
        exhaust(tmp_path / "log.json")
    (tmp_path / "bom.csv").write_text("prompt,account_id\np,a\n", encoding="utf-8-sig")
    (tmp_path / "bom.jsonl").write_text(json.dumps(GOOD), encoding="utf-8-sig")
    assert len(exhaust(tmp_path / "bom.csv")) == len(exhaust(tmp_path / "bom.jsonl")) == 1
