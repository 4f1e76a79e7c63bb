"""From a list of chat messages to the two texts of a request: its system prompt and its last user turn.

The same rules whether the messages come as Python objects (JSONL), as JSON text (CSV) or as Arrow lists
(Parquet):

- ``system_prompt`` is the texts of all ``system`` and ``developer`` messages, joined by a blank line.
- ``prompt`` is the last ``user`` message that carries text. Tool results come in the user's role too, without
  text of their own; they must not hide what was asked.
- ``content`` is text, or a list of parts of which those of type ``text`` (or ``input_text``, or untyped) are
  joined by a line break. Other elements and roles are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson
import polars as pl

NOT_A_LIST = "messages is not a list of {role, content}"
NOT_JSON = "messages is not valid JSON"
NO_USER_TEXT = "messages hold no user text"
SCHEMA = pl.Schema({"system_prompt": pl.String, "prompt": pl.String, "reason": pl.String})
_SYSTEM_ROLES = ("system", "developer")


def content_text(content: object) -> str:
    """Text of a message's content, "" when it has none."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") in (None, "text", "input_text"):
            text = part.get("text")
            texts.append(text if isinstance(text, str) else "")
    return "\n".join(text for text in texts if text)


def split_messages(messages: object) -> tuple[str | None, str | None, str | None]:
    """System prompt, prompt and reason of one request's messages.

    Parameters
    ----------
    messages
        A list of ``{"role": …, "content": …}``, the same as JSON text, or None.

    Returns
    -------
    system_prompt, prompt, reason
        Reason is None where a prompt was found, and where there were no messages at all.
    """
    if isinstance(messages, str):
        if not messages.strip():
            return None, None, None
        try:
            messages = orjson.loads(messages)
        except orjson.JSONDecodeError:
            return None, None, NOT_JSON
    if messages is None:
        return None, None, None
    if not isinstance(messages, list):
        return None, None, NOT_A_LIST
    system: list[str] = []
    prompt = ""
    for message in messages:
        if not isinstance(message, dict):
            continue
        role = message.get("role")
        if role == "user":
            prompt = content_text(message.get("content")) or prompt
        elif role in _SYSTEM_ROLES and (text := content_text(message.get("content"))):
            system.append(text)
    return "\n\n".join(system) or None, prompt or None, None if prompt else NO_USER_TEXT


def messages_from_objects(values: Iterable[object]) -> pl.DataFrame:
    """``split_messages`` of each value; columns ``SCHEMA``."""
    return pl.DataFrame([split_messages(value) for value in values], schema=SCHEMA, orient="row")


def messages_from_column(column: pl.Series) -> pl.DataFrame:
    """The same for a typed column: JSON text, or lists of structs.

    Parameters
    ----------
    column
        (n,) String, or List of Struct with ``role`` and ``content``; another type gives a reason in each row.

    Returns
    -------
    pl.DataFrame
        (n,) rows, columns ``SCHEMA``.
    """
    dtype = column.dtype
    if dtype == pl.Null:
        return pl.DataFrame({name: [None] * len(column) for name in SCHEMA}, schema=SCHEMA)
    if dtype == pl.String:
        return messages_from_objects(column.to_list())
    if isinstance(dtype, pl.List | pl.Array) and isinstance(dtype.inner, pl.Struct):
        fields = {name.name: name.dtype for name in dtype.inner.fields}
        if fields.get("role") == pl.String and fields.get("content") == pl.String:
            return _from_structs(column)
        if "role" in fields and "content" in fields:
            return messages_from_objects(column.to_list())
    reason = pl.when(pl.col("m").is_not_null()).then(pl.lit(NOT_A_LIST))
    none = pl.lit(None, pl.String)
    return pl.DataFrame({"m": column}).select(system_prompt=none, prompt=none, reason=reason)


def _from_structs(column: pl.Series) -> pl.DataFrame:
    """The common Parquet shape, role and content both strings, without leaving Polars."""
    whole = pl.DataFrame({"m": column}).with_row_index("i")
    each = whole.explode("m").unnest("m").filter(pl.col("content") != "")
    system = (
        each.filter(pl.col("role").is_in(_SYSTEM_ROLES))
        .group_by("i", maintain_order=True)
        .agg(system_prompt=pl.col("content").str.join("\n\n"))
    )
    user = each.filter(pl.col("role") == "user").group_by("i").agg(prompt=pl.col("content").last())
    joined = whole.join(system, on="i", how="left").join(user, on="i", how="left").sort("i")
    empty = pl.col("m").is_not_null() & pl.col("prompt").is_null()
    return joined.select("system_prompt", "prompt", reason=pl.when(empty).then(pl.lit(NO_USER_TEXT)))
