"""Union efficiency and repetition: who sends what somebody, or they themselves, already sent?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from traffic_cases import check_valid, nothing, traffic_of

from clustering.signals import repetition, union_efficiency


def every_second_a_repeat(random, own):
    """Principals of `own` prompts each; every prompt is, at evens, one that an earlier principal sent."""
    sent, who, what = [], [], []
    for principal, n in enumerate(own):
        mine = set()
        for _ in range(n):
            old = [p for p in sent if p not in mine]
            repeat = old and random.random() < 0.5
            mine.add(
                old[random.integers(len(old))] if repeat else -len(what) - len(mine) - principal * 10_000 - 1
            )
        who += [principal] * len(mine)
        what += list(mine)
        sent = sorted(set(sent) | mine)
    return traffic_of(who, prompts=np.unique(what, return_inverse=True)[1])


@pytest.mark.parametrize("own", [[8] * 6, [30, 10, 5, 2, 1, 1], [1] * 60])
def test_efficiency_p_values_keep_their_word_when_every_second_prompt_is_a_repeat(own):
    check_valid(lambda random, seed: union_efficiency(every_second_a_repeat(random, own)).p_value[0], 600)


@pytest.mark.slow
@pytest.mark.parametrize("own", [[6] * 12, [40] + [3] * 20])
def test_efficiency_p_values_keep_their_word_at_length(own):
    check_valid(
        lambda random, seed: union_efficiency(every_second_a_repeat(random, own)).p_value[0],
        4_000,
        levels=(0.001, 0.01, 0.05, 0.1),
    )


def test_a_popular_question_is_no_queue():
    """Half of what everybody sends is one of five questions; pairs of equal prompts depend on each other."""

    def p(random, seed):
        viral = random.random(200) < 0.6
        prompts = np.where(viral, random.integers(0, 5, 200), 5 + np.arange(200))
        return union_efficiency(traffic_of(np.repeat(np.arange(40), 5), prompts=prompts)).p_value[0]

    check_valid(p, 600)


def test_a_queue_breaks_new_ground_and_a_benchmark_does_not():
    queue = union_efficiency(traffic_of(np.repeat(np.arange(30), 5)))
    benchmark = union_efficiency(traffic_of(np.repeat(np.arange(30), 5), prompts=np.tile(np.arange(5), 30)))
    assert queue.effect[0] == 1
    assert queue.p_value[0] < 1e-20
    assert benchmark.effect[0] == pytest.approx(1 / 30)
    assert benchmark.p_value[0] == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 12)), min_size=1, max_size=60))
def test_efficiency_against_sets(requests):
    who, what = zip(*requests, strict=True)
    sets = [{w for a, w in requests if a == principal} for principal in set(who)]
    signal = union_efficiency(traffic_of(who, prompts=what))
    if len(sets) < 2:
        assert np.isnan(signal.effect[0])
    else:
        assert signal.effect[0] == len(set.union(*sets)) / sum(len(s) for s in sets)
    again = union_efficiency(traffic_of(who * 2, prompts=what * 2))
    np.testing.assert_equal(again.p_value, signal.p_value), "retries are no evidence"


@pytest.mark.parametrize("signal", [union_efficiency, repetition])
def test_edges(signal):
    assert signal(nothing()).p_value.shape == (0,)
    assert np.isnan(signal(nothing(2)).p_value).all()
    assert np.isnan(signal(traffic_of([0] * 9)).p_value[0]), "one principal"
    assert signal(traffic_of([0, 1, 2], groups=[-1] * 3, n_groups=0)).effect.shape == (0,)
    five = signal(traffic_of([0, 1, 2, 3, 4], prompts=[0] * 5))
    assert five.p_value[0] == pytest.approx(1), "one prompt that everybody sends once"


@pytest.mark.parametrize(("n_principals", "n_prompts"), [(5, 1), (5, 4), (40, 2), (200, 1)])
def test_repetition_p_values_keep_their_word_when_people_ask_again_at_evens(n_principals, n_prompts):
    def p(random, seed):
        times = random.geometric(0.5, n_principals * n_prompts)
        who = np.repeat(np.repeat(np.arange(n_principals), n_prompts), times)
        return repetition(traffic_of(who, prompts=np.repeat(np.arange(len(times)), times))).p_value[0]

    check_valid(p, 2_000)


def test_repetition_of_five_accounts_is_not_certain_beyond_doubt():
    """Three times by each of five: fewer than five stops in fourteen decisions, not p = 0."""
    who = np.repeat(np.arange(5), 3)
    assert repetition(traffic_of(who, prompts=who)).p_value[0] == pytest.approx(binom.cdf(4, 14, 0.5))
    assert (
        repetition(traffic_of(np.repeat(np.arange(50), 20), prompts=np.repeat(np.arange(50), 20))).p_value[0]
        < 1e-9
    )


def test_the_retries_of_one_account_do_not_speak_for_the_others():
    who = np.append(np.arange(30), np.full(500, 30))
    signal = repetition(traffic_of(who, prompts=np.append(np.arange(30), np.full(500, 30))))
    assert signal.effect[0] == pytest.approx(530 / 31)
    assert signal.p_value[0] > 0.1


@pytest.mark.parametrize("signal", [union_efficiency, repetition])
def test_a_group_keeps_its_p_when_others_come_and_go(signal):
    random = np.random.default_rng(1)
    who, what = random.integers(0, 12, 90), random.integers(0, 40, 90)
    alone = traffic_of(who, prompts=what)
    more = traffic_of(np.tile(who, 2), prompts=np.tile(what, 2), groups=np.repeat([1, 0], 90), n_groups=2)
    assert signal(more).p_value[1] == signal(alone).p_value[0]
