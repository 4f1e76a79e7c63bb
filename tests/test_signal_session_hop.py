"""Session hops: people who share now and then stay silent, a pool that relays conversations does not."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traffic_cases import check_valid, nothing, traffic_of

from clustering.signals.session_hop import session_hop, session_hops
from embedder.corpus import build_corpus


def log_of(turns, *, groups=None, n_groups=1):
    """Traffic and hashes of rows (principal, asked, continues, hour)."""
    who, asked, continues, hours = (list(column) for column in zip(*turns, strict=True))
    traffic = traffic_of(who, hours=hours, groups=groups, n_groups=n_groups)
    return traffic, np.array(asked, np.uint64), np.array(continues, np.uint64)


def conversations(senders, *, first=1):
    """Turns of conversations, each a list of who sends its turns in order; hashes counted from `first`."""
    turns = []
    for senders_of_one in senders:
        for place, who in enumerate(senders_of_one):
            turns.append((who, first + place, first + place - 1 if place else 0, float(len(turns))))
        first += len(senders_of_one)
    return turns


def edges_of(turns):
    hops = session_hops(*log_of(turns))
    return list(zip(hops.from_request.tolist(), hops.to_request.tolist(), strict=True))


def signal_of(turns, **groups):
    traffic, asked, continues = log_of(turns, **groups)
    return session_hop(traffic, session_hops(traffic, asked, continues))


def test_a_hop_is_what_another_began():
    assert edges_of(conversations([[0, 0, 0], [1, 2, 2, 1], [3]])) == [(3, 4), (5, 6)]
    hops = session_hops(*log_of(conversations([[0, 0, 0], [1, 2, 2, 1], [3], [4, 5]])))
    assert (hops.conversation >= 0).tolist() == [0, 1, 1, 0, 1, 1, 1, 0, 0, 1]
    assert len(set(hops.conversation[[1, 2]])) == len(set(hops.conversation[4:7])) == 1
    assert len(set(hops.conversation[[1, 4, 9]])) == 3


def test_no_hops():
    assert edges_of([(k, 100 + k, 7, k) for k in range(9)]) == [], "canned turns, never asked"
    assert edges_of([(0, 7, 0, 0), (1, 7, 0, 1), (2, 8, 7, 2)]) == [], "a text in common"
    assert edges_of([(0, 7, 0, 0), (1, 7, 0, 5), (1, 8, 7, 2)]) == [], "its own, whenever"
    assert edges_of([(0, 7, 0, 3), (1, 8, 7, 2)]) == [], "asked later"


def test_without_times_the_answer_shows_what_came_first():
    assert edges_of([(0, 7, 0, np.nan), (1, 8, 7, np.nan)]) == [(0, 1)]
    assert edges_of([(0, 7, 0, 2), (0, 7, 0, 1), (1, 8, 7, np.nan)]) == [(1, 2)], "from the first that asked"
    assert edges_of([(0, 7, 0, 2), (1, 8, 7, 2)]) == [(0, 1)], "a date is no order"


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 6), st.integers(0, 9)), max_size=25
    )
)
@settings(deadline=None)
def test_against_a_loop(turns):
    turns = [(who, asked, continues, float(hour)) for who, asked, continues, hour in turns]
    if not turns:
        return
    expected = []
    for i, (who, _, link, hour) in enumerate(turns):
        earlier = [(h, j, w) for j, (w, a, _, h) in enumerate(turns) if a == link != 0]
        if len({w for _, _, w in earlier}) == 1 and min(earlier)[2] != who and min(earlier)[0] <= hour:
            expected.append((min(earlier)[1], i))
    assert edges_of(turns) == expected


def people(random, n_people, n_talks, share):
    """Conversations of three turns, of which a share goes on with somebody else after the first."""
    who = random.integers(0, n_people, n_talks)
    other = (who + random.integers(1, n_people, n_talks)) % n_people
    after = np.where(random.random(n_talks) < share, other, who)
    return [[a, b, b] for a, b in zip(who.tolist(), after.tolist(), strict=True)]


@pytest.mark.parametrize(("n_people", "n_talks"), [(10, 30), (30, 200), (100, 100)])
def test_p_values_keep_their_word_for_people_who_share_now_and_then(n_people, n_talks):
    def p(random, seed):
        return signal_of(conversations(people(random, n_people, n_talks, 0.05))).p_value[0]

    check_valid(p, 400)


def test_one_link_that_everybody_follows_counts_once():
    own = conversations([[who, who] for who in range(40)])
    followed = [(0, 9_000, 0, 100.0), *((who, 9_000 + who, 9_000, 100.0 + who) for who in range(1, 40))]
    signal = signal_of(own + followed)
    assert signal.effect[0] == pytest.approx(1 / 41)
    assert signal.p_value[0] > 0.5


def test_one_person_with_two_accounts_does_not_speak_for_the_others():
    own = [[who, who] for who in range(2, 30)]
    signal = signal_of(conversations(own + [[0, 1]] * 30))
    assert signal.effect[0] > 0.4
    assert signal.p_value[0] > 0.05


def test_scripts_that_go_on_with_their_own_do_not_hop():
    signal = signal_of(conversations([[who] * 20 for who in range(12) for _ in range(5)]))
    assert (signal.effect[0], signal.p_value[0]) == (0, 1)


def test_a_pool_that_relays_conversations_hops():
    random = np.random.default_rng(0)
    relayed = [random.integers(0, 20, 4).tolist() for _ in range(30)]
    mixed = conversations([[who, who] for who in range(20, 50)] + relayed)
    groups = np.repeat([1, 0], [60, 120])
    signal = signal_of(mixed, groups=groups, n_groups=2)
    assert signal.effect[0] > 0.9
    assert signal.p_value[0] < 1e-20
    assert signal.p_value[1] == 1


def test_edges():
    none = nothing(2)
    empty = np.zeros(0, np.uint64)
    hops = session_hops(none, empty, empty)
    assert len(hops.from_request) == len(hops.to_request) == len(hops.conversation) == 0
    assert np.isnan(session_hop(none, hops).p_value).all()
    assert session_hop(nothing(), hops).effect.shape == (0,)
    zeros = np.zeros(9, np.uint64)
    plain = traffic_of(np.arange(9))
    assert np.isnan(session_hop(plain, session_hops(plain, zeros, zeros)).effect[0])
    four = signal_of(conversations([[0, 1], [1, 2], [2, 3], [3, 0]] * 10))
    assert np.isnan(four.p_value[0]), "four are no pool"


def test_from_the_messages_of_a_log(tmp_path):
    text = "Design the schema of a warehouse with its constraints, then say what may go wrong. " * 12
    said = [
        ("user", text),
        ("assistant", "Here."),
        ("user", "Add tests."),
        ("assistant", "Done."),
        ("user", "Ship."),
    ]
    turns = [{"role": role, "content": content} for role, content in said]
    rows = [
        {"account_id": who, "messages": turns[:n], "timestamp": f"2026-01-01T00:0{n}:00Z"}
        for who, n in (("x", 1), ("y", 3), ("y", 5))
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    requests = build_corpus(path).requests
    asked, continues = (requests[name].fill_null(0).to_numpy() for name in ("asked", "continues"))
    hours = requests["timestamp"].dt.epoch("us").cast(pl.Float64).to_numpy() / 3.6e9
    traffic = traffic_of(requests["principal_row"].to_numpy(), hours=hours)
    hops = session_hops(traffic, asked, continues)
    minutes = requests["timestamp"].dt.minute().to_numpy()
    assert minutes[hops.from_request].tolist() == [1]
    assert minutes[hops.to_request].tolist() == [3]
    assert (hops.conversation >= 0).sum() == 2
