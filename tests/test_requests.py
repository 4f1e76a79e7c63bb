from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder import requests as requests_module
from embedder.collapse import KEY
from embedder.owners import Owners
from embedder.requests import REQUEST_ORDER, REQUESTS, Identifiers, doubled, id_hashes

ACCOUNTS = pl.Series(["a", "b"])
Row = dict[str, Any]


def identified(rows: list[Row]) -> tuple[list[Row], int]:
    """Slow and obvious: all rows at once, as plain Python; and how many were renamed."""

    def key(row: Row, names: tuple[str, ...]) -> list[tuple[bool, Any]]:
        # Nulls last; what they are compared with by then is only themselves.
        return [(row[name] is None, "" if row[name] is None else row[name]) for name in names]

    rows = sorted((dict(row) for row in rows), key=lambda row: key(row, (*REQUEST_ORDER, "output_tokens")))
    n_renamed, attempt = 0, 0
    while True:
        seen: set[str] = set()
        again = []
        for row in rows:
            again.append(row["request_id"] is None or row["request_id"] in seen)
            seen.add(row["request_id"])
        if not any(again):
            return sorted(rows, key=lambda row: key(row, REQUEST_ORDER)), n_renamed
        if attempt == 0:
            n_renamed = sum(again) - sum(row["request_id"] is None for row in rows)
        occurrences: Counter[tuple[Any, ...]] = Counter()
        for row, marked in zip(rows, again, strict=True):
            if marked:
                what = (row["request_id"], row["prompt_row"], row["timestamp"], row["account_row"])
                row["request_id"] = made(row, attempt, occurrences[what])
                occurrences[what] += 1
        attempt += 1


def made(row: Row, attempt: int, occurrence: int) -> str:
    own, prompt, account = row["request_id"], f"{row['prompt_row']:032x}", ACCOUNTS[row["account_row"]]
    content = "\x1e".join(
        map(str, (attempt, own is None, own, prompt, row["timestamp"], occurrence, account))
    )
    digest = blake2b(content.encode(), digest_size=12).hexdigest()
    return digest if own is None else f"{own}~{digest}"


def frame_of(rows: list[Row]) -> pl.DataFrame:
    """Rows as a part of the second pass has them: a prompt's row is the low half of its key."""
    frame = pl.DataFrame(
        rows, schema={**dict.fromkeys(rows[0], pl.UInt32), "request_id": pl.String, "timestamp": pl.Int64}
    )
    halves = {KEY[0]: pl.lit(0, pl.UInt64), KEY[1]: pl.col("prompt_row").cast(pl.UInt64)}
    frame = frame.with_columns(pl.col("timestamp").cast(REQUESTS["timestamp"]), **halves).drop("prompt_row")
    absent = [name for name in REQUESTS if name not in (*frame.columns, "prompt_row")]
    return frame.with_columns(pl.lit(None, REQUESTS[name]).alias(name) for name in absent)


def by_parts(rows: list[Row], size: int) -> tuple[list[Row], int]:
    """What ``Identifiers`` gives for parts of some prompts each, with as many attempts as it takes."""
    frame = frame_of(rows)
    prompts = sorted({row["prompt_row"] for row in rows})
    parts = [frame.filter(pl.col(KEY[1]).is_in(prompts[i : i + size])) for i in range(0, len(prompts), size)]
    suspects = [doubled(id_hashes(frame["request_id"].drop_nulls()))]
    while True:
        names = Identifiers(suspects, n_missing=frame["request_id"].null_count(), account_ids=ACCOUNTS)
        found = pl.concat([names.order(part, n_prompts=i * size) for i, part in enumerate(parts)])
        again = doubled(id_hashes(found["request_id"]))
        if not names.n_given[-1] or not len(again):
            break
        suspects.append(again)
    numbers = pl.col("timestamp").to_physical(), pl.col("prompt_row").replace_strict(dict(enumerate(prompts)))
    return found.with_columns(numbers).to_dicts(), names.n_given[0] - frame["request_id"].null_count()


REQUEST = st.builds(
    dict,
    request_id=st.sampled_from([None, None, "x", "x", "y", "z"]),
    prompt_row=st.integers(0, 3),
    account_row=st.integers(0, 1),
    timestamp=st.sampled_from([None, 0, 5]),
    output_tokens=st.integers(0, 1),
)


@given(
    st.lists(REQUEST, min_size=1, max_size=14), st.integers(1, 4), st.lists(st.integers(0, 13), max_size=3)
)
@settings(max_examples=80, deadline=None)
def test_identifiers_against_all_rows_at_once(rows: list[Row], size: int, planted: list[int]) -> None:
    # Requests that bear a name which is made for another: what is made is taken.
    names = [row["request_id"] for row in identified(rows)[0]]
    rows = rows + [{**rows[0], "prompt_row": i % 4, "request_id": names[i % len(names)]} for i in planted]
    expected, n_renamed = identified(rows)
    found, n_found = by_parts(rows, size)
    columns = ("request_id", "prompt_row", "account_row", "timestamp", "output_tokens")
    assert [[row[name] for name in columns] for row in found] == [
        [row[name] for name in columns] for row in expected
    ]
    assert n_found == n_renamed


def test_identifiers_are_made_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"request_id": None, "prompt_row": i % 3, "account_row": 0, "timestamp": 0, "output_tokens": i}
        for i in range(30)
    ]
    whole = by_parts(rows, 2)
    monkeypatch.setattr(requests_module, "_SLICE_ROWS", 4)
    assert by_parts(rows, 2) == whole
    assert [row["request_id"] for row in whole[0]] == [row["request_id"] for row in identified(rows)[0]]


def test_equal_hashes_of_other_names_change_nothing() -> None:
    rows = [
        {"request_id": name, "prompt_row": i, "account_row": 0, "timestamp": i, "output_tokens": i}
        for i, name in enumerate("vwxyz")
    ]
    frame = frame_of(rows)
    hashes = np.sort(id_hashes(frame["request_id"]))
    names = Identifiers([hashes], n_missing=0, account_ids=ACCOUNTS)
    found = names.order(frame, n_prompts=0)
    assert found["request_id"].to_list() == list("vwxyz")
    assert names.n_given == [0]


@given(st.lists(st.integers(0, 6), max_size=20))
def test_doubled(values: list[int]) -> None:
    expected = sorted(value for value, n in Counter(values).items() if n > 1)
    assert doubled(np.array(values, np.uint64)).tolist() == expected


def test_names_are_numbered_in_byte_order_whatever_the_batches() -> None:
    rows = pl.DataFrame(
        {
            "account_id": ["é", "b", "b", "a", "z"],
            "org_id": [None, "z", None, "b", None],
            "model": ["m2", None, "m1", "m2", None],
        }
    )
    owners = Owners()
    for part in (rows.tail(2), rows.head(3)):
        owners.add(part)
    accounts, principals, models = (table.to_series().to_list() for table in owners.tables())
    assert accounts == ["a", "b", "z", "é"]
    assert principals == ["account:b", "account:z", "account:é", "org:b", "org:z"]
    assert models == ["m1", "m2"]
    found = owners.rows(rows)
    assert found["account_row"].to_list() == [3, 1, 1, 0, 2]
    assert found["principal_row"].to_list() == [2, 4, 0, 3, 1]
    assert found["model_row"].to_list() == [1, None, 0, 1, None]
