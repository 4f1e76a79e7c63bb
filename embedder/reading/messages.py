"""From a list of chat messages to what a request's columns say: system prompt, last user turn, conversation.

The same rules whether the messages come as Python objects (JSONL), as JSON text (CSV) or as Arrow lists
(Parquet):

- ``system_prompt`` is the texts of all ``system`` and ``developer`` messages, joined by a blank line.
- ``prompt`` is the last ``user`` message that carries text. Tool results come in the user's role too, without
  text of their own; they must not hide what was asked.
- ``asked`` and ``continues`` are hashes of the conversation; see ``embedder.reading.conversations``.
- ``content`` is text, or a list of parts of which those of type ``text`` (or ``input_text``, or untyped) are
  joined by a line break. Other elements and roles are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from json import JSONDecodeError

import orjson
import polars as pl

from embedder.reading.conversations import ANSWERS, CONVERSATION, QUESTIONS, conversation_keys

NOT_A_LIST = "messages is not a list of {role, content}"
NOT_JSON = "messages is not valid JSON"
NO_USER_TEXT = "messages hold no user text"
MAX_PARTS = 1 << 22
_SAID = {"system_prompt": pl.String(), "prompt": pl.String(), "reason": pl.String()}
SCHEMA = pl.Schema({**_SAID, **CONVERSATION})
_SYSTEM_ROLES = ("system", "developer")
_TURN = pl.Schema({"i": pl.UInt32, "is_answer": pl.Boolean, "text": pl.String})

Turn = tuple[int, bool, str]


def load_json(text: str | bytes) -> object:
    """The value of a JSON text.

    Raises
    ------
    json.JSONDecodeError
        It is none, is nested too deep, or seems to hold more than ``MAX_PARTS`` values, each of which may
        cost thirty times its two characters in memory.
    """
    if len(text) > MAX_PARTS:
        signs = ("[", "{", ",") if isinstance(text, str) else (b"[", b"{", b",")
        if sum(map(text.count, signs)) > MAX_PARTS:  # type: ignore[arg-type]
            raise JSONDecodeError(f"more than {MAX_PARTS:,} values", "", 0)
    return orjson.loads(text)


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


def split_messages(messages: object, i: int = 0) -> tuple[tuple[str | None, ...], list[Turn]]:
    """What one request's messages say.

    Parameters
    ----------
    messages
        A list of ``{"role": …, "content": …}``, the same as JSON text, or None.
    i
        Number of the request, for its turns.

    Returns
    -------
    said : system_prompt, prompt, reason
        Reason is None where a prompt was found, and where there were no messages at all.
    turns : (i, whether it is an answer, text) of each turn of the conversation
    """
    if isinstance(messages, str):
        if not messages.strip():
            return (None, None, None), []
        try:
            messages = load_json(messages)
        except JSONDecodeError:
            return (None, None, NOT_JSON), []
    if messages is None:
        return (None, None, None), []
    if not isinstance(messages, list):
        return (None, None, NOT_A_LIST), []
    system: list[str] = []
    turns: list[Turn] = []
    prompt = ""
    for message in messages:
        if not isinstance(message, dict):
            continue
        role, text = message.get("role"), content_text(message.get("content"))
        if role in QUESTIONS or role in ANSWERS:
            turns.append((i, role in ANSWERS, text))
            prompt = text or prompt if role == "user" else prompt
        elif role in _SYSTEM_ROLES and text:
            system.append(text)
    return ("\n\n".join(system) or None, prompt or None, None if prompt else NO_USER_TEXT), turns


def messages_from_objects(values: Iterable[object]) -> pl.DataFrame:
    """What each value's messages say; columns ``SCHEMA``."""
    said: list[tuple[str | None, ...]] = []
    turns: list[Turn] = []
    for i, value in enumerate(values):
        told, more = split_messages(value, i)
        said.append(told)
        turns += more
    frame = pl.DataFrame(turns, schema=_TURN, orient="row")
    return pl.DataFrame(said, schema=_SAID, orient="row").hstack(conversation_keys(frame, len(said)))


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
    none = [pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items() if name != "reason"]
    return pl.DataFrame({"m": column}).select(*none, reason=reason).select(SCHEMA.names())


def _from_structs(column: pl.Series) -> pl.DataFrame:
    """The common Parquet shape, role and content both strings, without leaving Polars."""
    whole = pl.DataFrame({"m": column}).with_row_index("i")
    each = whole.explode("m").unnest("m")
    said = each.filter(pl.col("content") != "")
    system = (
        said.filter(pl.col("role").is_in(_SYSTEM_ROLES))
        .group_by("i", maintain_order=True)
        .agg(system_prompt=pl.col("content").str.join("\n\n"))
    )
    user = said.filter(pl.col("role") == "user").group_by("i").agg(prompt=pl.col("content").last())
    joined = whole.join(system, on="i", how="left").join(user, on="i", how="left").sort("i")
    empty = pl.col("m").is_not_null() & pl.col("prompt").is_null()
    turns = each.filter(pl.col("role").is_in(QUESTIONS + ANSWERS)).select(
        "i", is_answer=pl.col("role").is_in(ANSWERS), text="content"
    )
    return joined.select("system_prompt", "prompt", reason=pl.when(empty).then(pl.lit(NO_USER_TEXT))).hstack(
        conversation_keys(turns, len(column))
    )
