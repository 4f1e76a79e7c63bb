"""The same rows give the same run: in any format, any order, any number of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import Logged
from fault_injection import check_same_tables, tables_of
from log_files import write_rows

from clustering import Run, RunSettings, run
from clustering.simulation import SimulationSettings, simulate

FORMS = ("jsonl", "csv", "jsonl-messages", "parquet-messages", "jsonl.zst")


@pytest.fixture(scope="module")
def requests() -> pl.DataFrame:
    """Requests that all hold their conversation: what goes on with what is as known in every format."""
    settings = SimulationSettings(n_requests=1_500, campaign_share=0.3, lookalike_share=0.3)
    made = simulate(settings, seed=5).requests
    alone = pl.concat_list(pl.struct(pl.lit("user").alias("role"), pl.col("prompt").alias("content")))
    return made.with_columns(messages=pl.coalesce("messages", alone))


@pytest.fixture(scope="module")
def original(requests: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("original")
    requests.write_parquet(folder / "requests.parquet")
    return run(folder / "requests.parquet", folder / "run")


def check_same(one: Run, other: Run) -> None:
    check_same_tables(one, other)
    assert one.manifest["fingerprint"] == other.manifest["fingerprint"]


def rows_of(requests: pl.DataFrame) -> list[dict[str, Any]]:
    return requests.to_dicts()


def test_there_is_something_to_compare(original: Run) -> None:
    assert original.families.height >= 10
    assert len(tables_of(original)) >= 10


@pytest.mark.parametrize("form", FORMS)
def test_formats_agree(original: Run, requests: pl.DataFrame, tmp_path: Path, form: str) -> None:
    log = write_rows(tmp_path / "requests", rows_of(requests), form=form)
    check_same(run(log, tmp_path / "run"), original)


def test_order_does_not_matter(original: Run, requests: pl.DataFrame, tmp_path: Path) -> None:
    requests.sample(fraction=1, shuffle=True, seed=3).write_parquet(tmp_path / "shuffled.parquet")
    check_same(run(tmp_path / "shuffled.parquet", tmp_path / "run"), original)


def test_split_files_of_several_formats_agree(original: Run, requests: pl.DataFrame, tmp_path: Path) -> None:
    rows = rows_of(requests.sample(fraction=1, shuffle=True, seed=4))
    (tmp_path / "logs" / "deeper").mkdir(parents=True)
    write_rows(tmp_path / "logs" / "a", rows[:200], form="csv")
    write_rows(tmp_path / "logs" / "b", rows[200:900], form="jsonl.gz")
    write_rows(tmp_path / "logs" / "deeper" / "c", rows[900:], form="parquet")
    check_same(run(tmp_path / "logs", tmp_path / "run"), original)
    check_same(
        run([str(tmp_path / "logs" / "*.*"), tmp_path / "logs" / "deeper"], tmp_path / "two"), original
    )


def test_mapped_columns_agree(original: Run, requests: pl.DataFrame, tmp_path: Path) -> None:
    nested = requests.select(
        "request_id",
        "org_id",
        "system_prompt",
        "session_id",
        "messages",
        "model",
        "output_tokens",
        pl.col("account_id").alias("user"),
        pl.col("timestamp").dt.epoch("ms").alias("at"),
        pl.struct(pl.col("prompt").alias("text")).alias("body"),
    )
    whole_ms = requests.with_columns(pl.col("timestamp").dt.truncate("1ms"))
    nested.write_ndjson(tmp_path / "nested.jsonl")
    whole_ms.write_parquet(tmp_path / "flat.parquet")
    columns = (("prompt", "body.text"), ("account_id", "user"), ("timestamp", "at"))
    mapped = run(tmp_path / "nested.jsonl", tmp_path / "mapped", settings=RunSettings(columns=columns))
    check_same(mapped, run(tmp_path / "flat.parquet", tmp_path / "flat"))
    assert mapped.families["family_id"].to_list() == original.families["family_id"].to_list()


def test_requests_without_ids_agree(requests: pl.DataFrame, tmp_path: Path) -> None:
    nameless = requests.drop("request_id")
    nameless.write_parquet(tmp_path / "one.parquet")
    nameless.reverse().write_parquet(tmp_path / "other.parquet")
    one, other = (run(tmp_path / f"{name}.parquet", tmp_path / name) for name in ("one", "other"))
    check_same(one, other)
    assert one.assignments["request_id"].is_unique().all()


def test_families_keep_their_ids_when_noise_is_added(
    original: Run, requests: pl.DataFrame, logged: Logged, tmp_path: Path
) -> None:
    organic = logged.requests.filter(pl.col("kind") == "organic").select(requests.columns)
    more = organic[:300].with_columns(pl.format("more-{}", "request_id").alias("request_id"))
    pl.concat([requests, more]).write_parquet(tmp_path / "more.parquet")
    again = run(tmp_path / "more.parquet", tmp_path / "run")
    kept = set(original.families["family_id"]) & set(again.families["family_id"])
    assert len(kept) >= 0.8 * original.families.height
