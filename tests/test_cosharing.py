"""Sets of rare prompts: none among prompts dealt at random, planted pools found, look-alikes one set each."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, poisson
from traffic_cases import nothing, traffic_of

from clustering.cosenders import LEVELS, cosent_prompts, meeting_seeds
from clustering.cosharing import cosharing_families
from clustering.signals.comembership import LINK_LEVEL

MIN_FAMILY = 20


def dealt(random, n_principals, n_shared, *, tail=0.0, few=0.5, n_single=0):
    """(prompts, principals): prompts dealt to principals who are busy by a Pareto law (0: all alike)."""
    busy = 1 + random.pareto(tail, n_principals) if tail else np.ones(n_principals)
    busy = busy / busy.sum()
    sizes = np.minimum(1 + random.geometric(few, n_shared), n_principals // 2)
    who = [random.choice(n_principals, size, replace=False, p=busy) for size in sizes]
    prompts = np.concatenate([np.repeat(np.arange(n_shared), sizes), n_shared + np.arange(n_single)])
    return prompts, np.concatenate([*who, random.choice(n_principals, n_single, p=busy)])


def sampled(random, n_items, times, n_accounts):
    """(prompts, principals): each item sent so many times by any account of a pool."""
    return np.repeat(np.arange(n_items), times), random.integers(0, n_accounts, n_items * times)


def log_of(*parts):
    """One log of parts (prompts, principals), each numbered on its own; and the part of each request."""
    prompts, principals, part, n_prompts, n_principals = [], [], [], 0, 0
    for number, (what, who) in enumerate(parts):
        prompts.append(np.asarray(what) + n_prompts)
        principals.append(np.asarray(who) + n_principals)
        part.append(np.full(len(who), number))
        n_prompts += int(np.max(what, initial=-1)) + 1
        n_principals += int(np.max(who, initial=-1)) + 1
    traffic = traffic_of(np.concatenate(principals), prompts=np.concatenate(prompts))
    return traffic, np.concatenate(part)


def families_of(traffic, *, placed=None, min_family=MIN_FAMILY):
    n = int(traffic.prompts.max(initial=-1)) + 1
    found = cosharing_families(
        traffic, np.zeros(n, bool) if placed is None else placed, min_family=min_family
    )
    check_families(traffic, found, min_family)
    return found


def check_families(traffic, found, min_family):
    n_families = len(found.p_values)
    assert set(np.unique(found.labels)) - {-1} == set(range(n_families))
    first = [int(np.flatnonzero(found.labels == label)[0]) for label in range(n_families)]
    assert first == sorted(first)
    assert ((found.strengths == 0) == (found.labels < 0)).all()
    assert (found.strengths[found.labels >= 0] >= 0.5).all()
    assert (found.strengths <= 1).all()
    assert (found.p_values <= LINK_LEVEL).all()
    n_requests = np.bincount(traffic.prompts, minlength=len(found.labels))
    assert (n_requests[found.labels >= 0] < min_family).all()
    for label in range(n_families):
        rows = found.labels[traffic.prompts] == label
        assert rows.sum() >= min_family
        assert len(np.unique(traffic.principals[rows])) >= 5


def f1_of(found, traffic, truth):
    """F1, in requests, of the best family for the requests of the mask."""
    labels = found.labels[traffic.prompts]
    f1 = [
        2 * (truth & (labels == k)).sum() / (truth.sum() + (labels == k).sum())
        for k in range(len(found.p_values))
    ]
    return max(f1, default=0.0)


PEOPLE = {"n_principals": 800, "n_shared": 400, "tail": 1.2, "few": 0.6, "n_single": 20_000}


def people(random):
    return dealt(random, **PEOPLE)


NULLS = [
    {"n_principals": 300, "n_shared": 200, "n_single": 600},
    {"n_principals": 300, "n_shared": 200, "tail": 1.2, "n_single": 600},
    {"n_principals": 600, "n_shared": 600, "tail": 1.1, "few": 0.7},
    {"n_principals": 60, "n_shared": 300, "tail": 1.5, "few": 0.3, "n_single": 300},
    {"n_principals": 800, "n_shared": 200, "tail": 1.0, "few": 0.2},
]


@pytest.mark.slow
@pytest.mark.parametrize("case", NULLS)
def test_around_prompts_dealt_at_random_the_least_p_keeps_its_word(case):
    n_runs, p = 400, []
    for seed in range(n_runs):
        traffic = log_of(dealt(np.random.default_rng([seed, 7]), **case))[0]
        sent = cosent_prompts(traffic, np.zeros(10_000, bool), min_family=MIN_FAMILY)
        p.append(meeting_seeds(sent).p_values.min(initial=1.0))
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p) <= level) <= level + 3 * np.sqrt(level * (1 - level) / n_runs)


@pytest.mark.parametrize("case", NULLS)
def test_prompts_dealt_at_random_are_no_family(case):
    found = [
        len(families_of(log_of(dealt(np.random.default_rng([s, 3]), **case))[0]).p_values) for s in range(20)
    ]
    assert sum(found) <= 1


@pytest.mark.parametrize(
    ("n_items", "times", "n_accounts"),
    [(40, 16, 90), (100, 8, 30), (300, 3, 40), (160, 4, 60), (5, 15, 20)],
)
def test_a_pool_that_samples_items_is_one_family(n_items, times, n_accounts):
    random = np.random.default_rng(n_items)
    traffic, part = log_of(people(random), sampled(random, n_items, times, n_accounts))
    found = families_of(traffic)
    assert f1_of(found, traffic, part == 1) > 0.97
    assert len(found.p_values) == 1


def test_half_of_the_pools_requests_are_its_own_affair():
    random = np.random.default_rng(1)
    what, who = sampled(random, 60, 8, 40)
    rest = 60 + np.arange(480), random.integers(0, 40, 480)
    traffic, part = log_of(people(random), (np.concatenate([what, rest[0]]), np.concatenate([who, rest[1]])))
    truth = (part == 1) & (np.arange(len(part)) < len(part) - 480)
    assert f1_of(families_of(traffic), traffic, truth) > 0.97


@pytest.mark.parametrize(("n_principals", "n_items"), [(5, 60), (7, 40), (30, 8)])
def test_a_benchmark_or_a_class_that_sends_everything_is_one_family(n_principals, n_items):
    what, who = (x.ravel() for x in np.meshgrid(np.arange(n_items), np.arange(n_principals)))
    traffic, part = log_of(people(np.random.default_rng(2)), (what, who))
    found = families_of(traffic, min_family=40)
    assert f1_of(found, traffic, part == 1) == 1.0
    assert (found.strengths[found.labels >= 0] == 1).all()


def test_an_account_in_two_pools_does_not_join_them():
    random = np.random.default_rng(3)
    one, other = sampled(random, 50, 8, 30), sampled(random, 50, 8, 30)
    who = np.where(other[1] == 0, 0, 30 + other[1])  # account 0 is in both
    both = np.concatenate([one[0], 50 + other[0]]), np.concatenate([one[1], who])
    traffic, part = log_of(people(random), both)
    second = (part == 1) & (np.arange(len(part)) >= len(part) - 400)
    found = families_of(traffic)
    assert len(found.p_values) == 2
    assert f1_of(found, traffic, (part == 1) & ~second) > 0.97
    assert f1_of(found, traffic, second) > 0.97


def test_popular_and_heavy_prompts_take_no_part():
    random = np.random.default_rng(4)
    what, who = sampled(random, 40, 12, 40)
    again = random.integers(0, 40, 30)
    pool = (
        np.concatenate([what, np.full(30, 40)]),
        np.concatenate([who, again]),
    )  # one item is sampled 30 times
    greetings = np.repeat(np.arange(6), 200), random.integers(0, 400, 1_200)
    traffic, _ = log_of(people(random), pool, greetings)
    found = families_of(traffic)
    assert len(found.p_values) == 1
    heavy = np.bincount(traffic.prompts) >= MIN_FAMILY
    assert heavy.sum() >= 7
    assert (found.labels[heavy] == -1).all()


def test_placed_prompts_are_left_out():
    random = np.random.default_rng(5)
    traffic, part = log_of(people(random), sampled(random, 60, 8, 30))
    assert len(families_of(traffic).p_values) == 1
    placed = np.zeros(int(traffic.prompts.max()) + 1, bool)
    placed[traffic.prompts[part == 1]] = True
    assert len(families_of(traffic, placed=placed).p_values) == 0


def test_retries_of_one_and_the_prompts_of_four_are_no_set():
    random = np.random.default_rng(6)
    four = sampled(random, 60, 8, 4)
    storm = np.repeat(np.arange(30), 15), np.repeat(np.arange(30), 15)
    assert len(families_of(log_of(people(random), four, storm)[0]).p_values) == 0


def test_edges():
    for n in (0, 1, 2):
        found = families_of(traffic_of(np.arange(n)))
        assert found.labels.tolist() == [-1] * n
        assert found.p_values.shape == (0,)
    assert families_of(nothing()).labels.shape == (0,)
    assert len(families_of(traffic_of(np.zeros(50, np.int64))).p_values) == 0
    assert len(families_of(traffic_of(np.arange(50), prompts=np.zeros(50))).p_values) == 0
    with pytest.raises(ValueError, match="placed: 1 for 2 prompts"):
        cosharing_families(traffic_of(np.arange(2)), np.zeros(1, bool), min_family=MIN_FAMILY)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_requests_does_not_matter_and_new_prompt_numbers_only_rename(seed):
    random = np.random.default_rng(seed)
    traffic, _ = log_of(people(random), sampled(random, 40, 10, 30), sampled(random, 30, 6, 12))
    found = families_of(traffic)
    mixed = random.permutation(len(traffic.prompts))
    again = families_of(traffic_of(traffic.principals[mixed], prompts=traffic.prompts[mixed]))
    np.testing.assert_array_equal(again.labels, found.labels)
    np.testing.assert_array_equal(again.strengths, found.strengths)
    number = random.permutation(len(found.labels))
    renamed = families_of(traffic_of(traffic.principals, prompts=number[traffic.prompts]))
    pairs = set(zip(found.labels.tolist(), renamed.labels[number].tolist(), strict=True))
    assert len(pairs) == len(set(found.labels.tolist())) == len(set(renamed.labels.tolist()))


def plain_seeds(traffic, min_family):
    """Principals, p and lift from the definition, one at a time."""
    sends = [
        set(traffic.prompts[traffic.principals == a].tolist())
        for a in range(int(traffic.principals.max()) + 1)
    ]
    n_requests = np.bincount(traffic.prompts)
    senders = {i: {a for a, sent in enumerate(sends) if i in sent} for i in range(len(n_requests))}
    rare = {i: who for i, who in senders.items() if len(who) >= 2 and n_requests[i] < min_family}
    sends = [sent & set(rare) for sent in sends]
    total = sum(len(sent) for sent in sends)
    found = {}
    for a, mine in enumerate(sends):
        near = {b for b, sent in enumerate(sends) if b != a and sent & mine}
        share = sum(len(sends[b]) for b in near) / total
        if len(near) < 4 or share > 0.5:
            continue
        p, lift = [], []
        for level in LEVELS:
            other = own = expected = 0
            for i, who in rare.items():
                tails = [binom.sf(hits - 1, len(who), share) for hits in range(2, len(who) + 1)]
                telling = [hits for hits, tail in enumerate(tails, start=2) if tail <= level]
                if not telling:
                    continue
                expected += tails[telling[0] - 2]
                if i in mine:
                    own += sum(len(sends[b] & mine) >= 2 for b in who - {a}) >= telling[0]
                else:
                    other += len(who & near) >= telling[0]
            p.append(poisson.sf(other + own // 2 - 1, expected))
            lift.append((other + own // 2) / max(expected, np.finfo(float).tiny))
        found[a] = min(p), max(lift)
    n_looks = len(found) * len(LEVELS)
    return {a: (min(1.0, p * n_looks), lift) for a, (p, lift) in found.items()}


@pytest.mark.parametrize("most_met", [1, 500, 4_000_000])
def test_seeds_are_what_the_definition_says_in_any_blocks(most_met, monkeypatch):
    monkeypatch.setattr(sys.modules[meeting_seeds.__module__], "MOST_MET", most_met)
    for seed in range(3):
        random = np.random.default_rng(seed)
        traffic, _ = log_of(dealt(random, 60, 60, tail=1.2), sampled(random, 15, 6, 12))
        sent = cosent_prompts(traffic, np.zeros(200, bool), min_family=MIN_FAMILY)
        seeds = meeting_seeds(sent)
        expected = plain_seeds(traffic, MIN_FAMILY)
        assert seeds.principals.tolist() == sorted(expected)
        np.testing.assert_allclose(seeds.p_values, [expected[a][0] for a in sorted(expected)], rtol=1e-9)
        np.testing.assert_allclose(seeds.lifts, [expected[a][1] for a in sorted(expected)], rtol=1e-9)
        assert len(expected) > 10
