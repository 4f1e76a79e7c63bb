"""Bad logs for the tests, by name: what they hold, and what reading them must say.

``SECRET`` stands for text that no message and no reason may repeat.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import random
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from embedder.reading.times import OUT_OF_RANGE, UNREADABLE

SECRET = "SECRETWORD"
PROMPT = f"tell me of the {SECRET}, and of nothing else."
GOOD = {"prompt": PROMPT, "account_id": "a"}
HEADER = b"prompt,account_id\n"
ROWS = b'"%s",a\n' % PROMPT.encode()


def lines(*rows: object) -> bytes:
    """JSON lines; bytes stay as they are."""
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def parquet(columns: dict[str, Any]) -> bytes:
    """A Parquet file of columns."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def table(**columns: Any) -> bytes:
    """A Parquet file of three good rows but for these columns."""
    return parquet({"prompt": [PROMPT] * 3, "account_id": ["a", "b", "c"], **columns})


def conversations(contents: pa.Array) -> bytes:
    """A Parquet file whose messages are one user's turn each."""
    turns = pa.StructArray.from_arrays([pa.array(["user"] * len(contents)), contents], ["role", "content"])
    offsets = pa.array(range(len(contents) + 1), pa.int32())
    return parquet(
        {"messages": pa.ListArray.from_arrays(offsets, turns), "account_id": ["a"] * len(contents)}
    )


def flipped(body: bytes, *, seed: int) -> bytes:
    """The same with about 5 % of its bytes changed."""
    rng = random.Random(seed)
    return bytes(byte ^ rng.randrange(1, 256) if rng.random() < 0.05 else byte for byte in body)


MANY = lines(*({**GOOD, "account_id": f"a{i}"} for i in range(300)))
COLUMNS = parquet({"prompt": [f"{PROMPT} {i}" for i in range(300)], "account_id": ["a"] * 300})
#: Packed logs by name, and what each is called where it is broken.
PACKED = {
    "x.parquet": (COLUMNS, "Parquet"),
    "x.jsonl.gz": (gzip.compress(MANY), "gzip"),
    "x.csv.zst": (zstandard.ZstdCompressor(write_checksum=True).compress(HEADER + ROWS * 300), "zstd"),
}
_TWIN_FIELDS = pa.list_(pa.struct([pa.field("role", pa.string())] * 2))
_MAPS = pa.map_(pa.string(), pa.string())

#: Logs that cannot be used as a whole.
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "garbage after gzip": ("x.jsonl.gz", gzip.compress(MANY) + b"garbage", "truncated or corrupt gzip"),
    "gzip named jsonl": ("x.jsonl", gzip.compress(MANY), r"looks like gzip; let its name end in \.gz"),
    "zstd named csv": ("x.csv", zstandard.compress(MANY), r"looks like zstd; let its name end in \.zst"),
    "Parquet named jsonl": ("x.jsonl", COLUMNS, r"looks like Parquet; let its name end in \.parquet"),
    "JSON lines named CSV": ("x.csv", MANY, "'prompt' .* is missing; the file has: nothing that looks"),
    "UTF-32": ("x.csv", (HEADER + ROWS).decode().encode("utf-32"), "looks like UTF-16 or UTF-32; re-export"),
    "pretty JSON": (
        "x.json",
        json.dumps(GOOD, indent=1).encode(),
        "records are bad, .* row 1: not valid JSON",
    ),
    "zeros": ("x.jsonl", bytes(10_000), r"1 of 1 records are bad.* \(--max-rejected\) allows; mend the log"),
    "noise": ("x.jsonl", random.Random(0).randbytes(10_000), "records are bad"),
    "tabs": ("x.csv", HEADER.replace(b",", b"\t"), r"the header has '\\t' where commas should be"),
    "no header": ("x.csv", ROWS * 3, "'prompt' .* is missing; the file has: 'a' and 1 more"),
    "open quote in the header": ("x.csv", b'"prompt,account_id\n' + ROWS, "the header is not CSV"),
    "escape codes in the header": ("x.csv", b"prompt,b\x1b[1m\np,a\n", "is missing; .*'prompt' and 1 more;"),
    "time a list": ("x.parquet", table(timestamp=[[1], [2], [3]]), f"row 1: {UNREADABLE}"),
    "time a large decimal": (
        "x.parquet",
        table(timestamp=pa.array([Decimal(1)] * 3, pa.decimal256(60, 3))),
        r"row 1: timestamp is of a type that is not read \(decimal256",
    ),
    "prompt a map": (
        "x.parquet",
        table(prompt=pa.array([[("k", PROMPT)]] * 3, _MAPS)),
        r"row 1: prompt is of a type that is not read \(map",
    ),
    "messages of twin fields": (
        "x.parquet",
        parquet({"messages": pa.array([[]], _TWIN_FIELDS), "account_id": ["a"]}),
        "row 1: messages is of a type that is not read",
    ),
}

#: A line, and how its reason begins.
BAD_JSON: list[tuple[Any, str]] = [
    (b'{"prompt": "a\x00b", "account_id": "a"}', "not valid JSON: "),
    (rb'{"prompt": "p", "account_id": "\udfff"}', "not valid JSON: "),
    (b"[" * 10**6, "not valid JSON: "),
    (b'{"a":' * 10**6 + b"1" + b"}" * 10**6, "not valid JSON: "),
    (b'{"prompt": "p", "account_id": %s}' % (b"9" * 5000), "not valid JSON: "),
    (b'{"prompt": "p", "account_id": "a", "timestamp": -Infinity}', "not valid JSON: "),
    (b"\x00\x00", "not valid JSON: "),
    ({**GOOD, "account_id": 2**64}, "account_id is a float"),
    ({**GOOD, "account_id": ""}, "account_id is missing"),
    ({**GOOD, "account_id": "\u200b\ufeff"}, "account_id is blank"),
    ({**GOOD, "prompt": {"text": SECRET}}, "prompt is an object"),
    ({**GOOD, "output_tokens": 1e300}, "output_tokens is not a whole number from 0"),
    ({**GOOD, "output_tokens": 10**19}, "output_tokens is not a whole number from 0"),
    *(
        ({**GOOD, "timestamp": time}, OUT_OF_RANGE)
        for time in ("9999-12-31", -1, 1e300, 0, 10**19, "9" * 400)
    ),
    *(
        ({**GOOD, "timestamp": time}, UNREADABLE)
        for time in ("2026-02-30", "24:00", "2026-01-01T00:00+99:99")
    ),
    ({**GOOD, "timestamp": [1]}, "timestamp is a list"),
    *(
        ({"account_id": "a", "messages": messages}, reason)
        for messages, reason in (
            ({"role": "user", "content": SECRET}, "messages is not a list of {role, content}"),
            ([{"role": [], "content": SECRET}], "messages hold no user text"),
            ([{"role": "user", "content": [{"type": {}, "text": SECRET}]}], "messages hold no user text"),
            ([[[]]], "messages hold no user text"),
            ("[" * 10**6, "messages is not valid JSON"),
        )
    ),
]

#: A record, and its reason; the last one swallows what follows.
BAD_CSV: list[tuple[bytes, str]] = [
    (b"p,a,b\n", "3 fields where the header has 2"),
    (b"," * 10**5 + b"\n", "100,001 fields where the header has 2"),
    (b"," * ((1 << 20) + 1) + b"\n", "not valid CSV: more than 1,048,576 fields"),
    (b'"%s" q,a\n' % SECRET.encode(), "not valid CSV: ',' expected after '\"'"),
    (b"\xed\xa0\x80,a\n", "not valid UTF-8"),
    (b"p,\xff\n", "not valid UTF-8"),
    (b"\x00,a\n", "prompt is blank"),
    (b"p,\n", "account_id is missing"),
    (b'"%s\n' % SECRET.encode(), "not valid CSV: unexpected end of data"),
]

_BYTES = pa.array([b"ok", b"\xff", b"ok"])
_BAD_TEXT = pa.StringArray.from_buffers(3, *_BYTES.buffers()[1:])
_ASKED = b'[{"role": "user", "content": "q"}]'

#: Parquet files of which only the second row is bad.
HALF_BAD: dict[str, tuple[bytes, str]] = {
    "text": (table(prompt=_BAD_TEXT), "prompt is not valid UTF-8"),
    "bytes": (table(account_id=_BYTES), "account_id is not valid UTF-8"),
    "a dictionary of bytes": (
        table(prompt=pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), _BYTES)),
        "prompt is not valid UTF-8",
    ),
    "lists of structs": (conversations(_BAD_TEXT), "messages is not valid UTF-8"),
    "messages as bytes": (
        parquet({"messages": [_ASKED, b"\xff", _ASKED], "account_id": ["a"] * 3}),
        "messages is not valid UTF-8",
    ),
    "floats for a count": (
        table(output_tokens=[1.0, math.inf, math.nan]),
        "output_tokens is not a whole number",
    ),
    "unsigned times": (
        table(timestamp=pa.array([None, 2**64 - 1, 1776643200], pa.uint64())),
        OUT_OF_RANGE,
    ),
    "zoned times": (
        table(timestamp=pa.array([1776643200, 0, None], pa.timestamp("s", "+05:30"))),
        OUT_OF_RANGE,
    ),
}
