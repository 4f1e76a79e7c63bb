from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from embedder import column_files
from embedder.column_files import ColumnFiles, GrowingArray, TextFiles, mapped_array, mapped_frame, pieces
from embedder.text_buffer import to_buffer

SCHEMA = pl.Schema({"text": pl.String(), "n": pl.UInt32(), "at": pl.Datetime("us", "UTC"), "id": pl.String()})
TEXTS = st.none() | st.text(max_size=40) | st.sampled_from(["", "twelve bytes", "thirteen byte", "é" * 30])
ROWS = st.lists(
    st.tuples(
        TEXTS,
        st.none() | st.integers(0, 2**32 - 1),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
        TEXTS,
    ),
    max_size=30,
)


def frame_of(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@given(rows=ROWS, cuts=st.lists(st.integers(0, 30), max_size=4), buffer=st.sampled_from([1, 64, 1 << 30]))
@settings(max_examples=60, deadline=None)
def test_parts_come_back_as_one_chunk(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], cuts: list[int], buffer: int
) -> None:
    folder, whole = tmp_path_factory.mktemp("columns"), frame_of(rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(column_files, "_BUFFER_BYTES", buffer)
        columns = ColumnFiles(folder / "parts", SCHEMA)
        ends = [0, *sorted(cuts), len(rows)]
        for start, end in pairwise(ends):
            columns.append(whole.slice(start, max(0, end - start)))
        columns.write(folder / "table.arrow")
    found = mapped_frame(folder / "table.arrow")
    assert_frame_equal(found, whole.head(columns.n_rows))
    assert found.n_chunks() == 1
    assert [path.name for path in folder.iterdir()] == ["table.arrow"]
    # What is read off it and put together again is the same, too.
    assert found.reverse().reverse().rows() == whole.head(columns.n_rows).rows()


def test_other_columns_are_refused(tmp_path: Path) -> None:
    columns = ColumnFiles(tmp_path / "parts", SCHEMA)
    with pytest.raises(ValueError, match="expected"):
        columns.append(frame_of([]).drop("n"))


@given(st.lists(st.lists(st.integers(-(2**62), 2**62), max_size=9), max_size=9))
@settings(max_examples=30, deadline=None)
def test_an_array_grows(tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]]) -> None:
    path = tmp_path_factory.mktemp("array") / "a.npy"
    array = GrowingArray(path, np.int64)
    for part in parts:
        array.append(np.array(part, np.int64))
    expected = [value for part in parts for value in part]
    assert array.close().tolist() == expected
    assert np.load(path).tolist() == expected
    assert mapped_array(path).dtype == np.int64


def test_texts_grow_and_stay_when_their_files_go(tmp_path: Path) -> None:
    parts = [["", "a", "日本語"], [], ["b" * 1000, ""]]
    files = TextFiles(tmp_path, "texts")
    for part in parts:
        files.append(to_buffer(pl.Series(part, dtype=pl.String)))
    texts = files.close()
    for path in tmp_path.iterdir():
        path.unlink()
    assert texts.to_list() == [text for part in parts for text in part]


@given(st.lists(TEXTS, max_size=40), st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_pieces_hold_little_and_all(texts: list[str | None], most: int) -> None:
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String), "n": range(len(texts))})
    cut = list(pieces(frame, most))
    longest = max((len((text or "").encode()) for text in texts), default=0)
    assert all(int(piece["text"].str.len_bytes().sum()) < most + longest for piece in cut if longest)
    assert all(piece.height for piece in cut)
    assert [row for piece in cut for row in piece.rows()] == frame.rows()
