from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.reading.times import OUT_OF_RANGE, UNREADABLE, parse_times

MOMENT = datetime(2026, 4, 20, 12, 34, 56, 789012, tzinfo=UTC)
MICROS = 1_776_688_496_789_012


SPELLINGS = [
    "2026-04-20T12:34:56.789012Z",
    "2026-04-20T12:34:56.789012",
    "2026-04-20 12:34:56.789012 UTC",
    "2026-04-20t12:34:56,789012999z",
    "2026-04-20T18:04:56.789012+05:30",
    "2026-04-20T04:34:56.789012-0800",
    "2026-04-20T14:34:56.789012+02",
    "20260420T123456.789012Z",
    str(MICROS),
    f"{MICROS}123",
    "1776688496789.012",
    "1776688496.789012",
    " 1776688496.789012 ",
    "1.776688496789012e9",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_spellings_of_one_instant(text: str) -> None:
    times, reasons = parse_times(pl.Series([text]))
    assert times.to_list() == [MOMENT]
    assert reasons.to_list() == [None]
    assert parse_times(pl.Series([text, "2026-04-20"]))[0].to_list() == [
        MOMENT,
        datetime(2026, 4, 20, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([MICROS]),
        pl.Series([MICROS * 1000 + 999]),
        pl.Series([MICROS], dtype=pl.UInt64),
        pl.Series([MICROS / 1e6]),
        pl.Series([MICROS / 1e3]),
        pl.Series([float(MICROS)]),
        pl.Series([Decimal("1776688496.789012")]),
        pl.Series([MOMENT.replace(tzinfo=None)], dtype=pl.Datetime("us")),
        pl.Series([MOMENT.replace(tzinfo=None)], dtype=pl.Datetime("ns")),
        pl.Series([MOMENT]).dt.convert_time_zone("Asia/Kolkata"),
    ],
)
def test_types_of_one_instant(column: pl.Series) -> None:
    times, reasons = parse_times(column)
    assert times.to_list() == [MOMENT]
    assert reasons.to_list() == [None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-20T12:34Z", datetime(2026, 4, 20, 12, 34, tzinfo=UTC)),
        ("2026-04-20", datetime(2026, 4, 20, tzinfo=UTC)),
        ("2026-12-31T23:59:60Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2000-01-01", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2100-12-31T23:59:59.999999Z", datetime(2100, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("946684800", datetime(2000, 1, 1, tzinfo=UTC)),
        ("946684800000", datetime(2000, 1, 1, tzinfo=UTC)),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_times_at_the_edges(text: str | None, expected: datetime | None) -> None:
    times, reasons = parse_times(pl.Series([text], dtype=pl.String))
    assert times.to_list() == [expected]
    assert reasons.to_list() == [None]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1999-12-31T23:59:59.999999Z", OUT_OF_RANGE),
        ("2101-01-01", OUT_OF_RANGE),
        ("0001-01-01", OUT_OF_RANGE),
        ("946684799", OUT_OF_RANGE),
        ("9" * 40, OUT_OF_RANGE),
        ("-5", OUT_OF_RANGE),
        ("2026-02-30", UNREADABLE),
        ("2026-04-20T25:00:00Z", UNREADABLE),
        ("2026-04-20T12:60:00Z", UNREADABLE),
        ("2026-04-20T12:00:00+99:00", UNREADABLE),
        ("20/04/2026", UNREADABLE),
        ("nan", UNREADABLE),
        (True, UNREADABLE),
        (float("inf"), OUT_OF_RANGE),
        (date(1970, 1, 1), OUT_OF_RANGE),
        (2**64 - 1, OUT_OF_RANGE),
    ],
)
def test_times_that_are_refused(value: object, reason: str) -> None:
    dtype = pl.UInt64 if isinstance(value, int) and value > 2**63 else None
    times, reasons = parse_times(pl.Series([value], dtype=dtype))
    assert times.to_list() == [None]
    assert reasons.to_list() == [reason]


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2100, 12, 30)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_same_instant_in_every_spelling(naive: datetime, zone: timezone) -> None:
    moment = naive.replace(tzinfo=UTC)
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    texts = [naive.isoformat(), moment.astimezone(zone).isoformat(), str(micros), repr(micros / 1e6)]
    assert parse_times(pl.Series(texts))[0].to_list() == [moment] * 4
    assert parse_times(pl.Series([micros, micros]))[0].to_list() == [moment] * 2
    assert parse_times(pl.Series([micros / 1e6, micros / 1e3]))[0].to_list() == [moment] * 2
