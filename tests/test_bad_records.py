"""What is bad in a log costs no row but its own, repeats no text, and waits for nothing.

``test_bad_input.py`` has the plain cases; here are the ones that once ended otherwise, and their kin.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_files import (
    BAD_CSV,
    BAD_JSON,
    COLUMNS,
    GOOD,
    HALF_BAD,
    HEADER,
    MANY,
    PACKED,
    REFUSED,
    ROWS,
    SECRET,
    flipped,
    lines,
)
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from embedder import LogError, build_corpus
from embedder.reading import read_logs
from scripts.cli import app


def refused(log: str | Path, out: Path) -> str:
    """The line that `covey run` ends with; nothing else is printed or left behind."""
    done = CliRunner().invoke(app, ["run", str(log), "--out", str(out)])
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert not done.stdout
    assert not os.path.isdir(out)  # noqa: PTH112 - whatever its name
    assert SECRET not in done.stderr
    assert not {"\x1b", "\x00", "\u202e"} & set(done.stderr)
    return done.stderr


def rejected(path: Path) -> list[tuple[int, str]]:
    """Row and reason of what a log is rejected of, none of which repeats a text."""
    found = build_corpus(path, max_rejected_share=1).rejected
    assert not found["reason"].str.contains(SECRET).any()
    return found.select("row", "reason").rows()


@pytest.mark.parametrize("case", REFUSED)
def test_a_log_that_cannot_be_used_is_one_line(tmp_path: Path, case: str) -> None:
    name, body, says = REFUSED[case]
    (tmp_path / name).write_bytes(body)
    assert str(tmp_path / name) in refused(tmp_path / name, tmp_path / "run")
    with pytest.raises(LogError, match=says) as seen:
        build_corpus(tmp_path / name)
    assert str(tmp_path / name) in str(seen.value)


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_log_that_is_cut_or_flipped_is_told_as_such(tmp_path: Path, name: str) -> None:
    body, kind = PACKED[name]
    ends = [1, 4, 9, *(len(body) * i // 9 for i in range(2, 9)), len(body) - 1]
    for bad in (*(body[:end] for end in ends), *(flipped(body, seed=seed) for seed in range(5))):
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(LogError, match=rf"{name}: truncated or corrupt {kind} \(.+\); re-export it"):
            build_corpus(tmp_path)


def test_bad_json_is_rejected_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(MANY + lines(*(row for row, _ in BAD_JSON)) + lines(GOOD))
    found = rejected(tmp_path)
    assert [row for row, _ in found] == list(range(301, 301 + len(BAD_JSON)))
    for (_, reason), (_, expected) in zip(found, BAD_JSON, strict=True):
        assert reason.startswith(expected)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_bad_csv_is_rejected_record_by_record(tmp_path: Path, end: bytes) -> None:
    body = HEADER + ROWS * 20 + b"".join(row for row, _ in BAD_CSV)
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbf" + body.replace(b"\n", end))
    assert rejected(tmp_path) == [(21 + i, reason) for i, (_, reason) in enumerate(BAD_CSV)]


@pytest.mark.parametrize("case", HALF_BAD)
def test_one_bad_value_costs_no_other_row_of_parquet(tmp_path: Path, case: str) -> None:
    body, reason = HALF_BAD[case]
    (tmp_path / "x.parquet").write_bytes(body)
    found = rejected(tmp_path)
    assert [row for row, _ in found] == [2]
    assert found[0][1].startswith(reason)


def test_what_is_odd_but_fine_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        lines(
            b'{"prompt": "a", "prompt": "b", "account_id": "x"}',
            {**GOOD, "account_id": "z" * 10**7},
            {**GOOD, "account_id": -7, "org_id": "\x1b[31m\x00"},
            {**GOOD, "messages": [[[[]]]]},
        ).replace(b"\n", b"\r\n")
    )
    (tmp_path / "b.csv").write_bytes(b'x,prompt,account_id,x\n\xff,"a\nb\r\nc",7,\n')
    (tmp_path / "c.parquet").write_bytes(COLUMNS)
    corpus = build_corpus(tmp_path)
    assert corpus.rejected.height == 0
    assert corpus.requests.height == 305
    assert {"b", "a\nb\r\nc"} <= set(corpus.prompts["prompt"])


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.csv.gz"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (os.mkfifo, "a pipe, socket or device, not a file; write the log to a file first"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe, socket or device"),
        (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
        (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
    ],
)
def test_what_is_no_file_in_a_folder_is_named_and_never_waited_for(
    tmp_path: Path, name: str, make: Callable[[Path], None], says: str
) -> None:
    (tmp_path / "good.jsonl").write_bytes(MANY)
    make(tmp_path / name)
    with pytest.raises(LogError, match=says) as seen:
        build_corpus(tmp_path)
    assert str(tmp_path / name) in str(seen.value)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "an empty path was given"),
        ("x\0.jsonl", "embedded null byte"),
        ("x" * 300 + ".jsonl", "File name too long"),
        ("good.jsonl/x.jsonl", "no such file or folder"),
        ("a\n\x1b[31m\u202e.jsonl", "1 of 1 records are bad"),
        (os.fsdecode(b"\xff.jsonl"), "its name is not UTF-8; rename it"),
    ],
)
def test_strange_paths_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.jsonl").write_bytes(MANY)
    if path and "x" not in path:
        Path(path).write_text("bad\n")
    assert says in refused(path, tmp_path / "run")


def gone(path: Path) -> None:
    path.unlink()


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(path.read_bytes())


def cut(path: Path) -> None:
    os.truncate(path, 2_000)


@pytest.mark.parametrize("change", [gone, grown, cut])
def test_a_text_that_changes_while_it_is_read_is_read_as_it_is(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(MANY * 100)
    batches = read_logs(path, batch_rows=10_000)
    seen = [next(batches)]
    change(path)
    seen += batches
    accepted = sum(batch.accepted.height for batch in seen)
    assert accepted >= 10_000
    assert (accepted == 60_000) == (change is grown)
    assert sum(batch.rejected.height for batch in seen) <= (change is cut)


def test_a_parquet_file_that_is_cut_while_it_is_read_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(COLUMNS)
    batches = read_logs(path, batch_rows=2)
    os.truncate(path, 2_000)
    with pytest.raises(LogError, match="truncated or corrupt Parquet"):
        list(batches)


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.csv"])
def test_a_log_that_vanishes_before_it_is_read_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(MANY)
    batches = read_logs(tmp_path / name)
    (tmp_path / name).unlink()
    with pytest.raises(LogError, match=r"cannot be read \(.*No such file or directory.*\); check the path"):
        next(batches)


def test_a_place_that_takes_no_run_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(MANY)
    (tmp_path / "loop").symlink_to("loop")
    for name in ("x.jsonl", "x.jsonl/run", "loop", "z" * 300):
        assert name in refused(tmp_path / "x.jsonl", tmp_path / name)


@pytest.mark.parametrize("name", ["z" * 300, "a\0b", "~nobody-of-that-name/model", "a/b/c", ""])
def test_a_model_name_that_is_none_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(MANY)
    done = CliRunner().invoke(
        app, ["run", str(tmp_path / "x.jsonl"), "--out", str(tmp_path / "run"), "--encoder", name]
    )
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: encoder ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("share", ["-0.1", "1.1", "nan", "half"])
def test_a_share_that_is_none_is_the_users_mistake(tmp_path: Path, share: str) -> None:
    done = CliRunner().invoke(app, ["run", "x", "--out", str(tmp_path / "run"), "--max-rejected", share])
    assert done.exit_code == 2
    assert "--max-rejected" in done.stderr


def test_the_order_of_good_and_bad_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [lines(row) for row, _ in BAD_JSON]
    rows += [lines({**GOOD, "prompt": f"question {i}"}) for i in range(40)]
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        (tmp_path / "x.jsonl").write_bytes(b"".join(rows))
        found.append(build_corpus(tmp_path))
    for corpus in found[1:]:
        assert_frame_equal(corpus.requests, found[0].requests)
        assert_frame_equal(corpus.prompts, found[0].prompts)
        assert sorted(corpus.rejected["reason"]) == sorted(found[0].rejected["reason"])
