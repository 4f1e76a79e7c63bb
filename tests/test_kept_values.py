"""Values go to the disk and come back bit for bit; what may not be kept is refused, and so is a stranger."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from clustering.kept_values import SHAPE, read_value, write_value


@dataclass(frozen=True, eq=False)
class Inner:
    """Part of a value."""

    name: str
    numbers: np.ndarray


@dataclass(frozen=True, eq=False)
class Outer:
    """A value of all kinds."""

    inner: Inner
    others: tuple[Inner, ...]
    frame: pl.DataFrame
    series: pl.Series
    said: dict[str, Any]
    words: frozenset[str]
    nothing: None


def value() -> Outer:
    frame = pl.DataFrame(
        {
            "text": ["a", None, "\x00\u202e\U0001f600"],
            "key": pl.Series([0, 2**64 - 1, None], dtype=pl.UInt64),
            "time": pl.Series([0, None, 1_700_000_000_000_001], dtype=pl.Datetime("us", "UTC")),
            "lists": [[["x"], []], [], None],
            "number": [math.nan, math.inf, -0.0],
        }
    )
    inner = Inner("one", np.array([[1.5, -0.0], [math.nan, 3.0]], np.float32))
    return Outer(
        inner,
        (inner, Inner("none", np.zeros(0, np.uint64))),
        frame,
        pl.Series("said so", ["x", None], dtype=pl.String),
        {"ratio": 0.1, "whole": 3, "yes": True, "no": None, "several": [1, "2"]},
        frozenset({"b", "a"}),
        None,
    )


def test_a_value_of_all_kinds_comes_back(tmp_path: Path) -> None:
    written = value()
    write_value(written, tmp_path / "kept")
    read = read_value(tmp_path / "kept", (Inner, Outer))
    assert read.frame.equals(written.frame)
    assert read.frame.schema == written.frame.schema
    assert read.frame["number"].to_numpy().tobytes() == written.frame["number"].to_numpy().tobytes()
    assert read.series.name == "said so"
    assert read.series.equals(written.series)
    assert (read.said, read.words, read.nothing) == (written.said, written.words, None)
    for one, other in zip((read.inner, *read.others), (written.inner, *written.others), strict=True):
        assert one.name == other.name
        assert one.numbers.dtype == other.numbers.dtype
        assert one.numbers.tobytes() == other.numbers.tobytes()


DTYPES = st.sampled_from([np.int64, np.float32, np.bool_, np.uint8, np.float64])


@given(st_numpy.arrays(DTYPES, st_numpy.array_shapes(min_side=0)))
def test_arrays_keep_their_bytes(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("array") / "kept"
    write_value([array, array.T], folder)
    for read, written in zip(read_value(folder, ()), (array, array.T), strict=True):
        assert (read.dtype, read.shape) == (written.dtype, written.shape)
        assert read.tobytes() == written.tobytes()
        assert read.flags.c_contiguous == written.flags.c_contiguous, "sums depend on the order in memory"


@given(st.lists(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans())))
def test_plain_values_come_back(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("plain") / "kept"
    write_value(tuple(values), folder)
    read = read_value(folder, ())
    assert isinstance(read, tuple)
    assert repr(read) == repr(tuple(values))


def test_what_is_read_is_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["a longer text than a view holds", None], "n": [1, 2]})
    write_value((np.arange(4), frame), tmp_path / "kept")
    array, mapped = read_value(tmp_path / "kept", ())
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    maps = Path("/proc/self/maps")
    if maps.is_file():
        assert {path.name for path in (tmp_path / "kept").glob("*.*") if path.name in maps.read_text()} == {
            "value.0.npy",
            "value.1.arrow",
        }
    assert mapped.n_chunks() == 1
    assert mapped.equals(frame)


@pytest.mark.parametrize("wrong", [object(), {1, 2}, b"bytes", np.array([{}], dtype=object)])
def test_what_cannot_be_kept_is_refused(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        write_value({"part": wrong}, tmp_path / "kept")


def test_a_class_that_is_not_expected_does_not_come_back(tmp_path: Path) -> None:
    write_value(Inner("one", np.zeros(1)), tmp_path / "kept")
    with pytest.raises(TypeError, match="holds a Inner"):
        read_value(tmp_path / "kept", (Outer,))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    write_value([np.zeros(1)], tmp_path / "kept")
    (name,) = (part["array"] for part in json.loads((tmp_path / "kept" / SHAPE).read_text())["list"])
    np.save(tmp_path / "kept" / name, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        read_value(tmp_path / "kept", ())
