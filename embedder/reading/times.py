"""Times of every usual spelling to UTC microseconds, without a Python object per row.

Accepted: ISO 8601 dates and date-times (``T`` or a blank; any offset, none = UTC; fractions of any length,
cut to microseconds; a leap second counts as the next second), the epoch in seconds, milliseconds,
microseconds or nanoseconds as an integer, a fraction or digits in a string, and Arrow's own date and
timestamp types. The unit of an epoch number follows from its size, which is unambiguous because only the
years 2000 to 2100 are accepted.
"""

from __future__ import annotations

import polars as pl

from embedder.reading.records import TIME

UNREADABLE = "timestamp is neither ISO 8601 nor an epoch number"
OUT_OF_RANGE = "timestamp out of range (years 2000 to 2100)"

# 2000-01-01 and 2101-01-01 in seconds: a second more in any unit lies far below the next unit's first value.
_FIRST, _END = 946_684_800, 4_133_980_800
_NUMBER = r"^\s*[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?\s*$"
_INTEGER = r"^\s*[+-]?[0-9]+\s*$"
_ISO = (
    r"^\s*(?<date>[0-9]{4}-?[0-9]{2}-?[0-9]{2})"
    r"(?:[Tt ]\s*(?<hour>[0-9]{2}):?(?<minute>[0-9]{2})(?::?(?<second>[0-9]{2})(?:[.,](?<fraction>[0-9]+))?)?"
    r"\s*(?<zone>[Zz]|UTC|GMT|[+\-\u{2212}][0-9]{2}(?::?[0-9]{2})?)?)?\s*$"
)


def parse_times(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Read a column of times.

    Parameters
    ----------
    column
        (n,) strings, integers, floats, decimals, dates or timestamps; a null, blank or NaN is no time.

    Returns
    -------
    times : (n,) Datetime UTC microseconds, null where there is none or it cannot be used
    reasons : (n,) String, why it cannot be used; null for usable and for absent times
    """
    dtype = column.dtype
    frame = pl.DataFrame({"t": column})
    if dtype == pl.String:
        return _finish(_from_strings(frame))
    if isinstance(dtype, pl.Decimal):
        return _finish(_from_strings(frame.select(pl.col("t").cast(pl.String))))
    micros: pl.Expr
    if isinstance(dtype, pl.Datetime):
        # A zoned column already counts from the epoch in UTC; a naive one is taken as UTC. Hence only the
        # unit changes.
        per_unit = {"ms": 1000, "us": 1, "ns": 1}[dtype.time_unit]
        micros = pl.col("t").to_physical() // (1000 if dtype.time_unit == "ns" else 1) * per_unit
    elif dtype == pl.Date:
        micros = pl.col("t").to_physical().cast(pl.Int64) * 86_400_000_000
    elif dtype.is_float():
        frame = frame.select(pl.col("t").fill_nan(None))
        micros = _epoch_float(pl.col("t").cast(pl.Float64))
    elif dtype.is_integer():
        micros = _epoch_integer(pl.col("t").cast(pl.Int64, strict=False))
    else:
        unread = frame.select(us=pl.lit(None, pl.Int64), given=pl.col("t").is_not_null(), number=False)
        return _finish(unread)
    return _finish(frame.select(us=micros, given=pl.col("t").is_not_null(), number=True))


def _finish(parsed: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Keep what lies in range and say why the rest does not; ``number`` marks times of some kind."""
    inside = pl.col("us").is_between(_FIRST * 1_000_000, _END * 1_000_000, closed="left").fill_null(False)
    known = pl.col("us").is_not_null() | pl.col("number")
    out = parsed.select(
        timestamp=pl.when(inside).then(pl.col("us")).cast(TIME),
        reason=pl.when(pl.col("given") & ~inside)
        .then(pl.when(known).then(pl.lit(OUT_OF_RANGE)).otherwise(pl.lit(UNREADABLE)))
        .otherwise(pl.lit(None, pl.String)),
    )
    return out["timestamp"], out["reason"]


def _epoch_integer(value: pl.Expr) -> pl.Expr:
    """Microseconds of an integer epoch; null outside the years accepted."""

    def within(per_second: int) -> pl.Expr:
        return value.is_between(_FIRST * per_second, _END * per_second, closed="left")

    return (
        pl.when(within(1)).then(value * 1_000_000)
        .when(within(1_000)).then(value * 1_000)
        .when(within(1_000_000)).then(value)
        .when(within(1_000_000_000)).then(value // 1_000)
    )  # fmt: skip


def _epoch_float(value: pl.Expr) -> pl.Expr:
    """Microseconds of a fractional epoch, rounded: a float64 holds today's microseconds exactly."""
    micros = pl.lit(None, pl.Float64)
    for per_second in (1, 1_000, 1_000_000, 1_000_000_000):
        within = value.is_between(_FIRST * per_second, _END * per_second, closed="left")
        micros = pl.when(within).then((value * (1_000_000 / per_second)).round()).otherwise(micros)
    return micros.cast(pl.Int64, strict=False)


def _from_strings(frame: pl.DataFrame) -> pl.DataFrame:
    """Microseconds of ISO 8601 strings and of digits."""
    text = pl.col("t")
    number = text.str.contains(_NUMBER).fill_null(False)
    frame = frame.with_columns(number=number, given=(text.str.strip_chars() != "").fill_null(False))
    if frame["number"].any():
        stripped = text.str.strip_chars()
        frame = frame.with_columns(
            integer=stripped.cast(pl.Int64, strict=False), fraction=stripped.cast(pl.Float64, strict=False)
        )
        whole = text.str.contains(_INTEGER) & pl.col("integer").is_not_null()
        epoch = (
            pl.when(whole).then(_epoch_integer(pl.col("integer"))).otherwise(_epoch_float(pl.col("fraction")))
        )
        frame = frame.select("t", "number", "given", epoch=epoch)
        if frame["number"].all():
            return frame.select("number", "given", us="epoch")
    else:
        frame = frame.with_columns(epoch=pl.lit(None, pl.Int64))
    iso = frame.select(pl.col("t").str.extract_groups(_ISO).alias("groups")).unnest("groups")
    frame = frame.with_columns(iso.select(us=_iso_micros()))
    return frame.select("number", "given", us=pl.when("number").then("epoch").otherwise("us"))


def _iso_micros() -> pl.Expr:
    """Microseconds of the groups of ``_ISO``; null where a part is not a real date, time of day or offset."""

    def part(group: str) -> pl.Expr:
        return pl.col(group).cast(pl.Int64, strict=False).fill_null(0)

    # The date goes through the calendar (30 February is no date), the rest is arithmetic.
    days = (
        pl.col("date")
        .str.replace_all("-", "")
        .str.to_date("%Y%m%d", strict=False)
        .to_physical()
        .cast(pl.Int64)
    )
    hour, minute, second = part("hour"), part("minute"), part("second")
    micro = pl.col("fraction").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    zone = pl.col("zone").str.replace_all(r"[^0-9]", "").str.pad_end(4, "0")
    zone_hour = zone.str.slice(0, 2).cast(pl.Int64, strict=False).fill_null(0)
    zone_minute = zone.str.slice(2, 2).cast(pl.Int64, strict=False).fill_null(0)
    behind = pl.col("zone").str.contains(r"^[-\u{2212}]").fill_null(False)
    offset = (zone_hour * 60 + zone_minute) * pl.when(behind).then(-60).otherwise(60)
    real = (hour < 24) & (minute < 60) & (second <= 60) & (zone_hour < 24) & (zone_minute < 60)
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset
    return pl.when(real).then(seconds * 1_000_000 + micro)
