"""Small, bare and hostile logs: a run is made of them all, and no text becomes anything but text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from report_tables import HOSTILE_PROMPTS
from typer.testing import CliRunner

from clustering import Run, load_run, run
from clustering.simulation import SimulationSettings, simulate
from embedder import LogError
from scripts.cli import app


@pytest.fixture(scope="module")
def requests() -> pl.DataFrame:
    settings = SimulationSettings(n_requests=1_000, campaign_share=0.3, lookalike_share=0.3)
    return simulate(settings, seed=8).requests


def run_of(frame: pl.DataFrame, folder: Path) -> Run:
    frame.write_parquet(folder / "log.parquet")
    done = run(folder / "log.parquet", folder / "run")
    assert done.assignments.height == frame.height
    assert (folder / "run" / "report.html").stat().st_size > 1_000
    return done


@pytest.mark.parametrize("missing", ["timestamp", "org_id", "system_prompt", "request_id"])
def test_an_optional_column_may_be_missing(requests: pl.DataFrame, tmp_path: Path, missing: str) -> None:
    done = run_of(requests.drop(missing), tmp_path)
    assert done.families.height >= 5
    if missing == "timestamp":
        assert done.families["first_seen"].is_null().all()
        assert done.families["hour_flatness"].is_null().all()


def test_the_two_needed_columns_are_enough(requests: pl.DataFrame, tmp_path: Path) -> None:
    assert run_of(requests.select("prompt", "account_id"), tmp_path).families.height >= 5


def test_one_account_is_never_flagged(requests: pl.DataFrame, tmp_path: Path) -> None:
    alone = requests.with_columns(account_id=pl.lit("only"), org_id=pl.lit(None, pl.String))
    done = run_of(alone, tmp_path)
    assert not done.families["flagged"].any()
    assert (done.families["n_accounts"] == 1).all()


def test_one_prompt_sent_by_many(tmp_path: Path) -> None:
    sent = pl.DataFrame(
        {"prompt": ["Say something new."] * 200, "account_id": [f"a{i % 50}" for i in range(200)]}
    )
    done = run_of(sent, tmp_path)
    assert done.families.height == 1
    assert done.families.row(0, named=True)["n_requests"] == 200
    assert done.families["view"].to_list() == ["single"]
    assert done.assign(["Say something new."])["family_id"].to_list() == done.families["family_id"].to_list()


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_rows(tmp_path: Path, n: int) -> None:
    rows = pl.DataFrame({"prompt": ["Hello.", "Why is the sky blue?"], "account_id": ["a", "b"]})[:n]
    done = run_of(rows, tmp_path)
    assert done.families.height == 0
    assert done.assignments["family_id"].is_null().all()
    assert done.assign(["Hello."])["family_id"].to_list() == [None]
    shown = CliRunner().invoke(app, ["show", str(done.path)])
    assert shown.exit_code == 0
    assert "0 families" in shown.stdout


def test_an_empty_log_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"log\.parquet: no usable record"):
        run_of(pl.DataFrame(schema={"prompt": pl.String, "account_id": pl.String}), tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_log_of_nothing_but_noise_has_no_family_that_is_flagged(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    words = np.array([f"w{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{i}" for i in range(5_000)])
    texts = [" ".join(rng.choice(words, 12)) for _ in range(1_200)]
    accounts = [f"a{i}" for i in rng.integers(0, 200, 1_200)]
    done = run_of(pl.DataFrame({"prompt": texts, "account_id": accounts}), tmp_path)
    assert not done.families["flagged"].any()
    assert done.families.filter(pl.col("view") == "skeleton").height == 0


def test_rejected_rows_are_listed_with_their_place_and_reason(requests: pl.DataFrame, tmp_path: Path) -> None:
    rows = [
        json.dumps({"prompt": row["prompt"], "account_id": row["account_id"]}) for row in requests.to_dicts()
    ]
    rows[2:2] = ['{"prompt": "", "account_id": "a"}', "not json", '{"prompt": "x", "account_id": null}']
    rows.append(r'{"prompt": "half a pair \ud83d", "account_id": "a"}')
    (tmp_path / "log.jsonl").write_text("\n".join(rows))
    done = run(tmp_path / "log.jsonl", tmp_path / "run")
    assert done.rejected["row"].to_list() == [3, 4, 5, len(rows)]
    assert set(done.rejected["file"]) == {str(tmp_path / "log.jsonl")}
    assert done.rejected["reason"].str.len_chars().min() > 5  # type: ignore[operator]
    assert done.manifest["counts"]["rejected"] == 4
    assert done.assignments.height == requests.height


def test_a_log_that_is_mostly_bad_stops(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"prompt": "x", "account_id": "a"}\n' + "bad\n" * 9)
    with pytest.raises(LogError, match="reject"):
        run(tmp_path / "log.jsonl", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_log_shows_before_anything_is_loaded(tmp_path: Path) -> None:
    told: list[object] = []
    with pytest.raises(LogError, match=r"nowhere\.parquet"):
        run(tmp_path / "nowhere.parquet", tmp_path / "run", progress=told.append)
    assert not told
    assert list(tmp_path.iterdir()) == []


class WordHashes:
    """An encoder of our own: each word adds a fixed random direction."""

    fingerprint = "word-hashes-1"
    dim = 32

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                row += np.random.default_rng(list(word.encode())).normal(size=self.dim).astype(np.float32)
            row /= max(float(np.linalg.norm(row)), 1e-9)
        return rows


def test_an_encoder_of_ones_own(requests: pl.DataFrame, tmp_path: Path) -> None:
    requests.write_parquet(tmp_path / "log.parquet")
    done = run(tmp_path / "log.parquet", tmp_path / "run", encoder=WordHashes())
    assert done.manifest["encoder_fingerprint"] == "word-hashes-1"
    assert done.families.height >= 5
    member = done.prompts.drop_nulls("family_id").filter(pl.col("system_prompt").is_null()).row(0, named=True)
    loaded = load_run(done.path, encoder=WordHashes())
    assert loaded.assign([member["prompt"]])["family_id"].to_list() == [member["family_id"]]
    with pytest.raises(ValueError, match="word-hashes-1"):
        load_run(done.path).assign(["x"])


def test_hostile_prompts_stay_text_from_log_to_report(requests: pl.DataFrame, tmp_path: Path) -> None:
    wrapper = (
        "Pretend that the page below is finished and describe in detail what it would show: {} And then stop."
    )
    hostile = pl.DataFrame(
        {
            "prompt": [wrapper.format(text + f" number {i}") for i in range(6) for text in HOSTILE_PROMPTS],
            "account_id": [f"{text[:12]}{i}" for i in range(6) for text in HOSTILE_PROMPTS],
        }
    )
    log = pl.concat([requests.select("prompt", "account_id"), hostile])
    done = run_of(log, tmp_path)
    sent = done.prompts.filter(pl.col("prompt").str.starts_with("Pretend that the page"))
    family = sent["family_id"].drop_nulls().mode()
    assert len(family) == 1
    assert (sent["family_id"] == family.item()).sum() >= 0.8 * hostile.height
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert "Pretend that the page below" in page
    for trap in ("<script>document.title", "<img src=http", "<iframe src", "\x1b", "\u202e"):
        assert trap not in page
    for arguments in (["show", str(done.path)], ["show", str(done.path), family.item()]):
        for extra in ([], ["--json"]):
            shown = CliRunner().invoke(app, [*arguments, *extra])
            assert shown.exit_code == 0
            assert not {"\x1b", "\x00", "\x07", "\x9b", "\u202e"} & set(shown.output)
