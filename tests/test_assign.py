"""Prompts that come after a run: an answer depends on its prompt alone, and members come home."""

from __future__ import annotations

import polars as pl
import pytest
from conftest import Logged

from clustering import load_run

N_QUICK = 200


def answers(logged: Logged, rows: pl.DataFrame) -> pl.DataFrame:
    return logged.run.assign(rows["prompt"].to_list(), system_prompts=rows["system_prompt"].to_list())


def one_by_one(logged: Logged, rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([answers(logged, rows[i : i + 1]) for i in range(rows.height)])


def test_one_by_one_is_as_in_a_batch(logged: Logged) -> None:
    rows = logged.held_out[:N_QUICK]
    assert answers(logged, rows).equals(one_by_one(logged, rows))


@pytest.mark.slow
def test_two_thousand_one_by_one_are_as_in_a_batch(logged: Logged) -> None:
    assert logged.held_out.height == 2_000
    assert answers(logged, logged.held_out).equals(one_by_one(logged, logged.held_out))


def test_the_rest_of_a_batch_does_not_matter(logged: Logged) -> None:
    rows = logged.held_out.with_row_index("place")
    shuffled = rows.sample(fraction=1, shuffle=True, seed=7)
    there = answers(logged, shuffled).with_columns(place=shuffled["place"]).sort("place").drop("place")
    assert there.equals(answers(logged, rows))


def test_a_loaded_run_answers_alike(logged: Logged) -> None:
    prompts = logged.held_out["prompt"][:N_QUICK].to_list()
    assert load_run(logged.run.path).assign(prompts).equals(logged.run.assign(prompts))


def test_members_come_home(logged: Logged) -> None:
    members = logged.run.prompts.drop_nulls("family_id")
    home = (answers(logged, members)["family_id"] == members["family_id"]).fill_null(False)
    assert home.mean() >= 0.97  # type: ignore[operator]


def test_noise_stays_noise(logged: Logged) -> None:
    noise = logged.run.prompts.filter(pl.col("family_id").is_null())
    assert answers(logged, noise)["family_id"].is_null().mean() >= 0.97  # type: ignore[operator]


def test_newcomers_join_the_family_of_their_template(logged: Logged) -> None:
    """Held-out campaign requests go where most of their template's requests went."""
    homes = logged.run.assignments.select("request_id", home="family_id")
    largest = (
        logged.requests.join(homes, on="request_id")
        .drop_nulls(["family", "home"])
        .group_by("family", "home")
        .len("n")
        .filter(pl.col("n") >= 40)
        .sort("n", "home", descending=True)
        .unique("family", keep="first", maintain_order=True)
    )
    rows = logged.held_out.join(largest, on="family")
    assert rows.height >= 50
    assert (answers(logged, rows)["family_id"] == rows["home"]).fill_null(False).mean() >= 0.85  # type: ignore[operator]


def test_people_held_out_belong_nowhere_as_often_as_those_of_the_run(logged: Logged) -> None:
    people = pl.col("kind") == "organic"
    known = logged.run.assignments.join(logged.requests.filter(people), on="request_id", how="semi")
    there = answers(logged, logged.held_out.filter(people))["family_id"].is_null().mean()
    assert there == pytest.approx(known["family_id"].is_null().mean(), abs=0.05)


def test_answers_keep_their_form(logged: Logged) -> None:
    made = answers(logged, logged.held_out[:50])
    assert dict(made.schema) == {"family_id": pl.String, "strength": pl.Float32, "view": pl.String}
    assert made["strength"].is_between(0, 1).all()
    inside = made["family_id"].is_not_null()
    assert (made["view"].is_not_null() == inside).all()
    assert set(made["family_id"].drop_nulls()) <= set(logged.run.families["family_id"])


def test_an_empty_batch(logged: Logged) -> None:
    made = logged.run.assign([])
    assert made.height == 0
    assert made.columns == ["family_id", "strength", "view"]


@pytest.mark.parametrize(
    "text", ["", "   ", "\x00", "\u200b", "a" * 300_000, "なぜ空は青いのですか", "\U0001f600" * 99]
)
def test_odd_prompts_have_an_answer(logged: Logged, text: str) -> None:
    made = logged.run.assign([text, "Hello."])
    assert made.height == 2
    assert made.row(1) == logged.run.assign(["Hello."]).row(0)


def test_a_system_prompt_counts(logged: Logged) -> None:
    members = logged.run.prompts.drop_nulls(["family_id", "system_prompt"])
    assert members.height >= 50
    home = (answers(logged, members)["family_id"] == members["family_id"]).fill_null(False)
    assert home.mean() >= 0.95  # type: ignore[operator]
    bare = logged.run.assign(members["prompt"].to_list())["family_id"]
    assert (bare != members["family_id"]).fill_null(True).any()


def test_system_prompts_of_another_number_are_refused(logged: Logged) -> None:
    with pytest.raises(ValueError, match="system_prompts: 1 for 2 prompts"):
        logged.run.assign(["a", "b"], system_prompts=["x"])
