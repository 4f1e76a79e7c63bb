"""`covey simulate`: presets, habits, switches and what its mistakes say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from scripts.cli import app
from scripts.simulate import names_in, parse_requests

runner = CliRunner()


def made(out: Path, *arguments: str) -> dict[str, Any]:
    shown = runner.invoke(app, ["simulate", *arguments, "--out", str(out), "--json"])
    assert shown.exit_code == 0, shown.output
    counts: dict[str, Any] = json.loads(shown.stdout)
    return counts


@pytest.mark.parametrize(
    ("text", "n"),
    [("20000", 20_000), ("40k", 40_000), ("1.5M", 1_500_000), ("2m", 2_000_000), ("1,000", 1_000)],
)
def test_numbers_of_requests(text: str, n: int) -> None:
    assert parse_requests(text) == n


@pytest.mark.parametrize("text", ["many", "", "-5k", "4kk", "1e6", "999", "k"])
def test_wrong_numbers_of_requests(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_requests(text)


def test_names() -> None:
    assert names_in("round-the-clock, pivot") == ("round_the_clock", "pivot")
    assert names_in("none") == ()


def test_preset_with_hidden_operators(tmp_path: Path) -> None:
    counts = made(
        tmp_path, "qwen", "--requests", "10k", "--campaign-share", "0.02",
        "--schedule", "office,replaced,pivot", "--loads", "skewed", "--mixing", "0.5",
        "--disguise", "paraphrases,case", "--language", "zh",
    )  # fmt: skip
    assert counts["n_campaign"] == 200
    (plan,) = counts["campaigns"]
    assert (plan["name"], plan["schedule"], plan["loads"], plan["mixing"]) == (
        "qwen",
        "office",
        "skewed",
        0.5,
    )
    assert (plan["pools"], plan["pivots"], plan["shards"]) == (2, True, False)
    assert (plan["disguises"], plan["language"]) == (["paraphrases", "case"], "zh")
    truth = pl.read_parquet(tmp_path / "truth.parquet")
    of_qwen = dict(truth.filter(pl.col("group") == "qwen").group_by("kind").len().iter_rows())
    assert of_qwen == {"campaign": 200, "organic": 200}


def test_campaigns_and_lookalikes_are_switched(tmp_path: Path) -> None:
    bare = made(tmp_path / "a", "--requests", "2k", "--campaigns", "none", "--lookalikes", "none")
    assert (bare["n_organic"], bare["campaigns"]) == (2_000, [])
    some = made(
        tmp_path / "b", "--requests", "4k", "--campaigns", "grid,relay", "--lookalikes", "batch-job,classroom"
    )
    assert [plan["name"] for plan in some["campaigns"]] == ["grid", "relay"]
    kinds = set(pl.read_parquet(tmp_path / "b" / "truth.parquet")["kind"])
    assert kinds == {"organic", "campaign", "benign:batch_job", "benign:classroom"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["kwen"], "no preset 'kwen'"),
        (["qwen", "--campaigns", "none"], "give one of the two"),
        (["--campaigns", "grit"], "'grit'"),
        (["--lookalikes", "class"], "'class'"),
        (["--schedule", "night"], "'night'"),
        (["--schedule", "office,bursts"], "exclude each other"),
        (["--disguise", "wig"], "'wig'"),
        (["--mixing", "0.99"], "mixing=0.99"),
        (["--repeats", "1.5"], "repeats=1.5"),
        (["--language", "fr"], "'fr'"),
        (["--campaign-share", "0.6", "--mixing", "0.9"], "lower the shares or the mixing"),
    ],
)
def test_mistakes_are_named_in_a_line(tmp_path: Path, arguments: list[str], named: str) -> None:
    shown = runner.invoke(app, ["simulate", *arguments, "--out", str(tmp_path / "x")])
    assert shown.exit_code == 2
    assert named in shown.stderr
    assert shown.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_what_is_printed(tmp_path: Path) -> None:
    shown = runner.invoke(
        app, ["simulate", "deepseek", "--requests", "5k", "--disguise", "case", "--out", str(tmp_path)]
    )
    assert shown.exit_code == 0
    for words in ("5 000 requests", "deepseek", "groups, equal loads, case", "truth.parquet"):
        assert words in shown.stdout.replace("\u202f", " ").replace("\xa0", " ")
