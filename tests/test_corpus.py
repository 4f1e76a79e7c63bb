from __future__ import annotations

import gc
import io
import json
import random
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_files import FORMATS, make_rows, write_rows
from polars.testing import assert_frame_equal

from embedder.corpus import Corpus, build_corpus, load_corpus
from embedder.normalise import normalise
from embedder.partitions import Partitions
from embedder.reading import LogError
from embedder.text_buffer import to_buffer
from embedder.views import whole_texts

ROOT = Path(__file__).parent.parent

TABLES = ("prompts", "requests", "accounts", "principals", "models")


def written(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def assert_same(one: Corpus, other: Corpus) -> None:
    for name in TABLES:
        first, second = getattr(one, name), getattr(other, name)
        assert_frame_equal(first, second)
        assert written(first) == written(second)
    for name in ("data", "offsets"):
        assert np.array_equal(getattr(one.texts, name), getattr(other.texts, name))
    assert (one.n_made_ids, one.n_renamed_ids) == (other.n_made_ids, other.n_renamed_ids)


def check(corpus: Corpus) -> None:
    """What holds for every corpus."""
    prompts, requests = corpus.prompts, corpus.requests
    assert prompts["prompt_id"].is_sorted()
    assert prompts["prompt_id"].is_unique().all()
    systems, texts = (normalise(prompts[name].fill_null("")) for name in ("system_prompt", "prompt"))
    assert whole_texts(systems, texts).to_list() == corpus.texts.to_list()
    assert (texts != "").all()
    assert prompts["n_requests"].sum() == requests.height
    counted = requests.group_by("prompt_row").len().sort("prompt_row")
    assert counted["prompt_row"].to_list() == list(range(prompts.height))
    assert counted["len"].to_list() == prompts["n_requests"].to_list()
    assert requests["request_id"].null_count() == 0
    assert requests["request_id"].is_unique().all()
    order = requests.sort("prompt_row", "timestamp", "account_row", "request_id", nulls_last=True)
    assert_frame_equal(order, requests)
    for name, ids in (
        ("account", corpus.accounts["account_id"]),
        ("principal", corpus.principals["principal_id"]),
        ("model", corpus.models["model"]),
    ):
        assert ids.is_sorted()
        assert ids.is_unique().all()
        assert set(requests[f"{name}_row"].drop_nulls()) == set(range(len(ids)))
        assert requests[f"{name}_row"].dtype == pl.UInt32
    assert corpus.n_rows_read == requests.height + corpus.rejected.height + corpus.n_outside
    assert sum(file.n_rejected for file in corpus.files) == corpus.rejected.height


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return make_rows(400, seed=1)


@pytest.fixture(scope="module")
def expected(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_corpus(write_rows(tmp_path_factory.mktemp("corpus") / "log", rows, form="parquet"))


@pytest.mark.parametrize("form", FORMATS)
def test_format_does_not_matter(
    tmp_path: Path, rows: list[dict[str, Any]], expected: Corpus, form: str
) -> None:
    corpus = build_corpus(write_rows(tmp_path / "log", rows, form=form))
    check(corpus)
    assert_same(corpus, expected)


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_order_and_split_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], expected: Corpus, rng: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("split")
    shuffled = rng.sample(rows, len(rows))
    cuts = sorted({0, len(rows), *(rng.randrange(1, len(rows)) for _ in range(3))})
    for i, (start, end) in enumerate(pairwise(cuts)):
        write_rows(folder / f"part{rng.random()}-{i}", shuffled[start:end], form=rng.choice(FORMATS))
    assert_same(build_corpus(folder), expected)


@pytest.mark.parametrize("memory", [4_000, 20_000, 200_000])
def test_memory_changes_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], expected: Corpus, memory: int
) -> None:
    for i in range(0, 400, 40):
        write_rows(tmp_path / f"log{i}", rows[i : i + 40], form="jsonl")
    parts: list[tuple[int, int]] = []
    corpus = build_corpus(tmp_path, memory=memory, on_part=lambda *done: parts.append(done))
    assert_same(corpus, expected)
    assert [done for done, _ in parts] == list(range(1, parts[-1][1] + 1))
    assert parts[-1][1] > 2 or memory == 200_000


def test_against_plain_python(rows: list[dict[str, Any]], expected: Corpus) -> None:
    """Slow and obvious: a dictionary by normal form."""

    def normal(text: str | None) -> str:
        return str(normalise(pl.Series([text or ""])).item())

    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((normal(row["system_prompt"]), normal(row["prompt"])), []).append(row)
    assert expected.prompts.height == len(groups)
    for prompt in expected.prompts.to_dicts():
        key = (normal(prompt["system_prompt"]), normal(prompt["prompt"]))
        members = groups[key]
        assert prompt["prompt_id"] == blake2b("\x1e".join(key).encode(), digest_size=16).hexdigest()
        assert prompt["n_requests"] == len(members)
        pairs = [(row["prompt"], row["system_prompt"]) for row in members]
        assert prompt["n_variants"] == len(set(pairs))
        order = {pair: (-pairs.count(pair), pair[0].encode(), (pair[1] or "").encode()) for pair in pairs}
        assert (prompt["prompt"], prompt["system_prompt"]) == min(pairs, key=order.__getitem__)
    seen = expected.requests.with_columns(
        account=expected.accounts["account_id"].gather(expected.requests["account_row"]),
        principal=expected.principals["principal_id"].gather(expected.requests["principal_row"]),
        text=normalise(expected.prompts["prompt"]).gather(expected.requests["prompt_row"]),
        model=expected.models["model"].gather(expected.requests["model_row"]),
    )
    columns = ("text", "account", "principal", "timestamp", "model", "output_tokens")
    held = sorted(map(str, seen.select(columns).rows()))
    wanted = sorted(
        str(
            (
                normal(row["prompt"]),
                row["account_id"],
                f"org:{row['org_id']}" if row["org_id"] else f"account:{row['account_id']}",
                row["timestamp"],
                row["model"],
                row["output_tokens"],
            )
        )
        for row in rows
    )
    assert [text.replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc") for text in held] == wanted


def write(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_identifiers_are_made_and_kept_apart(tmp_path: Path) -> None:
    same = {"prompt": "p", "account_id": "a", "timestamp": "2026-01-01T00:00:00Z"}
    later = {**same, "timestamp": "2026-01-02T00:00:00Z"}
    corpus = build_corpus(
        write(
            tmp_path,
            same,
            same,
            later,
            {**same, "request_id": "x"},
            {**later, "request_id": "x"},
            {**same, "request_id": "y"},
        )
    )
    check(corpus)
    assert (corpus.n_made_ids, corpus.n_renamed_ids) == (3, 1)
    ids = corpus.requests.select("request_id", pl.col("timestamp").dt.day()).rows()
    # Of the two requests called x, the first in order keeps the name.
    assert ("x", 1) in ids
    assert [name for name, day in ids if day == 2 and name.startswith("x~")]
    assert ("y", 1) in ids


def test_made_identifier_that_is_taken(tmp_path: Path) -> None:
    request = {"prompt": "p", "account_id": "a"}
    made = build_corpus(write(tmp_path, request)).requests["request_id"].item()
    corpus = build_corpus(
        write(tmp_path, request, {"prompt": "other", "account_id": "b", "request_id": made})
    )
    check(corpus)
    again = build_corpus(write(tmp_path, {"prompt": "other", "account_id": "b", "request_id": made}, request))
    assert_same(corpus, again)


def test_principals_never_collide(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "account_id": "x"},
        {"prompt": "p", "account_id": "y", "org_id": "x"},
        {"prompt": "p", "account_id": "y"},
        {"prompt": "p", "account_id": "org:x"},
    ]
    corpus = build_corpus(write(tmp_path, *rows))
    check(corpus)
    assert corpus.accounts["account_id"].to_list() == ["org:x", "x", "y"]
    assert corpus.principals["principal_id"].to_list() == ["account:org:x", "account:x", "account:y", "org:x"]


def test_bad_rows_are_counted_and_named(tmp_path: Path) -> None:
    good = {"prompt": "p", "account_id": "a"}
    first = write(tmp_path, good, {"prompt": "\u200b", "account_id": "a"}, good, {"prompt": "p"}, good)
    corpus = build_corpus(first)
    check(corpus)
    assert corpus.rejected.rows() == [
        (str(first), 2, "prompt is blank"),
        (str(first), 4, "account_id is missing"),
    ]
    file = corpus.files[0]
    assert (file.path, file.size, file.n_rows, file.n_rejected) == (str(first), first.stat().st_size, 5, 2)
    with pytest.raises(
        LogError, match=r"2 of 5 records are bad.*max_rejected_share = 0.3.* row 2: prompt is blank"
    ):
        build_corpus(first, max_rejected_share=0.3)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_share_is_checked(tmp_path: Path, share: float) -> None:
    with pytest.raises(ValueError, match="max_rejected_share"):
        build_corpus(tmp_path, max_rejected_share=share)


def test_no_usable_row(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("prompt,account_id\n")
    with pytest.raises(LogError, match=r"log\.csv: no usable record among 0"):
        build_corpus(tmp_path)
    (tmp_path / "log.csv").write_text("prompt,account_id\n,a\n")
    with pytest.raises(LogError, match=r"no usable record among 1; .*row 1: prompt is missing"):
        build_corpus(tmp_path, max_rejected_share=1.0)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_saved_and_loaded(tmp_path: Path, rows: list[dict[str, Any]], expected: Corpus) -> None:
    corpus = build_corpus(write_rows(tmp_path / "log", rows, form="csv"), folder=tmp_path / "work")
    assert files_below(tmp_path / "work")
    corpus.save(tmp_path / "kept")
    assert files_below(tmp_path / "work") == []  # moved, and what is mapped stays
    assert_same(corpus, expected)
    loaded = load_corpus(tmp_path / "kept")
    check(loaded)
    assert_same(loaded, expected)
    assert_frame_equal(loaded.rejected, corpus.rejected)
    assert loaded.files == corpus.files
    corpus.save(tmp_path / "again")  # its files have gone, so they are written
    for path in files_below(tmp_path / "kept"):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes() or path.suffix == ".arrow"
    assert_same(load_corpus(tmp_path / "again"), expected)


def test_a_changed_copy_is_written(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    corpus = build_corpus(write_rows(tmp_path / "log", rows, form="jsonl"))
    fewer = replace(corpus, requests=corpus.requests.head(5), texts=to_buffer(pl.Series(["a", "", "b"])))
    fewer.save(tmp_path / "fewer")
    loaded = load_corpus(tmp_path / "fewer")
    assert_frame_equal(loaded.requests, corpus.requests.head(5))
    assert loaded.texts.to_list() == ["a", "", "b"]
    assert_same(replace(loaded, requests=corpus.requests, texts=corpus.texts), corpus)


def test_its_files_go_with_the_corpus(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    corpus = build_corpus(write_rows(tmp_path / "log", rows, form="jsonl"), folder=tmp_path / "work")
    requests, held = corpus.requests, corpus.requests.rows()
    del corpus
    gc.collect()
    assert list((tmp_path / "work").iterdir()) == []
    assert requests.rows() == held


class Stop(BaseException):
    """As an interrupt: no ``Exception``."""


@pytest.mark.parametrize("moment", ["batch", "part", "writing", "bad log"])
def test_an_error_leaves_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def stop(*_: object) -> None:
        raise Stop

    log, calls = write_rows(tmp_path / "log", rows, form="jsonl"), {}
    if moment in ("batch", "part"):
        calls = {f"on_{moment}": stop}
    elif moment == "writing":
        monkeypatch.setattr(Partitions, "add", stop)
    else:
        log.write_text('{"account_id": "a"}\n')
    with pytest.raises(LogError if moment == "bad log" else Stop):
        build_corpus(log, folder=tmp_path / "work", memory=20_000, **calls)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("memory", [0, -1])
def test_memory_is_checked(tmp_path: Path, memory: int) -> None:
    with pytest.raises(ValueError, match=f"memory: {memory} bytes"):
        build_corpus(tmp_path, memory=memory)


_GROWTH = """
import sys, threading, time
from pathlib import Path
from embedder import build_corpus

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) << 10

def watch():
    while True:
        seen.append(anonymous())
        time.sleep(0.01)

seen = []
threading.Thread(target=watch, daemon=True).start()
for log in sys.argv[1:]:
    seen.clear()
    corpus = build_corpus(log, memory=64 << 20)
    print(max(seen), len(corpus.texts.data), corpus.requests.height)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux' account of memory")
def test_memory_is_bounded(tmp_path: Path) -> None:
    """Four times the requests, 360 MB of text more: hardly more memory."""
    text, sizes = " ".join(["alpha", "beta", "gamma", "delta", "epsilon", "zeta"] * 20), (180_000, 720_000)
    for n in sizes:
        (tmp_path / str(n)).mkdir()
        for part in np.array_split(np.arange(n), n // 60_000):
            frame = pl.DataFrame({"i": part}).select(
                request_id=pl.format("request-{}", "i"),
                account_id=pl.format("account-{}", pl.col("i") % 500),
                prompt=pl.format("{} " + text + " {}", "i", "i"),
            )
            frame.write_parquet(tmp_path / str(n) / f"{part[0]}.parquet")
    logs = [str(tmp_path / str(n)) for n in sizes]
    done = subprocess.run(
        [sys.executable, "-c", _GROWTH, *logs], capture_output=True, text=True, check=True, cwd=ROOT
    )
    small, large = ([int(figure) for figure in line.split()] for line in done.stdout.splitlines())
    assert [small[2], large[2]] == [180_000, 720_000]
    assert large[1] - small[1] > 340 << 20
    assert large[0] - small[0] < 80 << 20


def test_one_request(tmp_path: Path) -> None:
    corpus = build_corpus(write(tmp_path, {"prompt": "p", "account_id": 1, "system_prompt": " "}))
    check(corpus)
    assert corpus.prompts["system_prompt"].to_list() == [None]
    assert corpus.requests["timestamp"].to_list() == [None]


def test_period(tmp_path: Path) -> None:
    days = [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)]
    path = write(tmp_path, *({"prompt": "p", "account_id": "a", "timestamp": day} for day in [*days, None]))
    corpus = build_corpus(path, since=datetime(2026, 1, 2), until=datetime(2026, 1, 3))
    check(corpus)
    assert corpus.requests["timestamp"].dt.day().to_list() == [2]
    assert corpus.n_outside == 3
    with pytest.raises(LogError, match="4 lie outside since/until or have no time"):
        build_corpus(path, since=datetime(2027, 1, 1))


def test_progress_adds_up(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    for form in ("parquet", "jsonl.zst", "csv"):
        write_rows(tmp_path / "log", rows, form=form)
    calls: list[tuple[int, int]] = []
    corpus = build_corpus(tmp_path, on_batch=lambda n_rows, n_bytes: calls.append((n_rows, n_bytes)))
    assert sum(n_rows for n_rows, _ in calls) == corpus.n_rows_read == 1200
    assert sum(n_bytes for _, n_bytes in calls) == sum(file.size for file in corpus.files)
