"""Small files that hold gigabytes: refused early, in one line, in little memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from bad_files import GOOD, HEADER, lines

from embedder import LogError, build_corpus, intake
from embedder.reading import delimited, inflation, jsonl, messages, parquet

BOMB = (
    "refused as a decompression bomb, for its .* bytes hold over .*; if that is meant, write it as plain JSON"
)
ROW = b'{"prompt":"p","account_id":"a"}\n'
UNITS = {
    "zeros": b"\0",
    "blank lines": b"\n",
    "bad lines": b"x\n",
    "JSON rows": ROW,
    "CSV rows": b"p,a\n",
    "long JSON rows": b'{"prompt":"%s","account_id":"a"}\n' % (b"A" * 10**6),
    "long CSV rows": b"%s,a\n" % (b"A" * 10**6),
}


def packed(path: Path, unit: bytes, *, total: int) -> Path:
    """A compressed file of one text over and over, in CSV below a header."""
    piece = unit * max(1, (1 << 20) // len(unit))
    pieces = [HEADER if ".csv" in path.suffixes else b"", *[piece] * (total // len(piece))]
    with path.open("wb") as file:
        if path.suffix == ".zst":
            with zstandard.ZstdCompressor().stream_writer(file) as out:
                for each in pieces:
                    out.write(each)
        else:
            squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
            for each in pieces:
                file.write(squeezed.compress(each))
            file.write(squeezed.flush())
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits a hundredth as large, so that the bombs can be small."""
    monkeypatch.setattr(inflation, "LEAST_BYTES", 5 << 20)
    monkeypatch.setattr(inflation, "LEAST_RECORDS", 50_000)


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst", "x.csv.gz", "x.csv.zst"])
@pytest.mark.parametrize("unit", UNITS)
def test_a_packed_bomb_is_refused_before_its_end(tmp_path: Path, small: None, name: str, unit: str) -> None:
    read: list[int] = []
    path = packed(tmp_path / name, UNITS[unit], total=64 << 20)
    with pytest.raises(LogError, match=rf"{name}: {BOMB}"):
        build_corpus(path, max_rejected_share=1, on_batch=lambda rows, _: read.append(rows))
    assert sum(read) < 1_000_000


def test_an_honest_log_is_no_bomb(tmp_path: Path, small: None) -> None:
    """Every line has the same system prompt of 50 kB, which zstd stores once: an agent's log."""
    system = " ".join(np.random.default_rng(0).integers(10**6, size=8_000).astype(str))
    rows = lines(*({**GOOD, "account_id": f"a{i}", "system_prompt": system} for i in range(200)))
    (tmp_path / "x.jsonl.zst").write_bytes(zstandard.compress(rows))
    (tmp_path / "y.jsonl.gz").write_bytes(gzip.compress(rows))
    assert len(rows) > 100 * (tmp_path / "x.jsonl.zst").stat().st_size
    assert build_corpus(tmp_path).requests.height == 400


def constant(n: int, text: str) -> pa.Array:
    """The same text n times, stored once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text]))


@pytest.mark.parametrize(("n", "length"), [(100_000, 1), (4_000, 100_000), (40, 10**6)])
def test_a_parquet_bomb_is_refused_before_its_end(tmp_path: Path, small: None, n: int, length: int) -> None:
    columns = pa.table({"prompt": constant(n, "A" * length), "account_id": constant(n, "a")})
    pq.write_table(columns, tmp_path / "x.parquet", compression="zstd", store_schema=False)
    with pytest.raises(LogError, match=BOMB):
        build_corpus(tmp_path)


def test_a_column_that_says_it_is_huge_is_not_read(tmp_path: Path, small: None) -> None:
    columns = pa.table({"prompt": ["A" * 10**8], "account_id": ["a"]})
    pq.write_table(columns, tmp_path / "x.parquet", compression="zstd", use_dictionary=False)
    read: list[int] = []
    with pytest.raises(LogError, match=BOMB):
        build_corpus(tmp_path, on_batch=lambda rows, _: read.append(rows))
    assert not read


def test_a_long_text_that_a_dictionary_repeats_is_read_in_small_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = pa.table({"prompt": constant(300, "A" * 10**5), "account_id": [f"a{i}" for i in range(300)]})
    pq.write_table(columns, tmp_path / "x.parquet", store_schema=False)
    monkeypatch.setattr(parquet, "BATCH_BYTES", 10**6)
    heights: list[int] = []
    found = build_corpus(tmp_path, on_batch=lambda rows, _: heights.append(rows))
    assert found.requests.height == 300
    assert max(heights) <= 10
    monkeypatch.setattr(parquet, "MAX_RECORD_BYTES", 10**4)
    with pytest.raises(LogError, match=r"column 'prompt' repeats a text of .* MiB; leave it out"):
        build_corpus(tmp_path)


def test_a_window_of_a_gigabyte_is_refused(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, compression_level=1)
    with (
        (tmp_path / "x.jsonl.zst").open("wb") as file,
        zstandard.ZstdCompressor(compression_params=parameters).stream_writer(file) as out,
    ):
        out.write(ROW * 1_000)
    with pytest.raises(LogError, match=r"corrupt zstd \(.*too much memory.*\); re-export it"):
        build_corpus(tmp_path)


def test_reading_stops_where_too_much_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_MANY_REJECTED", 70_000)
    (tmp_path / "x.jsonl").write_bytes(b"bad\n" * 300_000 + ROW * 10)
    read: list[int] = []
    with pytest.raises(
        LogError, match="131,072 of 131,072 records so far are bad, more than max_rejected_share"
    ):
        build_corpus(tmp_path, on_batch=lambda rows, _: read.append(rows))
    assert sum(read) == 65_536
    assert build_corpus(tmp_path, max_rejected_share=1).rejected.height == 300_000


def test_values_without_end_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_PARTS", 1_000)
    parts = "[" + "[]," * 1_000 + "[]]"
    rows: list[object] = [GOOD, b'{"account_id":"a","messages":%s}' % parts.encode()]
    rows += [{"account_id": "a", "prompt": "[" * 900}]
    (tmp_path / "x.jsonl").write_bytes(lines(*rows))
    (tmp_path / "y.csv").write_bytes(b'messages,account_id\n"%s",a\n' % parts.encode())
    found = build_corpus(tmp_path).rejected.select("row", "reason").rows()
    assert found == [(2, "not valid JSON: more than 1,000 values"), (1, "messages is not valid JSON")]


def test_a_record_without_end_is_rejected_with_the_rest_of_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(jsonl, "MAX_RECORD_BYTES", 100)
    fields = b'"%s\n",' % (b"x" * 60) * 5
    (tmp_path / "x.csv").write_bytes(HEADER + b"p,a\n" + b"x" * 250 + b",tail\nq,b\n" + fields)
    (tmp_path / "y.jsonl").write_bytes(b"x" * 250 + ROW + ROW)
    found = build_corpus(tmp_path, max_rejected_share=1)
    assert found.accounts["account_id"].to_list() == ["a", "b"]
    assert found.requests.height == 3
    reasons = found.rejected["reason"]
    assert reasons.str.contains(r"longer than 100 characters; is a quote left open\?").sum() >= 2
    assert "line longer than" in reasons[-1]


PEAK = """
import json, sys
from clustering.peak_memory import PeakMemory
from embedder import LogError, build_corpus
with PeakMemory() as memory:
    try: build_corpus(sys.argv[1]); said = ""
    except LogError as error: said = str(error)
print(json.dumps([said, memory.mib]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.csv.zst"])
@pytest.mark.parametrize("unit", ["zeros", "blank lines", "bad lines"])
def test_gigabytes_take_little_memory(tmp_path: Path, name: str, unit: str) -> None:
    path = packed(tmp_path / name, UNITS[unit], total=4 << 30)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    said, peak = json.loads(done.stdout)
    assert str(path) in said
    assert peak < 1_000  # MiB
