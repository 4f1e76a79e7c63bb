"""Hand-over: a replaced pool is linked; people, fashions, strangers are not; the p-value keeps its word."""

from __future__ import annotations

import numpy as np
import pytest
from traffic_cases import check_valid, nothing, traffic_of

from clustering.handover import handover_links, joined_groups


def crowd(random, first, n, start, stop):
    """Principals and hours of n principals who send five requests each."""
    who = np.repeat(np.arange(first, first + n), 5)
    return who, random.uniform(24 * start, 24 * stop, len(who))


def linked(*crowds, akin=lambda i, j: True, wanted=None):
    who, hours = (np.concatenate(x) for x in zip(*crowds, strict=True))
    groups = np.repeat(np.arange(len(crowds)), [len(c[0]) for c in crowds])
    traffic = traffic_of(who, hours=hours, groups=groups, n_groups=len(crowds))
    wanted = np.ones(len(crowds), bool) if wanted is None else np.array(wanted)
    return handover_links(traffic, akin, wanted=wanted)


def test_a_replaced_pool_is_linked_in_its_order():
    random = np.random.default_rng(0)
    links, p = linked(crowd(random, 50, 30, 7, 14), crowd(random, 0, 30, 0, 6))
    assert links.tolist() == [[1, 0]]
    assert 0 < p[0] < 1e-6


def test_a_replacement_of_a_replacement_is_a_chain():
    random = np.random.default_rng(1)
    links, _ = linked(*(crowd(random, 50 * k, 20, 10 * k, 10 * k + 9) for k in range(3)))
    assert links.tolist() == [[0, 1], [1, 2]]
    assert joined_groups(np.array([0, 1, 2, 3]), links).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("second", "how"),
    [
        ((50, 30, 0, 14), {}),  # side by side
        ((50, 30, 4, 14), {}),  # a fashion: the second spreads while the first is in use
        ((0, 30, 7, 14), {}),  # the same people
        ((50, 3, 7, 14), {}),  # hardly anybody
        ((50, 30, 20, 30), {}),  # two weeks later
        ((50, 30, 7, 14), {"akin": lambda i, j: False}),  # another template
        ((50, 30, 7, 14), {"wanted": [True, False]}),  # nothing speaks against it
    ],
)
def test_others_are_not(second, how):
    random = np.random.default_rng(2)
    assert len(linked(crowd(random, 0, 30, 0, 6), crowd(random, *second), **how)[0]) == 0


def test_links_hardly_ever_come_by_chance():
    """Whole families of people at times of their own: a link is rarer than its level."""

    def p_of(random, seed):
        n = 6
        crowds = [crowd(random, 20 * k, n, 0, 30) for k in range(4)]
        return linked(*crowds)[1].min(initial=1.0)

    check_valid(p_of, 300)


def test_no_times_no_groups_and_no_links():
    who = np.repeat(np.arange(20), 2)
    traffic = traffic_of(who, groups=who // 10, n_groups=2)
    assert len(handover_links(traffic, lambda i, j: True, wanted=np.ones(2, bool))[0]) == 0
    assert len(handover_links(nothing(), lambda i, j: True, wanted=np.zeros(0, bool))[0]) == 0
    none = np.zeros((0, 2), np.int64)
    assert joined_groups(np.array([0, 1, 1]), none).tolist() == [0, 1, 1]
    assert joined_groups(np.array([2, 1, 0, 1]), np.array([[0, 2]])).tolist() == [0, 1, 0, 1]
