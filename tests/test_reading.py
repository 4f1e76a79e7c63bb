from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import FORMATS, make_rows, write_rows

from embedder.reading import CANONICAL, REJECTED, LogError, delimited, jsonl, read_logs
from embedder.reading.times import OUT_OF_RANGE, UNREADABLE


def read(path: Path | str, **options: Any) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Accepted rows, and (row, reason) of the rejected ones."""
    batches = list(read_logs(path, **options))
    for batch in batches:
        assert batch.accepted.schema == CANONICAL
        assert batch.rejected.schema == REJECTED
    accepted = pl.concat(batch.accepted for batch in batches)
    rejected = pl.concat(batch.rejected for batch in batches)
    return accepted.to_dicts(), rejected.select("row", "reason").rows()


def jsonl_file(tmp_path: Path, *lines: bytes | str | dict[str, Any], name: str = "log.jsonl") -> Path:
    encoded = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    path = tmp_path / name
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in encoded) + b"\n")
    return path


def parquet_file(tmp_path: Path, **columns: Any) -> Path:
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table(columns), path)
    return path


GOOD = {"prompt": "hi", "account_id": "a"}


# Formats


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("batch_rows", [7, 65_536])
def test_every_format_gives_the_rows(tmp_path: Path, form: str, batch_rows: int) -> None:
    rows = make_rows(200)
    path = write_rows(tmp_path / "log", rows, form=form)
    accepted, rejected = read(path, batch_rows=batch_rows)
    assert accepted == [{name: row.get(name) for name in CANONICAL} for row in rows]
    assert rejected == []
    batches = list(read_logs(path, batch_rows=batch_rows))
    assert sum(batch.bytes_read for batch in batches) == path.stat().st_size
    assert all(batch.bytes_read >= 0 for batch in batches)
    assert max(batch.accepted.height for batch in batches) <= batch_rows


@pytest.mark.parametrize("name", ["e.jsonl", "e.csv", "e.jsonl.gz", "e.csv.zst"])
def test_empty_file_is_fine(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert read(tmp_path / name) == ([], [])
    assert len(list(read_logs(tmp_path / name))) == 1


def test_file_without_rows_is_fine(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("prompt,account_id\n")
    assert read(tmp_path / "h.csv") == ([], [])
    strings = pa.array([], pa.string())
    assert read(parquet_file(tmp_path, prompt=strings, account_id=strings)) == ([], [])


def test_batches_end_at_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BATCH_BYTES", 1000)
    path = jsonl_file(tmp_path, *({**GOOD, "prompt": "x" * 400} for _ in range(10)))
    assert max(batch.accepted.height for batch in read_logs(path)) == 2


def test_huge_prompt_is_kept_whole(tmp_path: Path) -> None:
    text = "long " * 1_000_000
    for form in ("parquet", "jsonl", "csv"):
        rows = [{**make_rows(1)[0], "prompt": text}]
        accepted, _ = read(write_rows(tmp_path / "log", rows, form=form))
        assert accepted[0]["prompt"] == text


# Bad rows


def test_bad_json_lines_are_rejected_with_their_numbers(tmp_path: Path) -> None:
    path = jsonl_file(
        tmp_path,
        GOOD,
        '{"prompt": "cut',
        "",
        b'{"prompt": "\xff", "account_id": "a"}',
        '{"prompt": "\\ud800", "account_id": "a"}',
        b'{"prompt": "a\x00b", "account_id": "a"}',
        "[" * 5000,
        "[1, 2]",
        "null",
        '"text"',
        GOOD,
    )
    accepted, rejected = read(path)
    assert len(accepted) == 2
    assert [row for row, _ in rejected] == [2, 4, 5, 6, 7, 8, 9, 10]
    assert all(reason.startswith("not valid JSON: ") for row, reason in rejected if row <= 7)
    assert {reason for row, reason in rejected if row >= 8} == {"not a JSON object"}


def test_long_line_is_rejected_and_the_next_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_RECORD_BYTES", 100)
    path = jsonl_file(tmp_path, GOOD, {**GOOD, "prompt": "x" * 300}, GOOD)
    accepted, rejected = read(path)
    assert len(accepted) == 2
    assert [row for row, _ in rejected] == [2]
    assert "longer than" in rejected[0][1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompt": None}, "prompt is missing"),
        ({"prompt": ""}, "prompt is missing"),
        ({"prompt": " \u200b\n"}, "prompt is blank"),
        ({"prompt": 7}, "prompt is an integer"),
        ({"account_id": None}, "account_id is missing"),
        ({"account_id": "  "}, "account_id is blank"),
        ({"account_id": 1.5}, "account_id is a float"),
        ({"account_id": True}, "account_id is a boolean"),
        ({"account_id": {"id": 1}}, "account_id is an object"),
        ({"org_id": 2.0}, "org_id is a float"),
        ({"timestamp": "yesterday"}, UNREADABLE),
        ({"timestamp": "1999-12-31T23:59:59Z"}, OUT_OF_RANGE),
        ({"timestamp": 12}, OUT_OF_RANGE),
        ({"timestamp": True}, "timestamp is a boolean"),
        ({"output_tokens": -1}, "output_tokens is not a whole number from 0"),
        ({"output_tokens": 1.5}, "output_tokens is not a whole number from 0"),
        ({"output_tokens": "many"}, "output_tokens is not a whole number from 0"),
        ({"prompt": None, "account_id": None}, "prompt is missing"),
    ],
)
def test_reason_for_a_bad_value(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    accepted, rejected = read(jsonl_file(tmp_path, GOOD, {**GOOD, **change}))
    assert len(accepted) == 1
    assert rejected == [(2, reason)]


@pytest.mark.parametrize(
    ("column", "array", "expected"),
    [
        ("account_id", pa.array([2**63], pa.uint64()), "9223372036854775808"),
        ("account_id", pa.array([7], pa.int8()), "7"),
        ("account_id", pa.array([Decimal(12)], pa.decimal128(38, 0)), "12"),
        (
            "account_id",
            pa.array([b"\x00" * 15 + b"\x01"], pa.binary(16)),
            "00000000-0000-0000-0000-000000000001",
        ),
        ("account_id", pa.array([b"bytes"]), "bytes"),
        ("prompt", pa.array(["t"], pa.large_string()), "t"),
        ("prompt", pa.array(["t"], pa.string_view()), "t"),
        ("prompt", pa.array(["t"]).dictionary_encode(), "t"),
        ("output_tokens", pa.array([3.0]), 3),
        ("output_tokens", pa.array([float("nan")]), None),
        ("org_id", pa.array([float("nan")]), None),
        ("org_id", pa.nulls(1), None),
    ],
)
def test_parquet_types(tmp_path: Path, column: str, array: Any, expected: object) -> None:
    columns = {"prompt": pa.array(["p"]), "account_id": pa.array(["a"])} | {column: array}
    accepted, rejected = read(parquet_file(tmp_path, **columns))
    assert rejected == []
    assert accepted[0][column] == expected


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pa.array([1.0]), "account_id is a float"),
        (pa.array([True]), "account_id is a boolean"),
        (pa.array([["a"]]), "account_id is a list"),
        (pa.array([{"a": 1}]), "account_id is an object"),
        (pa.array([b"\xff"]), "account_id is not valid UTF-8"),
        (pa.nulls(1), "account_id is missing"),
    ],
)
def test_parquet_types_that_are_no_identifiers(tmp_path: Path, array: Any, reason: str) -> None:
    assert read(parquet_file(tmp_path, prompt=pa.array(["p"]), account_id=array)) == ([], [(1, reason)])


def test_parquet_text_that_is_no_utf8(tmp_path: Path) -> None:
    offsets = pa.py_buffer(b"".join(i.to_bytes(4, "little") for i in (0, 2, 4, 6)))
    broken = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"ok\xff\xfeok")])
    accepted, rejected = read(parquet_file(tmp_path, prompt=broken, account_id=pa.array(["a", "b", "c"])))
    assert [row["account_id"] for row in accepted] == ["a", "c"]
    assert rejected == [(2, "prompt is not valid UTF-8")]


def test_bad_csv_records_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(
        b"prompt,account_id\r\nfine,a\r\nragged\r\n\r\none,two,three\r\n"
        b'"two\nlines, ""quoted""",b\r\n"broken"quote,c\r\n\xff\xfe,d\r\nnul\x00,e\r\nlast,f\r\n'
    )
    accepted, rejected = read(path)
    assert [row["account_id"] for row in accepted] == ["a", "b", "e", "f"]
    assert accepted[1]["prompt"] == 'two\nlines, "quoted"'
    assert rejected == [
        (2, "1 fields where the header has 2"),
        (3, "3 fields where the header has 2"),
        (5, "not valid CSV: ',' expected after '\"'"),
        (6, "not valid UTF-8"),
    ]


def test_unclosed_quote_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('prompt,account_id\nfine,a\n"never closed,b\nswallowed,c\n')
    accepted, rejected = read(path)
    assert len(accepted) == 1
    assert rejected == [(2, "not valid CSV: unexpected end of data")]


def test_long_csv_field_is_rejected_and_the_limit_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = csv.field_size_limit()
    monkeypatch.setattr(delimited, "MAX_RECORD_BYTES", 1000)
    path = tmp_path / "log.csv"
    path.write_text('prompt,account_id\n"never closed,a\n' + "fine,b\n" * 500)
    accepted, rejected = read(path)
    assert 300 < len(accepted) < 500
    assert rejected == [(1, "not valid CSV: longer than 1,000 characters; is a quote left open?")]
    batches = read_logs(path)
    next(batches)
    assert csv.field_size_limit() == before


# Columns


def test_nested_columns_are_mapped(tmp_path: Path) -> None:
    columns = {"prompt": "body.text", "account_id": "who.id"}
    rows = [{"body": {"text": "p", "n": 1}, "who": {"id": 5}}, {"body": {"text": None}, "who": {"id": 6}}]
    path = jsonl_file(tmp_path, *rows, {"body": "flat", "who": {"id": 7}})
    accepted, rejected = read(path, columns=columns)
    assert [(row["prompt"], row["account_id"]) for row in accepted] == [("p", "5")]
    assert rejected == [(2, "prompt is missing"), (3, "prompt is missing")]
    body = pa.array([{"text": "p", "n": 1}, {"text": None, "n": 2}, None])
    path = parquet_file(tmp_path, body=body, who=pa.array([{"id": 5}, {"id": 6}, {"id": 7}]))
    assert read(path, columns=columns) == (accepted, rejected)


def test_a_name_with_a_dot_comes_before_a_path(tmp_path: Path) -> None:
    columns = {"prompt": "body.text"}
    path = jsonl_file(tmp_path, {"body.text": "whole", "body": {"text": "nested"}, "account_id": "a"})
    assert read(path, columns=columns)[0][0]["prompt"] == "whole"
    path = parquet_file(tmp_path, **{"body.text": pa.array(["whole"]), "account_id": pa.array(["a"])})
    assert read(path, columns=columns)[0][0]["prompt"] == "whole"
    (tmp_path / "log.csv").write_text("body.text,account_id\nwhole,a\n")
    assert read(tmp_path / "log.csv", columns=columns)[0][0]["prompt"] == "whole"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"promt": "text"}, r"no column 'promt' to map; choose from request_id, "),
        ({"prompt": "body..text"}, r"mapped to 'body\.\.text'"),
        (
            {"prompt": "text"},
            r"column 'text' \(mapped to 'prompt'\) is missing; the file has: .*--column prompt=NAME",
        ),
        ({"org_id": "orgg"}, r"column 'orgg' \(mapped to 'org_id'\) is missing"),
    ],
)
def test_wrong_mapping(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    path = parquet_file(tmp_path, prompt=pa.array(["p"]), account_id=pa.array(["a"]))
    with pytest.raises(LogError, match=message):
        read(path, columns=columns)


def test_mapped_column_without_any_value(tmp_path: Path) -> None:
    path = jsonl_file(tmp_path, {**GOOD, "org": None}, {**GOOD, "org": "o"})
    assert [row["org_id"] for row in read(path, columns={"org_id": "org"})[0]] == [None, "o"]
    with pytest.raises(
        LogError, match=r"column 'orgg' \(mapped to 'org_id'\) has no value in any of 2 records"
    ):
        read(path, columns={"org_id": "orgg"})


def test_missing_column_is_named_in_every_format(tmp_path: Path) -> None:
    paths = [
        jsonl_file(tmp_path, {"text": "p", "account_id": "a"}),
        parquet_file(tmp_path, text=pa.array(["p"]), account_id=pa.array(["a"])),
        tmp_path / "log.csv",
    ]
    paths[2].write_text("text,account_id\np,a\n")
    for path in paths:
        with pytest.raises(
            LogError, match=r"column 'prompt' \(or 'messages'\) is missing; the file has: "
        ) as seen:
            read(path)
        assert str(path) in str(seen.value)
        assert "\n" not in str(seen.value)


def test_column_twice_in_the_header(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("prompt,account_id,prompt\np,a,q\n")
    with pytest.raises(LogError, match="'prompt' occurs twice"):
        read(tmp_path / "log.csv")


# Messages


CONVERSATIONS: list[tuple[Any, str | None, str | None]] = [
    ([{"role": "user", "content": "q"}], None, "q"),
    (
        [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "first"},
            {"role": "developer", "content": "d"},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "last"},
            {"role": "tool", "content": "result"},
        ],
        "s\n\nd",
        "last",
    ),
    ([{"role": "user", "content": "asked"}, {"role": "user", "content": None}], None, "asked"),
]


@pytest.mark.parametrize(("messages", "system", "prompt"), CONVERSATIONS)
def test_messages_in_every_format(
    tmp_path: Path, messages: Any, system: str | None, prompt: str | None
) -> None:
    with (tmp_path / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["messages", "account_id"], [json.dumps(messages), "a"]])
    for path in (
        tmp_path / "log.csv",
        jsonl_file(tmp_path, {"messages": messages, "account_id": "a"}),
        parquet_file(tmp_path, messages=pa.array([messages]), account_id=pa.array(["a"])),
    ):
        accepted, rejected = read(path)
        assert rejected == []
        assert (accepted[0]["system_prompt"], accepted[0]["prompt"]) == (system, prompt)


def test_messages_with_parts(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    parts = [{"type": "text", "text": "look:"}, image, {"type": "input_text", "text": "what is it?"}]
    result = [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]
    messages = [{"role": "user", "content": parts}, {"role": "user", "content": result}]
    accepted, _ = read(jsonl_file(tmp_path, {"messages": messages, "account_id": "a"}))
    assert accepted[0]["prompt"] == "look:\nwhat is it?"
    kind = pa.list_(
        pa.struct(
            [
                ("role", pa.string()),
                ("content", pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))),
            ]
        )
    )
    accepted, _ = read(
        parquet_file(tmp_path, messages=pa.array([messages], kind), account_id=pa.array(["a"]))
    )
    assert accepted[0]["prompt"] == "look:\nwhat is it?"


def test_prompt_wins_over_messages_unless_null(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "m"}]
    rows = [
        {"prompt": "own", "messages": messages},
        {"prompt": None, "messages": messages},
        {"prompt": "own", "messages": 3},
        {"prompt": None, "messages": 3},
        {"messages": [{"role": "assistant", "content": "x"}]},
        {"messages": "[broken"},
        {},
    ]
    accepted, rejected = read(jsonl_file(tmp_path, *({**row, "account_id": "a"} for row in rows)))
    assert [(row["prompt"], row["system_prompt"]) for row in accepted] == [
        ("own", "s"),
        ("m", "s"),
        ("own", None),
    ]
    assert rejected == [
        (4, "messages is not a list of {role, content}"),
        (5, "messages hold no user text"),
        (6, "messages is not valid JSON"),
        (7, "prompt is missing"),
    ]
