"""Conversations: histories that grow by two, sessions of one account, relayed ones that change hands."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from clustering.simulation import SimulationSettings
from clustering.simulation.accounts import HOUR_US, World, make_people, make_world
from clustering.simulation.conversations import MESSAGES, Talks, messages_of, no_messages, places_in_runs
from clustering.simulation.filling import fill
from clustering.simulation.grammar import LANGUAGES
from clustering.simulation.organic import Label, organic_requests
from clustering.simulation.sessions import relayed_requests

NOTHING = SimulationSettings(n_requests=2_000, campaigns=(), lookalikes=())
RELAY = Label("campaign", "relay", "relay/plain")


@cache
def world() -> World:
    return make_world(NOTHING)


@cache
def ordinary() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return organic_requests(world(), make_people(world(), 700, rng=rng), 6_000, rng=rng)


def relayed(n: int, n_accounts: int, *, hops: float = 0.7) -> pl.DataFrame:
    rng = np.random.default_rng(n)
    pool = make_people(world(), n_accounts, rng=rng)
    who = rng.integers(0, n_accounts, n)
    times = np.sort(rng.integers(0, world().window_us, n))
    return relayed_requests(world(), pool, who, times=times, label=RELAY, rng=rng, hops=hops)


def check_histories(frame: pl.DataFrame) -> None:
    """A history alternates user and assistant, begins and ends with the user, and its end is the prompt."""
    carried = frame.drop_nulls("messages")
    turns = carried.select("messages", place=pl.int_ranges(pl.col("messages").list.len())).explode(
        "messages", "place"
    )
    role = pl.when(turns["place"] % 2 == 0).then(pl.lit("user")).otherwise(pl.lit("assistant"))
    assert (turns["messages"].struct.field("role") == pl.select(role).to_series()).all()
    assert (turns["messages"].struct.field("content").str.len_chars() > 0).all()
    assert (carried["messages"].list.len() % 2 == 1).all()
    assert (carried["messages"].list.last().struct.field("content") == carried["prompt"]).all()


def continued(frame: pl.DataFrame) -> pl.DataFrame:
    """Pairs of requests of which the second goes on from the first: the first one.s history and two more."""
    later = frame.with_columns(
        head=pl.col("messages").list.slice(0, pl.col("messages").list.len() - 2)
    ).filter(pl.col("messages").list.len() > 1)
    return later.join(frame, left_on="head", right_on="messages", suffix="_before")


def test_ordinary_histories() -> None:
    frame = ordinary()
    check_histories(frame)
    assert 0.2 < frame["messages"].null_count() / frame.height < 0.8
    turns = frame["messages"].list.len().drop_nulls()
    assert 0.1 < (turns > 1).mean() < 0.7  # type: ignore[operator]
    assert turns.to_numpy().max() <= 23


def test_ordinary_conversations_stay_with_their_account() -> None:
    pairs = continued(ordinary()).filter(pl.col("messages").list.len() > 3)
    assert pairs.height > 100
    assert (pairs["account_id"] == pairs["account_id_before"]).all()
    gaps = (pairs["time"] - pairs["time_before"]).to_numpy()
    assert np.quantile(gaps, 0.02) > 0
    assert np.quantile(gaps, 0.9) < 2 * HOUR_US


def test_sessions_are_of_one_account_and_grow() -> None:
    named = ordinary().drop_nulls("session_id")
    assert (named["messages"].null_count()) == 0
    of_session = named.group_by("session_id").agg(
        pl.col("account_id").n_unique(), turns=pl.col("messages").list.len().sort()
    )
    assert (of_session["account_id"] == 1).all()
    steps = of_session.select(pl.col("turns").cast(pl.List(pl.Int64)).list.diff().list.drop_nulls()).explode(
        "turns"
    )
    assert set(steps.drop_nulls().to_series()) == {2}


@pytest.mark.parametrize("n", [0, 1, 2, 700])
def test_relayed_conversations_are_whole(n: int) -> None:
    frame = relayed(n, 30)
    assert frame.height == n
    assert frame.schema["messages"] == MESSAGES
    assert frame["messages"].null_count() == 0
    assert frame["session_id"].null_count() == n
    assert frame["time"].is_between(0, world().window_us, closed="left").all()
    check_histories(frame)


def test_relayed_conversations_change_hands_with_the_assistants_words() -> None:
    pairs = continued(relayed(700, 30)).filter(pl.col("messages").list.len() > 3)
    moved = (pairs["account_id"] != pairs["account_id_before"]).mean()
    assert pairs.height > 150
    assert 0.55 < moved < 0.8  # type: ignore[operator]
    assert (pairs["time"] > pairs["time_before"]).mean() > 0.97  # type: ignore[operator]
    settled = continued(relayed(700, 30, hops=0.0)).filter(pl.col("messages").list.len() > 3)
    assert (settled["account_id"] == settled["account_id_before"]).all()


def test_relayed_texts_have_no_template() -> None:
    frame = relayed(700, 30)
    first = frame.filter(pl.col("messages").list.len() == 1)["prompt"]
    assert first.n_unique() > 0.85 * len(first)
    assert first.str.slice(0, 25).n_unique() > 0.5 * len(first)


def test_relays_keep_the_dispatchers_loads() -> None:
    rng = np.random.default_rng(0)
    pool = make_people(world(), 20, rng=rng)
    who = np.repeat(np.arange(20), 25)[rng.permutation(500)]
    times = np.sort(rng.integers(0, world().window_us, 500))
    frame = relayed_requests(world(), pool, who, times=times, label=RELAY, rng=rng, hops=1.0)
    assert set(frame["account_id"].value_counts()["count"]) == {25}


def test_messages_of_by_hand() -> None:
    talks = Talks(np.array([-1, 0, 0, 0, 1]), np.array([0, 0, 1, 2, 0]))
    prompts = np.array(["a", "b", "c", "d", "e"], dtype=object)
    replies = np.array(["A", "B", "C", "D", "E"], dtype=object)
    said = [
        None if row is None else [turn["content"] for turn in row]
        for row in messages_of(talks, prompts, replies).to_list()
    ]
    assert said == [None, ["b"], ["b", "B", "c"], ["b", "B", "c", "C", "d"], ["e"]]
    assert no_messages(3).to_list() == [None] * 3
    assert no_messages(0).dtype == MESSAGES


def test_places_in_runs() -> None:
    starts = np.array([False, False, True, False, True, True])
    assert places_in_runs(starts).tolist() == [0, 1, 0, 1, 0, 0]
    assert places_in_runs(np.zeros(0, dtype=np.bool_)).tolist() == []


def test_every_language_answers() -> None:
    every = make_world(SimulationSettings(n_requests=100, campaigns=(), languages=tuple(LANGUAGES)))
    for grammar in every.grammars:
        for slot in ("reply", "follow"):
            texts = fill(grammar, slot, 30, rng=np.random.default_rng(0))
            assert all(texts)
            assert len(set(texts)) > 8


def test_worlds_differ_in_taste() -> None:
    tastes = [make_world(NOTHING, seed=seed).taste for seed in range(20)]
    assert len({round(taste.volume_spread, 3) for taste in tastes}) == 20
    assert len({int(taste.popularity.argmax()) for taste in tastes}) > 3
    for taste in tastes:
        assert taste.spoken[0] == taste.spoken.max()
        assert taste.spoken.sum() == pytest.approx(1.0)


def test_some_people_come_for_a_few_days_only() -> None:
    frame = (
        ordinary().group_by("account_id").agg(pl.len(), days=(pl.col("time") // (24 * HOUR_US)).n_unique())
    )
    busy = frame.filter(pl.col("len") >= 15)
    assert (busy["days"] <= 3).any()
    assert np.median(busy["days"].to_numpy()) >= 5
