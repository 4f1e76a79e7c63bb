"""Slot evenness: zero-truncated Poisson counts, equal counts, and what everyone does once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson
from traffic_cases import check_valid, nothing, traffic_of

from clustering.signals import slot_evenness


def of_slots(*slots):
    """Evenness of a group of these slots' counts, whose prompts all differ."""
    return slot_evenness(traffic_of(np.arange(40) % 8), [[np.asarray(s, np.int64) for s in slots]])


def truncated(random, rate, n):
    """Zero-truncated Poisson counts."""
    return poisson.ppf(random.uniform(np.exp(-rate), 1, n), rate).astype(np.int64)


@pytest.mark.parametrize(("n_values", "rate"), [(5, 0.9), (5, 3.0), (20, 1.0), (60, 5.0)])
def test_p_values_keep_their_word_for_truncated_poisson_counts(n_values, rate):
    check_valid(lambda random, seed: of_slots(truncated(random, rate, n_values)).p_value[0], 1_500)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_values", "rate"), [(5, 0.9), (5, 3.0), (5, 20.0), (8, 1.5), (20, 3.0), (200, 1.0)]
)
def test_p_values_keep_their_word_far_in_the_tail(n_values, rate):
    check_valid(
        lambda random, seed: of_slots(truncated(random, rate, n_values)).p_value[0],
        15_000,
        levels=(0.0005, 0.001, 0.01, 0.05, 0.1),
    )


def test_looking_at_many_slots_is_paid_for():
    check_valid(
        lambda random, seed: of_slots(*(truncated(random, 4.0, 20) for _ in range(6))).p_value[0], 800
    )


def test_favourites_are_further_from_small_p():
    def p(random, seed):
        return of_slots(np.bincount(random.zipf(1.6, 300).clip(max=40))[1:]).p_value[0]

    assert check_valid(p, 200).min() > 0.5


def test_a_sweep_uses_its_values_equally_often():
    swept = of_slots([20] * 30, [600])
    assert swept.effect[0] == 0
    assert 0 < swept.p_value[0] < 1e-10
    assert of_slots([20] * 5).p_value[0] > 1e-4, "five equal counts are not that surprising"


def test_effect_against_the_formula():
    counts = np.array([3, 5, 2, 8, 4, 1, 5])
    mean = counts.mean()
    rate = min(np.linspace(0.01, mean, 400_000), key=lambda x: abs(x / (1 - np.exp(-x)) - mean))
    index = ((counts - mean) ** 2).sum() / 6 / (mean * (1 + rate - mean))
    assert of_slots(counts).effect[0] == pytest.approx(index, rel=1e-4)


def test_prompts_resampled_by_a_queue_count_and_those_of_a_class_do_not():
    random = np.random.default_rng(0)
    prompts = np.repeat(np.arange(60), 8)
    queue = traffic_of(random.permutation(np.arange(480) % 30), prompts=prompts)
    assert slot_evenness(queue, [[]]).p_value[0] < 1e-6
    everyone = traffic_of(np.tile(np.arange(30), 20), prompts=np.repeat(np.arange(20), 30))
    for slots in ([], [np.full(20, 30)]):
        assert np.isnan(slot_evenness(everyone, [slots]).p_value[0])


def test_edges():
    assert slot_evenness(nothing(), []).p_value.shape == (0,)
    assert np.isnan(slot_evenness(nothing(2), [[], []]).p_value).all()
    assert np.isnan(of_slots([], [9, 9, 9, 9], [1] * 50).p_value[0]), "no, few, and lone values"
    assert np.isnan(slot_evenness(traffic_of([0] * 9), [[]]).p_value[0])
    everything = traffic_of(np.zeros(40, int), prompts=np.zeros(40, int))
    assert np.isnan(slot_evenness(everything, [[]]).p_value[0]), "one prompt is one value"


def test_a_group_keeps_its_p_when_others_come_and_go():
    slots = [np.array([4, 5, 4, 6, 5, 4])]
    alone = slot_evenness(traffic_of(np.arange(40) % 8), [slots])
    groups = np.repeat([1, 0], [40, 30])
    more = slot_evenness(
        traffic_of(np.append(np.arange(40) % 8, [9] * 30), groups=groups, n_groups=2), [[], slots]
    )
    assert more.p_value[1] == alone.p_value[0]
