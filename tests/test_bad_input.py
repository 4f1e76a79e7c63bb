"""Every kind of bad input ends in one line that names it and the remedy, or in rejected rows."""

from __future__ import annotations

import gzip
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from fuzzed_input import FILES, check_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_files import make_rows, write_rows
from typer.testing import CliRunner

from embedder import LogError, build_corpus
from embedder.reading import inflation
from scripts.cli import app

GOOD = {"prompt": "what is a mole", "account_id": "a1"}
Make = Callable[[Path], Path]


def file(name: str, data: bytes | str) -> Make:
    """Makes a file of these bytes."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return make


def parquet(**columns: Any) -> Make:
    """Makes a Parquet file of these columns."""

    def make(folder: Path) -> Path:
        pq.write_table(pa.table(columns), folder / "log.parquet")
        return folder / "log.parquet"

    return make


def twins(folder: Path) -> Path:
    """A Parquet file with two columns of one name."""
    table = pa.Table.from_arrays(
        [pa.array(["p"]), pa.array(["q"]), pa.array(["a"])], ["prompt"] * 2 + ["account_id"]
    )
    pq.write_table(table, folder / "log.parquet")
    return folder / "log.parquet"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "log.jsonl")
    return folder / "log.jsonl"


def folder_named_like_a_log(folder: Path) -> Path:
    (folder / "log.parquet").mkdir()
    return folder / "log.parquet"


def loop(folder: Path) -> Path:
    (folder / "log.csv").symlink_to(folder / "log.csv")
    return folder / "log.csv"


def dangling(folder: Path) -> Path:
    (folder / "log.csv").symlink_to(folder / "gone.csv")
    return folder / "log.csv"


def bound_socket(folder: Path) -> Path:
    made = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(folder)  # a socket's path may be a hundred bytes long
    try:
        made.bind("log.csv")
    finally:
        os.chdir(here)
        made.close()
    return folder / "log.csv"


LINE = json.dumps(GOOD) + "\n"
REFUSED: dict[str, tuple[Make, str]] = {
    "no file": (lambda folder: folder / "gone.csv", "no such file"),
    "unknown ending": (file("log.txt", "x"), "unknown kind of file"),
    "pipe": (pipe, "pipe, socket or device"),
    "socket": (bound_socket, "pipe, socket or device"),
    "folder without logs": (folder_named_like_a_log, "holds no logs"),
    "loop of links": (loop, "cannot be read"),
    "dangling link": (dangling, "no such file"),
    "cut gzip": (file("log.jsonl.gz", gzip.compress(LINE.encode() * 99)[:-9]), "truncated or corrupt gzip"),
    "no gzip": (file("log.csv.gz", LINE), "corrupt gzip"),
    "cut zstd": (file("log.jsonl.zst", zstandard.compress(LINE.encode() * 99)[:-3]), "corrupt zstd"),
    "no Parquet": (file("log.parquet", LINE), "corrupt Parquet"),
    "empty Parquet": (file("log.parquet", b""), "corrupt Parquet"),
    "UTF-16": (file("log.csv", "prompt,account_id\np,a\n".encode("utf-16")), "UTF-16"),
    "JSON array": (file("log.json", "[" + LINE.strip() + "]"), "JSON array"),
    "semicolons": (file("log.csv", "prompt;account_id\np;a\n"), "where commas should be"),
    "twice in the header": (file("log.csv", "prompt,account_id,prompt\np,a,q\n"), "'prompt' occurs twice"),
    "twice in Parquet": (twins, "'prompt' occurs twice"),
    "no account": (file("log.jsonl", '{"prompt": "p"}\n'), "'account_id' is missing"),
    "no prompt": (parquet(account_id=["a"]), "'prompt' (or 'messages') is missing"),
    "empty": (file("log.jsonl", b""), "no usable record among 0"),
    "header alone": (file("log.csv", "prompt,account_id\n"), "no usable record among 0"),
    "all rows bad": (file("log.jsonl", "{\n" * 5), "5 of 5 records are bad"),
    "wrong type": (parquet(prompt=[1, 2], account_id=["a", "b"]), "prompt is an integer"),
    "no record is good": (file("log.csv", "prompt,account_id\n,a\n"), "1 of 1 records are bad"),
}

REJECTED: dict[str, tuple[Make, list[str]]] = {
    "broken JSON": (file("log.jsonl", LINE + '{"prompt": \n' + LINE), ["not valid JSON"]),
    "nested too deep": (file("log.jsonl", LINE + "[" * 100_000 + "\n" + LINE), ["not valid JSON"]),
    "lone surrogate": (
        file("log.jsonl", LINE + '{"prompt": "\\ud800", "account_id": "a"}\n' + LINE),
        ["not valid JSON"],
    ),
    "NaN": (file("log.jsonl", LINE + '{"prompt": "p", "account_id": NaN}\n' + LINE), ["not valid JSON"]),
    "no UTF-8": (
        file("log.jsonl", LINE.encode() + b'{"prompt": "\xff", "account_id": "a"}\n' + LINE.encode()),
        ["not valid JSON"],
    ),
    "no object": (file("log.jsonl", LINE + "7\n" + LINE), ["not a JSON object"]),
    "ragged CSV": (file("log.csv", "prompt,account_id\np,a\np\nq,b\n"), ["1 fields where the header has 2"]),
    "stray quote": (file("log.csv", 'prompt,account_id\np,a\n"p"x,a\nq,b\n'), ["not valid CSV"]),
    "quote left open": (file("log.csv", 'prompt,account_id\np,a\nq,b\n"r,c\n'), ["not valid CSV"]),
    "CSV without UTF-8": (file("log.csv", b"prompt,account_id\np,a\n\xff,b\nq,c\n"), ["not valid UTF-8"]),
    "nothing visible": (
        file("log.csv", "prompt,account_id\np,a\n\u200b\u2060,b\nq,c\n"),
        ["prompt is blank"],
    ),
    "absurd times": (
        file(
            "log.csv",
            "prompt,account_id,timestamp\np,a,2026-01-01\np,a,0001-01-01\np,a,1e300\np,a,yesterday\n"
            "p,a,2026-01-02\np,a,2026-01-03\np,a,\n",
        ),
        ["out of range", "out of range", "neither ISO 8601 nor an epoch"],
    ),
    "mixed kinds": (
        file("log.jsonl", LINE + '{"prompt": ["p"], "account_id": 1.5}\n' + LINE),
        ["account_id is a float"],
    ),
    "null account": (parquet(prompt=["p", "q"], account_id=["a", None]), ["account_id is missing"]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_log_that_cannot_be_used_is_one_line_that_names_it(tmp_path: Path, kind: str) -> None:
    make, message = REFUSED[kind]
    path = make(tmp_path)
    ended = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out" / "run")])
    assert ended.exit_code == 2, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert message in ended.stderr
    assert path.name in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", REJECTED)
def test_a_row_that_cannot_be_used_is_rejected_and_the_others_are_kept(tmp_path: Path, kind: str) -> None:
    make, reasons = REJECTED[kind]
    corpus = build_corpus(make(tmp_path), max_rejected_share=0.9)
    assert corpus.rejected.height == len(reasons)
    for reason, seen in zip(reasons, corpus.rejected["reason"], strict=True):
        assert reason in seen
    assert corpus.requests.height + corpus.rejected.height == corpus.n_rows_read
    assert corpus.requests.height >= 1


def test_files_of_different_schemas_are_one_log(tmp_path: Path) -> None:
    write_rows(tmp_path / "a", make_rows(30, seed=1), form="csv")
    write_rows(tmp_path / "b", make_rows(30, seed=2), form="parquet-messages")
    (tmp_path / "c.jsonl").write_text('{"prompt": "p", "account_id": 7, "extra": [1]}\n')
    pq.write_table(pa.table({"prompt": ["p"], "account_id": [7]}), tmp_path / "d.parquet")
    corpus = build_corpus(tmp_path)
    assert corpus.requests.height == 62
    assert "7" in corpus.accounts["account_id"].to_list()


def test_five_megabytes_are_a_prompt(tmp_path: Path) -> None:
    long = "word " * 1_000_000
    (tmp_path / "log.jsonl").write_text((json.dumps({**GOOD, "prompt": long}) + "\n" + LINE) * 3)
    corpus = build_corpus(tmp_path / "log.jsonl")
    assert corpus.requests.height == 6
    assert max(corpus.prompts["prompt"].str.len_bytes()) == len(long)


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.jsonl.zst", "log.csv.gz"])
@pytest.mark.parametrize("what", [b"\x00" * (1 << 20), b"x\n" * (1 << 19)])
def test_a_bomb_is_refused_before_it_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: bytes
) -> None:
    monkeypatch.setattr(inflation, "LEAST_BYTES", 8 << 20)
    monkeypatch.setattr(inflation, "MOST_TIMES", {"gzip": 500, "zstd": 500, "parquet": 500})
    monkeypatch.setattr(inflation, "LEAST_RECORDS", 1_000_000)
    head = b"prompt,account_id\n" if "csv" in name else LINE.encode()
    pack = gzip.compress if name.endswith("gz") else zstandard.compress
    (tmp_path / name).write_bytes(pack(head + what * 64))
    with pytest.raises(LogError, match=rf"{name}: refused as a decompression bomb.*plain JSON lines"):
        build_corpus(tmp_path / name, max_rejected_share=1.0)


def test_a_log_as_repetitive_as_honest_ones_is_no_bomb(tmp_path: Path) -> None:
    lines = "".join(
        json.dumps({"prompt": "the same", "account_id": f"a{i % 50}"}) + "\n" for i in range(50_000)
    )
    (tmp_path / "log.jsonl.zst").write_bytes(zstandard.compress(lines.encode()))
    assert build_corpus(tmp_path / "log.jsonl.zst").requests.height == 50_000


@pytest.mark.parametrize("kind", ["empty folder", "file", "broken weights", "pickled weights", "not there"])
def test_a_model_that_is_none_is_one_line(tmp_path: Path, kind: str) -> None:
    log, model = file("log.jsonl", LINE)(tmp_path), tmp_path / "model"
    if kind == "file":
        model.write_text("no model")
    elif kind != "not there":
        model.mkdir()
    if kind == "broken weights":
        (model / "config.json").write_text('{"model_type": "bert"')
        (model / "model.safetensors").write_bytes(b"\x00" * 64)
    if kind == "pickled weights":
        (model / "config.json").write_text('{"model_type": "bert"}')
        (model / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    call = ["run", str(log), "--out", str(tmp_path / "run"), "--encoder", str(model)]
    ended = CliRunner().invoke(app, call)
    assert ended.exit_code == 2, ended.stderr
    assert ended.stderr.strip().count("\n") == 0
    assert str(model) in ended.stderr


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes, list[tuple[int, int]]]:
    """A format, what is appended, and which bytes are overwritten; a negative value cuts the file there."""
    places = st.tuples(st.integers(0, 1 << 16), st.integers(-1, 255))
    return draw(st.sampled_from(FILES)), draw(st.binary(max_size=64)), draw(st.lists(places, max_size=6))


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated())
def test_a_log_with_changed_bytes_is_refused_or_each_row_counted(
    tmp_path_factory: pytest.TempPathFactory, change: tuple[str, bytes, list[tuple[int, int]]]
) -> None:
    name, tail, places = change
    folder = tmp_path_factory.mktemp("mutated")
    path = write_rows(folder / "log", make_rows(40), form="csv" if "csv" in name else name)
    data = bytearray(path.read_bytes())
    if ".csv." in f".{name}.":
        plain = bytes(data)
        pack = {"csv.gz": gzip.compress, "csv.zst": zstandard.compress}.get(name, bytes)
        data, path = bytearray(pack(plain)), folder / f"log.{name}"
    for place, value in places:
        if value < 0:
            del data[place % (len(data) + 1) :]
        elif data:
            data[place % len(data)] = value
    path.write_bytes(bytes(data) + tail)
    check_file(path)


@given(st.sampled_from(FILES), st.binary(max_size=400))
def test_any_bytes_are_refused_or_each_row_counted(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / f"log.{name}"
    path.write_bytes(data)
    check_file(path)
