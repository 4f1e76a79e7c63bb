"""Combination: partial conjunction against its definition and under partial nulls, q-values, gates, order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_cases import check_valid

from clustering.scores import (
    COORDINATION,
    POOL,
    STRUCTURE,
    combined_p_values,
    coordination_p_values,
    partial_conjunction,
    q_values,
    ranked,
    scores,
)
from clustering.signals import Signal

P_VALUE = st.one_of(st.floats(0, 1), st.just(float("nan")))


def signals_of(**p_values):
    """Signals of one family; NaN where no p is given."""
    names = (*COORDINATION, *STRUCTURE, POOL)
    return {n: Signal(np.array([0.5]), np.array([p_values.get(n, np.nan)])) for n in names}


def planted(**changes):
    return signals_of(**dict.fromkeys((*COORDINATION, *STRUCTURE, POOL), 1e-6) | changes)


@given(st.lists(P_VALUE, min_size=3, max_size=7), st.integers(1, 3))
def test_partial_conjunction_against_its_definition(p_values, at_least):
    known = sorted(p for p in p_values if not np.isnan(p))
    # The largest Bonferroni p of all ways to leave out at_least - 1 alternatives.
    expected = min(1.0, len(known[at_least - 1 :]) * known[at_least - 1]) if len(known) >= at_least else 1.0
    found = partial_conjunction([np.array([p]) for p in p_values], at_least)
    assert found[0] == pytest.approx(expected)


@pytest.mark.parametrize("n_true", [0, 1, 2])
@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_fewer_than_three_real_signs_seldom_look_like_three(n_true, correlation):
    from scipy.stats import norm

    def p(random, seed):
        noise = np.sqrt(correlation) * random.normal() + np.sqrt(1 - correlation) * random.normal(size=5)
        p_values = norm.cdf(noise)
        p_values[:n_true] = 1e-9
        return partial_conjunction([np.array([x]) for x in p_values], 3)[0]

    check_valid(p, 4_000)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_by_hand(p_values):
    order = np.argsort(p_values, kind="stable")
    q, smallest = np.ones(len(p_values)), 1.0
    for rank, row in reversed(list(enumerate(order, start=1))):
        smallest = min(smallest, p_values[row] * len(p_values) / rank)
        q[row] = smallest
    np.testing.assert_allclose(q_values(np.array(p_values)), q, atol=1e-12)


def test_q_values_of_a_worked_example_and_of_nothing():
    np.testing.assert_allclose(q_values(np.array([0.01, 0.04, 0.03, 0.5])), [0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert q_values(np.zeros(0)).shape == (0,)


def test_all_three_must_hold():
    assert combined_p_values(planted())[0] == pytest.approx(4e-6), "six signs: (6 - 2) times the third"
    assert combined_p_values(planted(principals=0.6))[0] == 0.6
    assert combined_p_values(planted(**dict.fromkeys(STRUCTURE, 0.2)))[0] == pytest.approx(0.6)
    assert combined_p_values(planted(**dict.fromkeys(COORDINATION[:4], 0.9)))[0] == 1
    three_missing = planted(**dict.fromkeys(COORDINATION[:3], np.nan))
    assert combined_p_values(three_missing)[0] == pytest.approx(3e-6), "structure is now the largest"
    assert coordination_p_values(three_missing)[0] == pytest.approx(1e-6)


@pytest.mark.parametrize("missing", [(POOL,), STRUCTURE, COORDINATION[:4], (*COORDINATION, *STRUCTURE, POOL)])
def test_what_cannot_be_told_is_not_guessed(missing):
    assert combined_p_values(planted(**dict.fromkeys(missing, np.nan)))[0] == 1


def test_looking_twice_is_paid_for():
    signals = planted(**dict.fromkeys(STRUCTURE, 1e-12))
    assert combined_p_values(signals, looks=np.array([2]))[0] == pytest.approx(8e-6)


@given(st.fixed_dictionaries(dict.fromkeys((*COORDINATION, *STRUCTURE, POOL), P_VALUE)))
def test_every_p_is_one_and_no_score_is_negative(p_values):
    signals = signals_of(**p_values)
    assert 0 <= combined_p_values(signals)[0] <= 1
    assert 0 <= scores(signals)[0] < 330


def test_score_is_a_consensus_that_no_sign_carries_alone():
    from scipy.stats import norm

    half = dict.fromkeys(COORDINATION, 0.5)
    assert scores(planted(**half))[0] == pytest.approx(-np.log10(0.5))
    carried = scores(planted(**half | {"devotion": 1e-300}))[0]
    assert carried == pytest.approx(-np.log10(norm.sf(3 / np.sqrt(6))))
    against = scores(planted(**half | {"devotion": 1e-300, "load_dispersion": 1.0}))[0]
    assert against == pytest.approx(-np.log10(norm.sf(2 / np.sqrt(6)))), "one for people costs one deviate"
    unmeasured = scores(planted(**half | {"devotion": np.nan, "load_dispersion": np.nan}))[0]
    assert unmeasured == pytest.approx(-np.log10(0.5)), "an unmeasured sign speaks for nobody"
    agreed = scores(planted(**dict.fromkeys(COORDINATION, 0.02)))[0]
    assert agreed > carried
    assert scores(planted(principals=1.0))[0] == 0
    assert np.signbit(scores(planted(principals=1.0))[0]) == np.False_


def test_queue_order_is_flagged_then_score_then_requests_then_id():
    families = pl.DataFrame(
        {
            "family_id": ["e", "d", "c", "b", "a"],
            "flagged": [False, True, True, True, True],
            "score": [9.0, 2.0, 2.0, 5.0, 2.0],
            "n_requests": [900, 10, 30, 1, 10],
        }
    )
    order = ranked(families)
    assert order["family_id"].to_list() == ["b", "c", "a", "d", "e"]
    assert order["rank"].to_list() == [1, 2, 3, 4, 5]
    assert ranked(families.sample(fraction=1, shuffle=True, seed=1)).equals(order)
    assert ranked(families.head(0)).height == 0
