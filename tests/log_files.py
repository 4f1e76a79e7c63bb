"""Writes the same generated requests in every format, for the tests of reading and corpus."""

from __future__ import annotations

import csv
import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

START = datetime(2026, 4, 20, tzinfo=UTC)
FORMATS = (
    "parquet",
    "parquet-messages",
    "jsonl",
    "jsonl-messages",
    "jsonl.gz",
    "jsonl.zst",
    "csv",
    "csv-messages",
)

Row = dict[str, Any]


def make_rows(n: int, *, seed: int = 0) -> list[Row]:
    """Requests with duplicates, variants of one text, awkward characters, absent values and shared ids."""
    rng = random.Random(seed)
    texts = [
        "Explain  the proof.",
        "Explain the proof.",
        "Explain\u200b the prооf.",  # zero-width blank, Cyrillic o
        'He said "no", then\nleft; a,b',
        "ПОЧЕМУ так?",
        "なぜ空は青いのですか",
        "مرحبا بالعالم",
        "x\x00y",
        "😀" * 5,
        "hello",
    ]
    rows: list[Row] = []
    for i in range(n):
        system = rng.choice([None, None, "Be brief.", "Be  brief.", "You are a judge.\n\nAnswer in JSON."])
        moment = START + timedelta(microseconds=rng.randrange(10**12))
        account = rng.randrange(1, 15)
        rows.append(
            {
                "request_id": rng.choice([f"r{i}", f"r{i}", f"r{i}", None, f"r{rng.randrange(n)}"]),
                "timestamp": rng.choice([moment, moment, None, START]),
                "account_id": f"a{account}",
                "org_id": f"o{account % 3}" if account % 4 == 0 else None,
                "system_prompt": system,
                "prompt": rng.choice([*texts, f"question {rng.randrange(n)}"]),
                "model": rng.choice(["m-1", "m-2", None]),
                "session_id": rng.choice(["s1", None]),
                "output_tokens": rng.choice([None, 0, 17, 4096]),
            }
        )
    return rows


def as_messages(row: Row) -> Row:
    """The same request with its texts in a conversation: its own, if it has one."""
    before = [{"role": "user", "content": "an earlier turn"}, {"role": "assistant", "content": "an answer"}]
    turns = row.get("messages") or [*before, {"role": "user", "content": row["prompt"]}]
    system = row["system_prompt"]
    head = [] if system is None else [{"role": "system", "content": part} for part in system.split("\n\n")]
    rest = {name: value for name, value in row.items() if name not in ("prompt", "system_prompt")}
    return {**rest, "messages": [*head, *turns]}


def write_rows(path: Path, rows: list[Row], *, form: str) -> Path:
    """Write rows as one of ``FORMATS``; the times' spelling differs from format to format on purpose."""
    if form.endswith("-messages"):
        rows, form = [as_messages(row) for row in rows], form.removesuffix("-messages")
    path = path.with_name(f"{path.name}.{form}")
    if form == "parquet":
        _write_parquet(path, rows)
    elif form.startswith("jsonl"):
        body = "".join(json.dumps({**row, "timestamp": _iso(row)}, ensure_ascii=False) + "\n" for row in rows)
        _write_bytes(path, body.encode())
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for row in rows:
                held = {k: json.dumps(v) if k == "messages" else v for k, v in row.items()}
                writer.writerow({**held, "timestamp": _epoch(row)})
    return path


def _write_parquet(path: Path, rows: list[Row]) -> None:
    names = list(rows[0])
    kinds = {name: pa.string() for name in names}
    kinds |= {"timestamp": pa.timestamp("us"), "output_tokens": pa.int64()}
    if "messages" in kinds:
        kinds["messages"] = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    naive = [{**row, "timestamp": row["timestamp"] and row["timestamp"].replace(tzinfo=None)} for row in rows]
    table = pa.Table.from_pylist(naive, schema=pa.schema(kinds.items()))
    pq.write_table(table, path, row_group_size=64)


def _write_bytes(path: Path, body: bytes) -> None:
    if path.suffix == ".gz":
        body = gzip.compress(body)
    elif path.suffix == ".zst":
        # Two frames, as appending to a compressed log makes them.
        half = len(body) // 2
        body = b"".join(zstandard.ZstdCompressor().compress(part) for part in (body[:half], body[half:]))
    path.write_bytes(body)


def _iso(row: Row) -> str | None:
    moment = row["timestamp"]
    return moment and (moment + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S.%f+05:30")


def _epoch(row: Row) -> str:
    moment = row["timestamp"]
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)) if moment else ""
