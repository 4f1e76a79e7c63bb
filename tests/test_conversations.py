"""Hashes of conversations: equal where the turns are, the same of every format, null where little is said."""

from __future__ import annotations

import csv
import json
import random
import time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from log_files import write_rows

from embedder.corpus import build_corpus
from embedder.normalise import normalise
from embedder.reading import read_logs
from embedder.reading.conversations import LEAST_BYTES, conversation_keys
from embedder.reading.messages import messages_from_column, messages_from_objects

LONG = "a sentence of some length, again and again; " * 20
assert len(LONG) > LEAST_BYTES


def talk(*turns: str, system: str | None = None) -> list[dict[str, Any]]:
    """Messages from "u: text", "a: text", "t: text"."""
    roles = {"u": "user", "a": "assistant", "t": "tool", "s": "system"}
    head = [] if system is None else [{"role": "system", "content": system}]
    return [*head, *({"role": roles[turn[0]], "content": turn[3:]} for turn in turns)]


def keys(*talks: Any) -> list[tuple[int | None, int | None]]:
    return messages_from_objects(talks).select("asked", "continues").rows()


FIRST = f"u: {LONG}"


def test_a_conversation_goes_on_where_it_was_asked() -> None:
    one, two, three = keys(
        talk(FIRST),
        talk(FIRST, "a: yes", "u: and then?"),
        talk(FIRST, "a: yes", "u: and then?", "a: that", "u: thanks"),
    )
    assert one[0] is not None
    assert one[1] is None
    assert two[1] == one[0]
    assert three[1] == two[0]
    assert len({one[0], two[0], three[0]}) == 3


def test_every_step_of_an_agents_loop_continues_the_one_before() -> None:
    steps = [FIRST, "a: ", "t: 42", "a: I call again", "t: 43", "t: 44", "a: done", "u: thanks"]
    whole = [keys(talk(*steps[:end]))[0] for end in (1, 3, 6, 8)]
    assert [row[1] for row in whole] == [None, *(row[0] for row in whole[:-1])]


def test_what_does_not_matter() -> None:
    plain = talk(FIRST, "a: yes", "u: and  then?")
    expected = keys(plain)
    assert keys(talk(FIRST, "a: yes\u200b", "u: and then? "), json.dumps(plain)) == expected * 2
    assert keys(talk(FIRST, "a: yes", "u: and then?", system="Be brief.")) == expected
    assert keys(talk(FIRST, "a: yes", "u: and then?", "a: {")) == expected, "a primed answer"
    parts = [{"type": "text", "text": LONG}, {"type": "image_url", "image_url": {}}]
    assert keys([{"role": "user", "content": parts}, *plain[1:], 7, {"role": "nobody"}]) == expected


def test_what_does() -> None:
    rows = keys(
        talk(FIRST, "a: yes", "u: then"),
        talk(FIRST, "a: no", "u: then"),
        talk(FIRST, "u: yes", "u: then"),
        talk(FIRST, "u: then", "a: yes", "u: "),
        talk(FIRST + "!", "a: yes", "u: then"),
        talk(FIRST, "a: ", "u: yes", "a: ", "u: then"),
    )
    assert len({row[0] for row in rows}) == len(rows)
    assert rows[0][1] == rows[1][1] is not None
    assert rows[2][1] is None, "nobody answered"
    assert keys(talk("a: Welcome!", FIRST))[0][1] is None, "a greeting answers nothing"


def test_short_beginnings_are_nobodys() -> None:
    exact = "x" * LEAST_BYTES
    assert keys(talk(f"u: {exact}"))[0][0] is not None
    assert keys(talk(f"u: {exact[1:]}"))[0][0] is None
    short = keys(talk("u: hello", f"a: {LONG}", "u: more"), talk("u: " + "い" * 267, "a: そう", "u: はい"))
    assert [row[1] is None for row in short] == [True, False], "bytes: a Chinese or Japanese character has 3"
    assert short[0][0] is not None


@pytest.mark.parametrize(
    "nothing", [None, "", " ", "[broken", 3, [], [3], {}, [{"role": "system", "content": LONG}]]
)
def test_no_conversation(nothing: object) -> None:
    assert keys(nothing, talk(FIRST))[0] == (None, None)
    assert keys(nothing, talk(FIRST))[1] == keys(talk(FIRST))[0]


def test_no_requests_and_columns_of_other_types() -> None:
    empty = pl.DataFrame(schema={"i": pl.UInt32, "is_answer": pl.Boolean, "text": pl.String})
    assert conversation_keys(empty, 0).height == 0
    assert conversation_keys(empty, 2).rows() == [(None, None)] * 2
    for column in (pl.Series([1, None]), pl.Series([None, None])):
        assert messages_from_column(column).schema == messages_from_objects([None]).schema


TURNS = st.lists(
    st.tuples(st.sampled_from("uat"), st.sampled_from(["", "yes", " yes ", LONG, LONG + ".", "\u200b"])),
    max_size=7,
)


@example([[("u", ""), ("u", LONG)], [("u", LONG), ("u", "")]])  # the first two turns change places
@given(st.lists(TURNS, min_size=1, max_size=12))
@settings(deadline=None)
def test_against_tuples_of_normal_forms(talks: list[list[tuple[str, str]]]) -> None:
    """Two hashes are equal where the tuples are; typed lists of messages give the same as objects."""
    messages = [talk(*(f"{who}: {text}" for who, text in turns)) for turns in talks]
    found = messages_from_objects(messages).select("asked", "continues")
    names: dict[Any, int] = {}
    for turns, row in zip(talks, found.rows(), strict=True):
        asks = [place for place, (who, _) in enumerate(turns) if who != "a"]
        ends = [asks[-1] if asks else None, None]
        for place in asks:
            if place < asks[-1] and "a" in [who for who, _ in turns[place : asks[-1]]]:
                ends[1] = place
        for end, key in zip(ends, row, strict=True):
            prefix = turns[: 0 if end is None else end + 1]
            if sum(len(text.encode()) for _, text in prefix) < LEAST_BYTES:
                assert key is None
            else:
                normal = tuple((who == "a", str(normalise(pl.Series([text])).item())) for who, text in prefix)
                assert names.setdefault(normal, key) == key
    assert len(set(names.values())) == len(names)
    kind = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    typed = messages_from_column(pl.Series(messages, dtype=kind))
    assert typed.select("asked", "continues").equals(found)


def chats(n: int) -> list[dict[str, Any]]:
    rng = random.Random(3)
    rows = []
    for i in range(n):
        turns = [
            f"{'ua'[k % 2]}: {rng.choice([LONG, 'short', 'なぜ' * 200])} {i % 7}"
            for k in range(1 + 2 * rng.randrange(4))
        ]
        rows.append(
            {
                "account_id": f"a{rng.randrange(9)}",
                "timestamp": None,
                "request_id": f"r{i % (n - 3)}",
                "output_tokens": None,
                "messages": talk(*turns, system=rng.choice([None, "s"])),
            }
        )
    return rows


@pytest.mark.parametrize("form", ["jsonl", "jsonl.zst", "csv", "parquet"])
def test_format_order_and_batches_do_not_matter(tmp_path: Path, form: str) -> None:
    rows = chats(120)
    expected = build_corpus(write_rows(tmp_path / "one", rows, form="jsonl"))
    assert expected.requests["continues"].drop_nulls().is_in(expected.requests["asked"].implode()).any()
    assert expected.requests["asked"].null_count() > 0
    shuffled = random.Random(1).sample(rows, len(rows))
    other = build_corpus(write_rows(tmp_path / "two", shuffled, form=form))
    assert other.requests.equals(expected.requests)
    path = write_rows(tmp_path / "three", rows, form=form)
    small = pl.concat(batch.accepted for batch in read_logs(path, batch_rows=7))
    assert small.equals(pl.concat(batch.accepted for batch in read_logs(path)))


def test_plain_prompts_have_none_and_a_prompt_of_its_own_keeps_its_conversation(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = [{"prompt": LONG, "account_id": "a"}, {"prompt": "p", "messages": talk(FIRST), "account_id": "a"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = build_corpus(path).requests.select("asked", "continues")
    assert sorted(asked["asked"].is_null().to_list()) == [False, True]
    assert asked["continues"].null_count() == 2


def test_parquet_lists_of_parts_and_csv_text(tmp_path: Path) -> None:
    messages = talk(FIRST, "a: yes", "u: and then?")
    parts = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in messages]
    text = pa.struct([("type", pa.string()), ("text", pa.string())])
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.list_(text))]))
    table = pa.table({"messages": pa.array([parts], kind), "account_id": ["a"]})
    pq.write_table(table, tmp_path / "log.parquet")
    with (tmp_path / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["messages", "account_id"], [json.dumps(messages), "a"]])
    for name in ("log.parquet", "log.csv"):
        (batch,) = (batch for batch in read_logs(tmp_path / name) if batch.accepted.height)
        assert batch.accepted.select("asked", "continues").rows() == keys(messages)


def test_long_histories_cost_what_they_weigh() -> None:
    messages = [talk(*(f"{'ua'[k % 2]}: {LONG[:90]} {k}" for k in range(2 * n + 1))) for n in range(200)]
    start = time.process_time()
    rows = keys(*messages)
    assert time.process_time() - start < 5
    assert [row[1] for row in rows[10:]] == [row[0] for row in rows[9:-1]]
