"""The sample of logs: exact where it says so, bounded where logs are large, spread over them."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
import zstandard

from embedder import LogError, LogSample, read_logs, sample_logs
from embedder.reading import sampling
from tests.log_files import FORMATS, make_rows, write_rows

N = 20_000
ENDINGS = ("parquet", "csv", "jsonl", "jsonl.gz", "jsonl.zst")


def log_of(n: int, *, length: int = 120) -> pl.DataFrame:
    """Rows whose prompt tells their number."""
    numbers = pl.int_range(n, eager=True)
    return pl.DataFrame(
        {
            "prompt": numbers.cast(pl.String).str.zfill(8)
            + " "
            + numbers.hash(seed=1).cast(pl.String)
            + " word" * (length // 5),
            "account_id": "a" + (numbers % 500).cast(pl.String),
            "timestamp": 1_780_000_000 + numbers,
        }
    )


def write(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.write_parquet(path, row_group_size=max(1, frame.height // 7))
    elif path.suffix == ".csv":
        frame.write_csv(path)
    else:
        data = frame.write_ndjson().encode()
        packed = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}.get(path.suffix)
        path.write_bytes(packed(data) if packed else data)
    return path


def numbers(sample: LogSample) -> list[int]:
    return [int(prompt[:8]) for prompt in sample.accepted["prompt"]]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_small_log_is_read_whole(tmp_path: Path, ending: str) -> None:
    sample = sample_logs(write(log_of(900), tmp_path / f"log.{ending}"), n_rows=1_000)
    assert (sample.n_rows, sample.n_sampled, sample.is_exact, sample.is_whole) == (900, 900, True, True)
    assert sorted(numbers(sample)) == list(range(900))


@pytest.mark.parametrize("ending", ENDINGS)
def test_of_a_large_log_few_rows_are_read_and_all_are_told(tmp_path: Path, ending: str) -> None:
    path = write(log_of(N), tmp_path / f"log.{ending}")
    sample = sample_logs(path, n_rows=4_000)
    assert 2_000 <= sample.n_sampled < 9_000
    assert not sample.is_whole
    assert sample.is_exact == (ending == "parquet")
    assert sample.n_rows == N if sample.is_exact else 0.8 * N < sample.n_rows < 1.25 * N
    assert len(set(numbers(sample))) == sample.n_sampled
    assert sample.n_bytes == path.stat().st_size


def test_a_parquet_file_is_sampled_all_through(tmp_path: Path) -> None:
    found = numbers(sample_logs(write(log_of(N), tmp_path / "log.parquet"), n_rows=5_120))
    per_tenth = [sum(N * i // 10 <= n < N * (i + 1) // 10 for n in found) for i in range(10)]
    assert min(per_tenth) > 0
    assert max(found) > 0.95 * N


def test_no_more_than_its_reach_is_decoded_of_one_large_row_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_REACH", 2)
    path = tmp_path / "log.parquet"
    log_of(100_000, length=10).write_parquet(path, row_group_size=100_000)
    found = numbers(sample_logs(path, n_rows=5_120))
    assert 2 * 5_120 - 1_024 <= max(found) < 2 * 5_120 + 512


def test_of_many_files_some_are_looked_at_and_all_are_counted(tmp_path: Path) -> None:
    for i in range(60):
        write(log_of(2_000, length=50 + 100 * (i % 3)), tmp_path / f"{i:02}.csv")
    sample = sample_logs(tmp_path, n_rows=8_000)
    assert sample.n_files == 60
    assert sample.n_sampled < 20_000
    assert 0.7 * 120_000 < sample.n_rows < 1.4 * 120_000


def test_parquet_files_of_few_rows_are_all_read(tmp_path: Path) -> None:
    for i in range(40):
        write(log_of(20), tmp_path / f"{i:02}.parquet")
    sample = sample_logs(tmp_path)
    assert (sample.n_rows, sample.n_sampled, sample.is_whole) == (800, 800, True)


def test_files_of_several_kinds_are_added_up(tmp_path: Path) -> None:
    write(log_of(3_000), tmp_path / "a.parquet")
    write(log_of(200), tmp_path / "b.csv")
    write(log_of(100), tmp_path / "c.jsonl.gz")
    sample = sample_logs(tmp_path, n_rows=50_000)
    assert (sample.n_rows, sample.is_exact, sample.is_whole) == (3_300, True, True)


def test_long_texts_end_a_sample_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLE_BYTES", 1 << 20)
    sample = sample_logs(write(log_of(N, length=2_000), tmp_path / "log.jsonl"), n_rows=N)
    assert int(sample.accepted["prompt"].str.len_bytes().sum()) < 10 << 20
    assert 0.8 * N < sample.n_rows < 1.25 * N


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_sample_holds_what_the_corpus_holds(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / "log", make_rows(300), form=kind)
    sample, batches = sample_logs(path), list(read_logs(path))
    assert sample.accepted.drop("piece").equals(pl.concat([batch.accepted for batch in batches]))
    assert sample.n_rejected == sum(batch.rejected.height for batch in batches)


def test_pieces_are_neighbours(tmp_path: Path) -> None:
    sample = sample_logs(write(log_of(N), tmp_path / "log.parquet"), n_rows=5_120)
    of_piece = sample.accepted.with_columns(number=pl.Series(numbers(sample))).group_by("piece")
    spans = of_piece.agg(pl.len(), span=pl.col("number").max() - pl.col("number").min() + 1)
    assert spans["len"].max() == sampling.PIECE_ROWS
    assert spans.filter(pl.col("span") == pl.col("len")).height >= 0.5 * spans.height


def test_what_is_wrong_with_a_log_is_said_as_in_a_run(tmp_path: Path) -> None:
    path = write(log_of(50), tmp_path / "log.jsonl")
    with pytest.raises(LogError, match=r"'sessions' .* has no value in any of 50 records"):
        sample_logs(path, columns={"session_id": "sessions"})
    with pytest.raises(LogError, match="no such file"):
        sample_logs(tmp_path / "absent.csv")
    with pytest.raises(LogError, match=r"'text' .*missing"):
        sample_logs(write(log_of(50), tmp_path / "log.parquet"), columns={"prompt": "text"})
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(LogError, match=r"torn\.parquet: truncated or corrupt"):
        sample_logs(tmp_path / "torn.parquet")
