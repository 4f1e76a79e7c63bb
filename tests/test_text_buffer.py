"""Texts in one buffer against the list of them: any rows, in any order, in parts of any size."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from text_cases import any_text, buffer_of

from embedder import TextBuffer, text_buffer, to_buffer
from embedder.text_buffer import concatenated

many_texts = st.lists(any_text, max_size=8)
block_sizes = st.sampled_from([1, 7, 40, 1 << 20])


@contextmanager
def blocks_of(n_bytes):
    """Parts and blocks of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_buffer, "_BLOCK_BYTES", n_bytes)
        yield


def check_buffer(buffer, texts):
    """Everything that must hold of a buffer of these texts."""
    sizes = [len(text.encode()) for text in texts]
    assert len(buffer) == len(texts)
    assert buffer.data.dtype == np.uint8
    assert buffer.offsets.dtype == np.int64
    assert buffer.offsets.tolist() == [0, *np.cumsum(sizes, dtype=np.int64).tolist()]
    assert buffer.data.tobytes() == "".join(texts).encode()
    assert [buffer[row] for row in range(len(texts))] == texts
    assert buffer.lengths.tolist() == sizes
    assert buffer.longest == max(sizes, default=0)
    series = buffer.to_series()
    assert series.dtype == pl.String
    assert series.null_count() == 0
    assert series.to_list() == buffer.to_list() == texts


def check_pieces(pieces, texts, n_bytes):
    """Pieces of these texts, one after another, each as large as may be or a single text."""
    edge = 0
    for number, (places, part) in enumerate(pieces):
        own = texts[places]
        assert places.start == edge < places.stop == edge + len(own)
        edge = places.stop
        check_buffer(part, own)
        assert len(part.data) <= n_bytes or len(own) == 1
        if number + 1 < len(pieces):
            assert len(part.data) + len(texts[edge].encode()) > n_bytes, "the next text found no room"
    assert edge == len(texts)


@settings(deadline=None)
@given(many_texts, st.integers(0, 8), st.integers(0, 8))
def test_a_series_round_trips_also_a_slice_of_it(texts, start, length):
    series = pl.Series(texts, dtype=pl.String)
    for part in (series, series[start : start + length], series.slice(start, length)):
        check_buffer(to_buffer(part), part.to_list())
        assert to_buffer(part).to_series().equals(part)


def test_a_series_in_chunks_gives_the_buffer_of_one_chunk():
    one, other = pl.Series(["a", "", "漢字"]), pl.Series(["long enough not to be stored in line", "x"])
    chunked = one.append(other)
    assert chunked.n_chunks() == 2
    check_buffer(to_buffer(chunked), chunked.to_list())
    check_buffer(to_buffer(chunked[2:4]), chunked.to_list()[2:4])


@settings(deadline=None)
@given(many_texts, st.lists(st.integers(0, 7), max_size=20))
@example(["", "é漢😀", "", "a" * 99], [3, 1, 1, 0, 3, 2])
def test_rows_are_taken_in_any_order_and_as_often_as_asked(texts, rows):
    rows = [row for row in rows if row < len(texts)]
    taken = buffer_of(texts).take(np.array(rows, np.int64))
    check_buffer(taken, [texts[row] for row in rows])


def test_what_was_taken_is_a_copy_and_other_integers_are_rows_too():
    buffer = TextBuffer(np.frombuffer(b"onetwo", np.uint8).copy(), np.array([0, 3, 6]))
    taken = buffer.take(np.array([1, 0], np.uint32))
    buffer.data[:] = ord("x")
    check_buffer(taken, ["two", "one"])


@settings(deadline=None)
@given(many_texts, block_sizes)
@example(["ab", "", "x" * 100, "", "", "漢字", "y"], 7)
@example(["", "", ""], 1)
def test_parts_are_all_texts_in_order(texts, n_bytes):
    buffer = buffer_of(texts)
    with blocks_of(n_bytes):
        parts = list(buffer.parts())
    check_pieces(parts, texts, n_bytes)
    assert all(np.shares_memory(part.data, buffer.data) for _, part in parts if len(part.data))


@settings(deadline=None)
@given(many_texts, st.lists(st.integers(0, 7), max_size=20), block_sizes)
@example(["ab", "", "x" * 100, "漢字"], [2, 3, 3, 1, 2, 0, 1], 7)
def test_blocks_are_the_rows_asked_for_in_their_order(texts, rows, n_bytes):
    rows = [row for row in rows if row < len(texts)]
    with blocks_of(n_bytes):
        blocks = list(buffer_of(texts).blocks(np.array(rows, np.int64)))
    check_pieces(blocks, [texts[row] for row in rows], n_bytes)


@settings(deadline=None)
@given(st.lists(many_texts, max_size=5))
def test_buffers_are_concatenated_in_order(several):
    buffers = [buffer_of(texts) for texts in several]
    check_buffer(concatenated(buffers), [text for texts in several for text in texts])


@settings(deadline=None)
@given(many_texts, block_sizes)
def test_the_parts_concatenated_are_the_whole(texts, n_bytes):
    buffer = buffer_of(texts)
    with blocks_of(n_bytes):
        check_buffer(concatenated([part for _, part in buffer.parts()]), texts)
        everything = [part for _, part in buffer.blocks(np.arange(len(texts)))]
        check_buffer(concatenated(everything), texts)


def test_a_mapped_file_reads_as_memory_does(tmp_path):
    texts = ["", "é漢😀", "plain", "", "the last"]
    held = buffer_of(texts)
    np.save(tmp_path / "data.npy", held.data)
    np.save(tmp_path / "offsets.npy", held.offsets)
    mapped = TextBuffer(*(np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("data", "offsets")))
    check_buffer(mapped, texts)
    check_buffer(mapped.take(np.array([4, 1, 4])), ["the last", "é漢😀", "the last"])
    with blocks_of(7):
        check_pieces(list(mapped.parts()), texts, 7)


@pytest.mark.parametrize("texts", [[], [""], ["one", "two"]])
@pytest.mark.parametrize("beyond", [-1, -2, -3, 0, 1])
def test_a_row_out_of_range_is_an_error_and_no_other_text(texts, beyond):
    row, buffer = beyond if beyond < 0 else len(texts) + beyond, buffer_of(texts)
    with pytest.raises(IndexError, match=f"row {row} of {len(texts)} texts"):
        buffer[row]
    for rows in ([row], [*range(len(texts)), row], [row, *range(len(texts))]):
        with pytest.raises(IndexError, match=f"{row} .*of {len(texts)} texts"):
            buffer.take(np.array(rows))
        with pytest.raises(IndexError, match=f"{row} .*of {len(texts)} texts"):
            list(buffer.blocks(np.array(rows)))


def test_parts_are_bounded_in_bytes_and_in_texts() -> None:
    buffer = to_buffer(pl.Series(["ab", "", "c", "dddddd", "e", "f", "g"]))
    cut = [part.to_list() for _, part in buffer.parts(most_bytes=3, most_texts=2)]
    assert cut == [["ab", ""], ["c"], ["dddddd"], ["e", "f"], ["g"]]
    assert [rows for rows, _ in buffer.parts(most_texts=5)] == [slice(0, 5), slice(5, 7)]
