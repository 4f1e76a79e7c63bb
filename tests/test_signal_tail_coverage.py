"""Tail coverage: groups of ordinary people, with subjects of their own; sweeps of rare subjects; edges."""

from __future__ import annotations

import numpy as np
import pytest
from payload_cases import around, log_of, unit
from traffic_cases import check_valid, nothing, traffic_of

from clustering.signals.tail_coverage import tail_coverage

_N_SUBJECTS = 80
_DIMENSIONS = 24
_SUBJECTS = unit(np.random.default_rng(5).normal(size=(_N_SUBJECTS, _DIMENSIONS)))
_POPULARITY = np.arange(1, _N_SUBJECTS + 1) ** -1.5


def people(random, n, mean, *, focus=0.5):
    """Persons who ask about an own subject, or about whatever is popular; and a vector each."""
    who = np.repeat(np.arange(n), random.geometric(1 / mean, n))
    shares = _POPULARITY / _POPULARITY.sum()
    own = random.choice(_N_SUBJECTS, n, p=shares)
    subject = np.where(
        random.random(len(who)) < focus, own[who], random.choice(_N_SUBJECTS, len(who), p=shares)
    )
    return who, around(random, _SUBJECTS[subject], 0.5)


def sweep(random, n):
    """A dispatcher with sixty accounts that takes all subjects alike."""
    return random.integers(0, 60, n), around(random, _SUBJECTS[np.arange(n) % _N_SUBJECTS], 0.5)


@pytest.mark.parametrize(("n_principals", "mean", "focus"), [(8, 5.0, 0.5), (40, 3.0, 0.0), (150, 2.0, 0.8)])
def test_p_values_keep_their_word_for_ordinary_people(n_principals, mean, focus):
    def p(random, seed):
        ordinary, group = people(random, 400, 4.0), people(random, n_principals, mean, focus=focus)
        return tail_coverage(*log_of(ordinary, group), seed=seed).p_value[0]

    check_valid(p, 300)


def test_p_values_keep_their_word_inside_a_field_of_its_own():
    def p(random, seed):
        ordinary, (who, z) = people(random, 500, 4.0), people(random, 120, 3.0)
        near = z @ _SUBJECTS[0] > np.quantile(z @ _SUBJECTS[0], 0.7)
        return tail_coverage(*log_of(ordinary, (who[near], z[near])), seed=seed).p_value[0]

    check_valid(p, 300)


@pytest.mark.slow
def test_p_values_keep_their_word_far_in_the_tail():
    def p(random, seed):
        ordinary, group = people(random, 250, 4.0, focus=0.9), people(random, 100, 1.5, focus=0.0)
        return tail_coverage(*log_of(ordinary, group), seed=seed).p_value[0]

    check_valid(p, 3_000, levels=(0.001, 0.01, 0.05, 0.1))


def test_a_sweep_of_all_subjects_is_found_and_one_subject_is_not():
    swept, narrow = [], []
    for seed in range(7):
        random = np.random.default_rng(seed)
        one = (np.arange(200) % 40, around(random, np.tile(_SUBJECTS[0], (200, 1)), 0.2))
        signal = tail_coverage(
            *log_of(people(random, 3_000, 4.0, focus=0.2), sweep(random, 240), one), seed=seed
        )
        swept.append((signal.effect[0], signal.p_value[0]))
        narrow.append((signal.effect[1], signal.p_value[1]))
    assert np.median(swept, axis=0)[0] > 1.3
    assert np.median(swept, axis=0)[1] < 0.005
    assert np.max(narrow, axis=0)[0] < 1
    assert np.min(narrow, axis=0)[1] > 0.5


def test_repetitions_of_a_prompt_are_no_draws():
    random = np.random.default_rng(0)
    traffic, vectors, vector_of, rows = log_of(people(random, 400, 4.0), people(random, 40, 2.0))
    twice = np.concatenate([np.arange(len(traffic.groups))] * 2)
    again = type(traffic)(
        traffic.prompts[twice], traffic.principals[twice], traffic.hours[twice], traffic.groups[twice], 1
    )
    one = tail_coverage(traffic, vectors, vector_of, rows, seed=0)
    two = tail_coverage(again, vectors, vector_of, rows, seed=0)
    assert one.p_value[0] == two.p_value[0]


def test_edges():
    random = np.random.default_rng(0)
    no_vectors, none = np.zeros((0, _DIMENSIONS), np.float32), np.zeros(0, np.int64)
    assert tail_coverage(nothing(), no_vectors, none, none, seed=0).p_value.shape == (0,)
    assert np.isnan(tail_coverage(nothing(2), no_vectors, none, none, seed=0).p_value).all()
    unread = tail_coverage(traffic_of([0, 1, 2, 3, 4]), no_vectors, np.full(5, -1), none, seed=0)
    assert np.isnan(unread.p_value[0])
    group = people(random, 30, 3.0)
    assert np.isnan(tail_coverage(*log_of(people(random, 20, 3.0), group), seed=0).p_value[0]), "few people"
    few = (np.arange(8) % 4, group[1][:8])
    ordinary = people(random, 400, 4.0)
    assert np.isnan(tail_coverage(*log_of(ordinary, few), seed=0).p_value[0]), "four are no pool"
    equal = (ordinary[0], np.tile(_SUBJECTS[:1], (len(ordinary[0]), 1)))
    signal = tail_coverage(*log_of(equal, group), seed=0)
    assert np.isnan(signal.p_value[0]) or 0 <= signal.p_value[0] <= 1, "everybody asks one thing"


def test_a_group_keeps_its_p_when_others_come_and_go():
    random = np.random.default_rng(0)
    ordinary, own = people(random, 400, 4.0), people(random, 50, 3.0)
    alone = tail_coverage(*log_of(ordinary, own), seed=1)
    more = tail_coverage(*log_of(ordinary, people(random, 20, 3.0), own), seed=1)
    assert more.p_value[1] == pytest.approx(alone.p_value[0], rel=1e-6)
