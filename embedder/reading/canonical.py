"""From what a file holds to what Covey works on: types, blanks, times, and why a row is left out."""

from __future__ import annotations

import polars as pl

from embedder.normalise import is_blank
from embedder.reading.conversations import CONVERSATION
from embedder.reading.records import CANONICAL, ID_COLUMNS, REJECTED, LogBatch, RawBatch
from embedder.reading.times import parse_times

_WHOLE_NUMBER = r"^\s*\+?[0-9]+(?:\.0*)?\s*$"


def canonical_batch(file: str, raw: RawBatch) -> LogBatch:
    """Check a batch and split it into accepted and rejected rows.

    Parameters
    ----------
    file
        Path of the file, for the rejected rows.
    raw
        The batch as read.

    Returns
    -------
    LogBatch
        Each row of ``raw`` is in exactly one of its tables. A row has one reason, the first of: unreadable,
        prompt, account_id, timestamp, other columns. In text and identifiers an empty string is a null.
    """
    columns: dict[str, pl.Series] = {"row": raw.rows, "reason": raw.reasons}
    for name, kind in CANONICAL.items():
        if name in CONVERSATION:
            columns[name] = _of_conversation(name, raw)
            continue
        column = raw.columns.get(name)
        if column is None:
            column = pl.Series([None] * len(raw.rows), dtype=kind)
        columns[name], columns[f"{name} reason"] = _convert(name, column)
    if raw.messages is not None:
        columns["system in messages"] = raw.messages["system_prompt"]
        columns["prompt in messages"] = raw.messages["prompt"]
        columns["messages reason"] = raw.messages["reason"]
    frame = _reasoned(_with_messages(pl.DataFrame(columns), has_messages=raw.messages is not None))
    accepted = frame.filter(pl.col("reason").is_null()).select(CANONICAL.names())
    rejected = frame.filter(pl.col("reason").is_not_null()).select(
        file=pl.lit(file), row="row", reason="reason"
    )
    return LogBatch(file, accepted, rejected.cast(REJECTED), raw.bytes_read)


def _of_conversation(name: str, raw: RawBatch) -> pl.Series:
    if raw.messages is None:
        return pl.Series([None] * len(raw.rows), dtype=CONVERSATION[name])
    return raw.messages[name]


def _with_messages(frame: pl.DataFrame, *, has_messages: bool) -> pl.DataFrame:
    """Fill prompt and system prompt from messages where their own columns hold none."""
    if not has_messages:
        return frame.with_columns(pl.lit(None, pl.String).alias("messages reason"))
    own = pl.col("prompt").is_not_null()
    return frame.with_columns(
        pl.coalesce("prompt", "prompt in messages").alias("prompt"),
        pl.coalesce("system_prompt", "system in messages").alias("system_prompt"),
        pl.when(~own).then("messages reason").alias("messages reason"),
    )


def _reasoned(frame: pl.DataFrame) -> pl.DataFrame:
    """Settle each row's reason; null = accepted."""

    def missing(name: str) -> pl.Expr:
        blank = pl.col(name).is_null() | is_blank(pl.col(name))
        said = (
            pl.when(pl.col(name).is_null())
            .then(pl.lit(f"{name} is missing"))
            .otherwise(pl.lit(f"{name} is blank"))
        )
        return pl.when(blank).then(said)

    earlier = ("prompt", "account_id", "timestamp", *CONVERSATION)
    others = [f"{name} reason" for name in CANONICAL if name not in earlier]
    return frame.with_columns(
        reason=pl.coalesce(
            "reason",
            "prompt reason",
            "messages reason",
            missing("prompt"),
            "account_id reason",
            missing("account_id"),
            "timestamp reason",
            *others,
        )
    )


def _convert(name: str, column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """A column in its canonical type, null where unusable, and the reasons (null where usable or absent)."""
    if name == "timestamp":
        return parse_times(column)
    if name == "output_tokens":
        return _count(name, column)
    return _text(name, column)


def _text(name: str, column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Texts and identifiers; an identifier may be an integer, whose decimal digits it becomes."""
    dtype = column.dtype
    given = column.is_not_null()
    whole = dtype.is_integer() or (isinstance(dtype, pl.Decimal) and dtype.scale == 0)
    if dtype.is_float():
        given = column.fill_nan(None).is_not_null()
    reason = f"{name} is {_word(dtype)}"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null) or (whole and name in ID_COLUMNS):
        text = column.cast(pl.String)
    elif dtype == pl.Binary:
        text, reason = _decoded(column), f"{name} is not valid UTF-8"
    else:
        text = pl.Series([None] * len(column), dtype=pl.String)
    frame = pl.DataFrame({"text": text, "given": given})
    out = frame.select(
        value=pl.when(pl.col("text") != "").then("text"),
        reason=pl.when(pl.col("given") & pl.col("text").is_null()).then(pl.lit(reason)),
    )
    return out["value"], out["reason"]


def _decoded(column: pl.Series) -> pl.Series:
    """UTF-8 bytes as text, null where they are none."""
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series([_decode(value) for value in column.to_list()], dtype=pl.String)


def _decode(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _count(name: str, column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Whole numbers >= 0, also as text or as floats without a fraction (what pandas makes of gaps)."""
    dtype = column.dtype
    frame = pl.DataFrame({"v": column})
    value = pl.col("v")
    whole: pl.Expr
    if dtype == pl.String:
        frame = frame.select(pl.when(value.str.strip_chars() != "").then(value))
        digits = value.str.strip_chars().str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
        whole = pl.when(value.str.contains(_WHOLE_NUMBER)).then(digits)
    elif dtype.is_float() or isinstance(dtype, pl.Decimal):
        frame = frame.select(value.cast(pl.Float64).fill_nan(None))
        whole = pl.when(value == value.floor()).then(value.cast(pl.Int64, strict=False))
    elif dtype.is_integer() or dtype == pl.Null:
        whole = value.cast(pl.Int64, strict=False)
    else:
        whole = pl.lit(None, pl.Int64)
    frame = frame.with_columns(whole=whole)
    fine = (pl.col("whole") >= 0).fill_null(False)
    out = frame.select(
        value=pl.when(fine).then("whole"),
        reason=pl.when(value.is_not_null() & ~fine).then(pl.lit(f"{name} is not a whole number from 0")),
    )
    return out["value"], out["reason"]


def _word(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "a boolean"
    if dtype.is_float():
        return "a float"
    if dtype.is_integer():
        return "an integer"
    if isinstance(dtype, pl.List | pl.Array):
        return "a list"
    if isinstance(dtype, pl.Struct):
        return "an object"
    return f"of type {dtype}"
