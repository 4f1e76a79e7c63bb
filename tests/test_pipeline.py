"""A whole run on simulated traffic: its tables keep their schemas, agree with each other and lose nobody."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import Logged

from clustering import RunSettings, Stage, run
from clustering.evaluation import evaluate_run
from clustering.peak_memory import MEASURED
from clustering.run_directory import CONTENTS
from clustering.signals.catalogue import aspects
from clustering.tables import (
    ACCOUNTS,
    ASPECT_PREFIX,
    ASSIGNMENTS,
    CAMPAIGNS,
    FAMILIES,
    MAP,
    P_SUFFIX,
    PROMPTS,
    REJECTED,
    SCHEMA_VERSION,
    SLOTS,
)

SCHEMAS = {
    "families": FAMILIES,
    "campaigns": CAMPAIGNS,
    "accounts": ACCOUNTS,
    "assignments": ASSIGNMENTS,
    "prompts": PROMPTS,
    "slots": SLOTS,
    "map": MAP,
    "rejected": REJECTED,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_table_keeps_its_schema(logged: Logged, name: str) -> None:
    table: pl.DataFrame = getattr(logged.run, name)
    assert dict(table.schema) == dict(SCHEMAS[name])
    assert table.columns == SCHEMAS[name].names()
    assert table.height > 0 or name == "rejected"


def test_the_directory_holds_what_it_should(logged: Logged) -> None:
    assert {path.name for path in logged.run.path.iterdir()} == CONTENTS
    assert not logged.run.path.with_name("run.partial").exists()
    assert logged.run.path.stat().st_mode & 0o777 == 0o700


def test_every_request_is_accounted_for(logged: Logged) -> None:
    assignments = logged.run.assignments
    assert assignments["request_id"].sort().to_list() == logged.requests["request_id"].sort().to_list()
    sent = assignments.join(logged.requests, on="request_id", suffix="_sent")
    assert (sent["account_id"] == sent["account_id_sent"]).all()
    assert (sent["timestamp"] == sent["timestamp_sent"]).all()
    assert logged.run.prompts["n_requests"].sum() == assignments.height
    noise = assignments["family_id"].is_null()
    assert (assignments["view"].is_null() == noise).all()
    assert ((assignments["strength"] == 0) == noise).all()
    assert assignments["strength"].is_between(0, 1).all()


def test_a_prompt_and_its_requests_are_of_one_family(logged: Logged) -> None:
    columns = ["prompt_id", "family_id", "strength", "view"]
    of_requests = logged.run.assignments.select(columns).unique().sort("prompt_id")
    assert of_requests.equals(logged.run.prompts.select(columns))


def test_families_add_up(logged: Logged) -> None:
    run, families = logged.run, logged.run.families
    counted = (
        run.assignments.drop_nulls("family_id")
        .group_by("family_id")
        .agg(
            n_requests=pl.len().cast(pl.Int64),
            n_prompts=pl.col("prompt_id").n_unique().cast(pl.Int64),
            n_accounts=pl.col("account_id").n_unique().cast(pl.Int64),
            first_seen=pl.col("timestamp").min(),
            last_seen=pl.col("timestamp").max(),
        )
        .sort("family_id")
    )
    assert counted.equals(families.select(counted.columns).sort("family_id"))
    assert (families["n_requests"] >= RunSettings().min_family).all()
    assert families["n_principals"].is_between(1, families["n_accounts"]).all()


def test_ids_are_unique_and_ranks_count_up(logged: Logged) -> None:
    families = logged.run.families
    assert families["rank"].to_list() == list(range(1, families.height + 1))
    for table, column in (("families", "family_id"), ("prompts", "prompt_id"), ("assignments", "request_id")):
        assert getattr(logged.run, table)[column].is_unique().all()


def test_flagged_means_a_small_q_value(logged: Logged) -> None:
    families = logged.run.families
    assert (families["flagged"] == (families["q_value"] <= 0.05)).all()
    assert families["flagged"].is_sorted(descending=True), "flagged families come first"
    assert (families["q_value"] >= families["p_value"]).all()
    assert families["campaign_id"].is_null().to_numpy()[~families["flagged"].to_numpy()].all()


def test_p_values_and_scores_are_in_range(logged: Logged) -> None:
    families = logged.run.families
    for column in ("p_value", "q_value", *(name for name in FAMILIES if name.endswith("_p"))):
        seen = families[column].drop_nulls().to_numpy()
        assert ((seen >= 0) & (seen <= 1)).all(), column
    assert np.isfinite(families["score"].to_numpy()).all()
    for name in families.columns:
        if name + "_p" in families.columns:
            assert not families[name].is_nan().any(), name


def test_slots_belong_to_templates(logged: Logged) -> None:
    slots = logged.run.slots.join(
        logged.run.families.select("family_id", "template", "n_requests"), on="family_id"
    )
    assert slots.height == logged.run.slots.height
    assert all(
        "{" + slot + "}" in template for slot, template in slots.select("slot", "template").iter_rows()
    )
    assert slots["n_requests"].is_between(1, slots["n_requests_right"]).all()
    assert slots["n_accounts"].is_between(1, slots["n_requests"]).all()


def test_map_shows_every_family_and_its_own_points(logged: Logged) -> None:
    shown = logged.run.map
    assert set(shown["family_id"].drop_nulls()) == set(logged.run.families["family_id"])
    assert shown.select(pl.col("x", "y").is_finite().all()).row(0) == (True, True)
    assert shown["prompt_id"].is_unique().all()
    assert set(shown["neighbours"].explode().drop_nulls()) <= set(shown["prompt_id"])


def test_planted_families_are_found(logged: Logged) -> None:
    figures = evaluate_run(logged.run.path, logged.log.parent)
    assert figures.n_true_families >= 10
    assert figures.mean_f1 is not None
    assert figures.mean_f1 >= 0.9


def test_campaigns_come_first_and_look_alikes_are_not_flagged(logged: Logged) -> None:
    figures = evaluate_run(logged.run.path, logged.log.parent)
    assert figures.n_flagged_wrong <= 1
    assert figures.n_flagged >= 8
    assert figures.average_precision is not None
    assert figures.average_precision >= 0.85
    assert figures.account_precision is not None
    assert figures.account_precision >= 0.9


def test_an_aspect_is_null_exactly_where_none_of_its_signals_was_measured(logged: Logged) -> None:
    families = logged.run.families
    for aspect, names in aspects().items():
        weighed = families[ASPECT_PREFIX + aspect]
        missing = [families[name + P_SUFFIX].is_null().to_numpy() for name in names]
        assert (weighed.is_null().to_numpy() == np.logical_and.reduce(missing)).all(), aspect
        assert weighed.drop_nulls().is_finite().all()
        assert weighed.null_count() < families.height, f"{aspect} was never measured"
    assert families["devotion"].drop_nulls().is_between(0, 1).all()


def test_what_is_not_flagged_has_a_benign_story_and_what_is_has_reasons(logged: Logged) -> None:
    families = logged.run.families
    assert (families["benign_explanation"].is_null() == families["flagged"]).all()
    assert (families.filter("flagged")["reasons"].list.len() > 0).all()
    sentences = [*families["reasons"].explode().drop_nulls(), *families["benign_explanation"].drop_nulls()]
    assert all(text.endswith(".") and "nan" not in text and "{" not in text for text in sentences)


def test_texts_are_described(logged: Logged) -> None:
    families = logged.run.families
    assert families["capability"].null_count() == 0
    assert (families["pattern"].is_null() == families["pattern_match"].is_null()).all()
    assert (families["pattern"].is_null() == families["pattern_hostile"].is_null()).all()
    assert families["pattern"].null_count() < families.height
    for name in ("pattern_match", "coverage_depth", "coverage_evenness", "coverage_efficiency"):
        assert families[name].drop_nulls().is_between(0, 1).all(), name
    assert (families["coverage_full_size"].drop_nulls() >= 1).all()
    assert families["coverage_breadth"].null_count() < families.height


def test_campaigns_hold_the_flagged_families_and_score_their_accounts(logged: Logged) -> None:
    run = logged.run
    flagged = run.families.filter("flagged")
    held = run.campaigns.explode("family_ids")
    assert held["family_ids"].sort().to_list() == flagged["family_id"].sort().to_list()
    of_family = dict(flagged.select("family_id", "campaign_id").iter_rows())
    assert all(of_family[f] == c for c, f in held.select("campaign_id", "family_ids").iter_rows())
    assert (run.campaigns["q_value"] >= run.campaigns["p_value"]).all()
    scores = run.accounts["score"]
    assert scores.null_count() == 0
    assert scores.is_between(0, 1).all()
    assert scores.is_sorted(descending=True)


def test_manifest_says_what_was_done(logged: Logged) -> None:
    manifest = json.loads((logged.run.path / "manifest.json").read_text())
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["counts"]["requests"] == logged.requests.height
    assert manifest["counts"]["prompts"] == logged.run.prompts.height
    assert [record["path"] for record in manifest["inputs"]] == [str(logged.log)]
    names = [stage["stage"] for stage in manifest["stages"]]
    assert names == [
        "load encoder",
        "check logs",
        "read logs",
        "views",
        "families",
        "templates",
        "signals",
        "campaigns",
        "tables",
        "map",
        "report",
    ]
    stages = {stage["stage"]: stage for stage in manifest["stages"]}
    for name in ("seconds", "cpu_seconds"):
        assert all(stage[name] >= 0 for stage in stages.values())
    assert 0 <= manifest["seconds"] - sum(stage["seconds"] for stage in stages.values()) < 1
    assert manifest["memory_measured"] == MEASURED
    assert all(0 < stage["peak_memory_mib"] < 20_000 for stage in stages.values())
    rows = {name: (stage["rows"], stage["unit"]) for name, stage in stages.items()}
    assert rows["check logs"] == (None, None)
    assert rows["read logs"] == (manifest["counts"]["rows_read"], "rows_read")
    assert rows["views"] == (logged.run.prompts.height, "prompts")
    assert rows["report"] == (logged.requests.height, "requests")
    views = stages["views"]
    assert views["rows_per_second"] == pytest.approx(views["rows"] / views["seconds"], abs=0.1)
    outputs = sum(seal["size"] for seal in manifest["files"].values())
    assert sum(stage["written_bytes"] for stage in stages.values()) > outputs
    assert stages["report"]["written_bytes"] >= manifest["files"]["report.html"]["size"]


def test_stages_are_told_in_order(logged: Logged, tmp_path: Path) -> None:
    told: list[Stage] = []
    log = tmp_path / "part.parquet"
    logged.requests[:600].drop("kind", "group", "family").write_parquet(log)
    done = run(log, tmp_path / "run", progress=told.append)
    names = list(dict.fromkeys(stage.name for stage in told))
    assert names == [stage["stage"] for stage in done.manifest["stages"]]
    assert all(0 <= stage.done <= (stage.total if stage.total is not None else stage.done) for stage in told)
    for name in names:
        last = [stage for stage in told if stage.name == name][-1]
        assert last.ended, name
        assert last.done == last.total, name
    assert sum(stage.ended for stage in told) == len(names)
    read = [stage for stage in told if stage.name == "read logs" and stage.unit]
    assert list(dict.fromkeys(stage.unit for stage in read)) == ["bytes", "parts put together"]
    assert max(stage.done for stage in read if stage.unit == "bytes") == log.stat().st_size
    assert {stage.total for stage in read if stage.unit == "bytes"} == {log.stat().st_size}


@pytest.mark.parametrize("setting", [{"min_family": 1}, {"seed": -1}, {"threads": 0}])
def test_settings_out_of_range_name_the_remedy(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(setting))}=.* \d to \d+"):
        RunSettings(**setting)  # type: ignore[arg-type]
