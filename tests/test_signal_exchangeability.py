"""Exchangeability: the ICC against an analysis of variance by hand, its p-value under its null, a sample."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t
from traffic_cases import check_valid, error_of_normal_numbers, nothing, traffic_of

from clustering.signals import exchangeability, paired_sample
from clustering.signals.intraclass import intraclass


def subjects(random, counts, icc, *, d=16):
    """Unit payload vectors of principals whose intraclass correlation is `icc`."""
    own = np.repeat(random.normal(size=(len(counts), d)), counts, axis=0)
    z = np.sqrt(icc) * own + np.sqrt(1 - icc) * random.normal(size=own.shape)
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def signal_of(group, background, vectors):
    """Signal of a group and a background of these requests per principal."""
    counts = np.append(group, background)
    traffic = traffic_of(
        np.repeat(np.arange(len(counts)), counts),
        groups=np.repeat([0, -1], [np.sum(group), np.sum(background)]),
    )
    return exchangeability(traffic, vectors, np.arange(len(vectors)), np.flatnonzero(traffic.groups < 0))


def anova(vectors, member):
    """ICC of one-way random effects, as a textbook has it."""
    z, names = vectors.astype(np.float64), sorted(set(member.tolist()))
    n, n_principals = len(z), len(names)
    grand = z.mean(axis=0)
    between = sum((member == a).sum() * ((z[member == a].mean(axis=0) - grand) ** 2).sum() for a in names)
    within = sum(((z[member == a] - z[member == a].mean(axis=0)) ** 2).sum() for a in names)
    n0 = (n - sum((member == a).sum() ** 2 for a in names) / n) / (n_principals - 1)
    msb, msw = between / (n_principals - 1), within / (n - n_principals)
    return (msb - msw) / (msb + (n0 - 1) * msw)


@pytest.mark.parametrize("icc", [0.0, 0.2, 0.7])
def test_icc_and_its_error_against_anova_with_principals_really_deleted(icc):
    random = np.random.default_rng(int(icc * 10))
    counts = random.integers(1, 9, 12)
    vectors, member = subjects(random, counts, icc), np.repeat(np.arange(12), counts)
    found = intraclass(member, vectors.astype(np.float64))
    left = [anova(vectors[member != a], member[member != a]) for a in range(12)]
    assert found.value == pytest.approx(anova(vectors, member), abs=1e-9)
    assert found.error == pytest.approx(np.sqrt(11 * np.var(left)), abs=1e-9)
    assert found.n_effective == pytest.approx(1 / sum((c / counts.sum()) ** 2 for c in counts))


def deleted(vectors, counts):
    """ICC and its jackknife error by deleting one principal after the other."""
    member = np.repeat(np.arange(len(counts)), counts)
    left = [anova(vectors[member != a], member[member != a]) for a in range(len(counts))]
    return anova(vectors, member), np.sqrt((len(counts) - 1) * np.var(left))


def test_p_is_students_t_against_half_of_the_backgrounds_icc():
    random = np.random.default_rng(5)
    group, background = random.integers(2, 6, 9), random.integers(2, 6, 40)
    vectors = subjects(random, np.append(group, background), 0.3)
    value, error = deleted(vectors[: group.sum()], group)
    people, people_error = deleted(vectors[group.sum() :], background)
    floor = error_of_normal_numbers(group, vectors[: group.sum()], people / 2)
    statistic = (value - people / 2) / np.hypot(max(error, floor), people_error / 2)
    signal = signal_of(group, background, vectors)
    assert signal.effect[0] == pytest.approx(value)
    assert signal.p_value[0] == pytest.approx(t.cdf(statistic, group.sum() ** 2 / (group**2).sum() - 1))


def null_p(group, background, icc, share=0.5):
    def p(random, seed):
        of_group, of_people = (np.asarray(c(random) if callable(c) else c) for c in (group, background))
        vectors = np.vstack([subjects(random, of_group, share * icc), subjects(random, of_people, icc)])
        return signal_of(of_group, of_people, vectors).p_value[0]

    return p


def uneven(n):
    return lambda random: np.minimum(1 + random.geometric(0.3, n), 20)


@pytest.mark.parametrize(
    "null",
    [
        null_p([4] * 5, [5] * 60, 0.3),
        null_p([3] * 40, [5] * 60, 0.3),
        null_p(uneven(20), uneven(60), 0.4),
        null_p([3] * 20, [5] * 60, 0.3, share=1.0),
    ],
)
def test_p_values_keep_their_word_for_people_half_as_faithful_as_the_background(null):
    check_valid(null, 600)


@pytest.mark.slow
@pytest.mark.parametrize(
    "null",
    [
        null_p([20] * 3, [5] * 200, 0.1),
        null_p([4] * 5, [5] * 200, 0.3),
        null_p([3] * 10, [5] * 20, 0.5),
        null_p([3] * 100, [5] * 200, 0.3),
        null_p(uneven(30), uneven(100), 0.5),
        null_p(uneven(30), uneven(30), 0.3),
        null_p(uneven(12), uneven(200), 0.5),
    ],
)
def test_p_values_keep_their_word_at_length(null):
    check_valid(null, 4_000, levels=(0.01, 0.05, 0.1))


def test_a_dispatcher_deals_subjects_to_anybody():
    random = np.random.default_rng(0)
    group, background = [5] * 40, [5] * 100
    vectors = np.vstack([subjects(random, group, 0.0), subjects(random, background, 0.3)])
    signal = signal_of(group, background, vectors)
    assert abs(signal.effect[0]) < 0.03
    assert signal.p_value[0] < 1e-6


def test_people_without_subjects_and_payloads_without_vectors_are_no_evidence():
    random = np.random.default_rng(0)
    group, background = [4] * 10, [4] * 30
    counts = group + background
    same = np.tile(subjects(random, [1], 0.0), (160, 1))
    assert np.isnan(signal_of(group, background, same).p_value[0]), "all identical"
    assert np.isnan(signal_of(group, background, np.zeros((160, 8), np.float32)).p_value[0]), "zero vectors"
    vectors = np.vstack([same[:40], subjects(random, background, 0.3)])
    assert np.isnan(signal_of(group, background, vectors).p_value[0]), "a group that says one thing"
    traffic = traffic_of(np.repeat(np.arange(40), counts), groups=np.repeat([0, -1], [40, 120]))
    people = np.flatnonzero(traffic.groups < 0)
    unknown = np.full(160, -1)
    assert np.isnan(exchangeability(traffic, vectors, unknown, people).p_value).all()
    assert np.isnan(exchangeability(traffic, vectors[:0], unknown, people).p_value).all()


def test_edges():
    none = np.zeros((0, 4), np.float32)
    empty = np.zeros(0, np.int64)
    assert exchangeability(nothing(), none, empty, empty).p_value.shape == (0,)
    assert np.isnan(exchangeability(nothing(2), none, empty, empty).p_value).all()
    random = np.random.default_rng(0)
    for group in ([12], [1, 1], [1] * 30, [2] * 4):
        vectors = subjects(random, group + [4] * 30, 0.3)
        assert np.isnan(signal_of(group, [4] * 30, vectors).p_value[0]), group


def test_the_same_prompt_again_counts_once_and_the_order_of_requests_not_at_all():
    random = np.random.default_rng(8)
    counts = [4] * 30
    vectors, who = subjects(random, counts, 0.2), np.repeat(np.arange(30), 4)
    place = np.append(random.permutation(120), random.integers(0, 120, 50))
    p = []
    for rows in (np.arange(120), place):
        traffic = traffic_of(who[rows], prompts=rows, groups=np.where(who[rows] < 10, 0, -1))
        signal = exchangeability(traffic, vectors, np.arange(120), np.flatnonzero(traffic.groups < 0))
        p.append(signal.p_value[0])
    assert p[1] == pytest.approx(p[0], rel=1e-9)


def test_a_sample_keeps_whole_principals_and_no_more_than_twenty_of_each():
    counts = [1] * 50 + [3] * 40 + [200]
    traffic = traffic_of(np.repeat(np.arange(91), counts))
    rows = np.arange(len(traffic.groups))
    sample = paired_sample(traffic, rows, seed=3, n_requests=100)
    assert len(sample) == 100
    assert (np.diff(sample) > 0).all()
    np.testing.assert_array_equal(sample, paired_sample(traffic, rows, seed=3, n_requests=100))
    own = np.bincount(traffic.principals[sample], minlength=91)
    assert own[:50].sum() == 0, "who sent one comes last"
    assert own[90] <= 20
    assert np.isin(own[50:90], [0, 3]).sum() >= 39, "one at most is cut"
    everybody = paired_sample(traffic, rows, seed=3)
    assert len(everybody) == 50 + 120 + 20
    assert paired_sample(traffic, rows[:0], seed=3).size == 0
