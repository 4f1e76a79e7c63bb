"""Evidence on a planted corpus: one hand behind three families stands out, what people do does not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from traffic_cases import nothing, office_hours, round_the_clock

from clustering.evidence import weigh
from clustering.scores import COORDINATION, FLAG_LEVEL, POOL, STRUCTURE, q_values
from clustering.signals import Traffic

N_PEOPLE, N_POOL, N_SUBJECTS = 400, 60, 40
CAMPAIGN = (0, 1, 2)
TOOLS = (3, 4, 5, 6, 7, 8, 9)
BENCHMARK = 10
OPERATOR = 11


def people(random, subject_of, group, who, n_each):
    """Requests of people on their own subjects, in their own hours, loads as uneven as people's are."""
    who = np.repeat(who, np.minimum(random.geometric(1 / n_each, len(who)), 40))
    return group, who, subject_of[who], office_hours(random, len(who))


def corpus(seed):
    """Traffic, one vector per prompt: a pool behind three families, seven tools, a benchmark, an operator."""
    random = np.random.default_rng(seed)
    subject_of = random.integers(0, N_SUBJECTS, N_PEOPLE + N_POOL + 1)
    everybody, pool = np.arange(N_PEOPLE), np.arange(N_PEOPLE, N_PEOPLE + N_POOL)
    parts = [people(random, subject_of, -1, everybody, 8), people(random, subject_of, -1, pool, 1.5)]
    for family in CAMPAIGN:
        who = random.permutation(np.arange(240) % N_POOL) + N_PEOPLE
        parts.append((family, who, random.integers(0, N_SUBJECTS, 240), round_the_clock(random, 240)))
    for family in TOOLS:
        users = random.choice(N_PEOPLE, 50, replace=False)
        parts.append(people(random, subject_of, family, users, 3))
    item_of = np.repeat(np.arange(30), 20)
    parts.append((BENCHMARK, np.tile(random.choice(N_PEOPLE, 20), 30), item_of, office_hours(random, 600)))
    parts.append(
        (OPERATOR, np.full(500, N_PEOPLE + N_POOL), random.integers(0, 9, 500), round_the_clock(random, 500))
    )
    groups = np.concatenate([np.full(len(who), group) for group, who, _, _ in parts])
    who, subject, hours = (np.concatenate([p[k] for p in parts]) for k in (1, 2, 3))
    prompts = np.arange(len(who))
    same = groups == BENCHMARK
    prompts[same] = prompts[same][0] + subject[same]
    centres = random.normal(size=(N_SUBJECTS, 16))
    vectors = centres[subject[np.arange(len(who))]] + 1.2 * random.normal(size=(len(who), 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Traffic(prompts, who, hours, groups, 12), vectors.astype(np.float32)


def weighed(traffic, vectors, **changes):
    texts = pl.Series([str(k) for k in range(len(vectors))], dtype=pl.String)

    def encode(asked):
        return vectors[asked.cast(pl.Int64).to_numpy()]

    n = traffic.n_groups
    options = {"akin": lambda i, j: False, "templated": np.ones(n, bool), "seed": 0}
    return weigh(traffic, [[] for _ in range(n)], (texts, encode), **{**options, **changes})


@pytest.fixture(scope="module")
def planted():
    return weighed(*corpus(0))


def test_the_pool_stands_out_and_nobody_else_does(planted):
    q = q_values(planted.p_values)
    assert set(np.flatnonzero(q <= FLAG_LEVEL)) == set(CAMPAIGN)
    assert (planted.p_values[list(CAMPAIGN)] < 1e-4).all()
    assert (planted.p_values[3:] > 0.2).all()
    assert planted.scores[:3].min() > planted.scores[3:].max()


def test_its_families_are_one_group_and_weighed_together(planted):
    assert len(set(planted.groups[list(CAMPAIGN)])) == 1
    assert len(set(planted.groups)) == planted.groups.max() + 1 == 10
    assert not planted.pooled[3:].any()


def test_every_signal_is_there_and_in_range(planted):
    assert set(planted.signals) == {*COORDINATION, *STRUCTURE, POOL}
    for signal in planted.signals.values():
        assert signal.p_value.shape == (12,)
        known = signal.p_value[~np.isnan(signal.p_value)]
        assert ((known >= 0) & (known <= 1)).all()


def test_benign_families_have_the_signs_that_they_should(planted):
    assert planted.signals[POOL].p_value[OPERATOR] == 1
    assert planted.signals["union_efficiency"].p_value[BENCHMARK] > 0.9
    assert (planted.signals["exchangeability"].p_value[list(TOOLS)] > 0.1).all()
    assert (planted.signals["devotion"].p_value[list(TOOLS)] > 0.1).all()


def test_it_is_deterministic():
    again, once = weighed(*corpus(0)), weighed(*corpus(0))
    np.testing.assert_array_equal(again.p_values, once.p_values)
    np.testing.assert_array_equal(again.scores, once.scores)


@pytest.mark.slow
def test_over_many_corpora_benign_families_are_not_flagged_and_the_pool_is_found():
    false = found = 0
    for seed in range(1, 31):
        q = q_values(weighed(*corpus(seed)).p_values)
        found += (q[:3] <= FLAG_LEVEL).sum()
        false += (q[3:] <= FLAG_LEVEL).sum()
    assert found >= 85
    assert false <= 1


def test_without_times_vectors_or_links_the_rest_still_counts():
    traffic, vectors = corpus(0)
    blind = Traffic(
        traffic.prompts, traffic.principals, np.full(len(traffic.hours), np.nan), traffic.groups, 12
    )
    mute = weighed(blind, np.zeros_like(vectors))
    for name in ("hour_flatness", "exchangeability"):
        assert np.isnan(mute.signals[name].p_value).all()
    assert (mute.p_values[3:] > 0.2).all()


def test_families_of_one_template_are_no_evidence_of_each_other():
    traffic, vectors = corpus(0)
    variants = weighed(traffic, vectors, akin=lambda i, j: True)
    assert np.isnan(variants.signals["comembership"].p_value).all()
    assert len(set(variants.groups[:3])) == 1


def test_families_found_by_what_they_say_are_not_asked_whether_accounts_differ_in_it():
    traffic, vectors = corpus(0)
    evidence = weighed(traffic, vectors, templated=np.zeros(12, bool))
    assert np.isnan(evidence.signals["exchangeability"].p_value).all()


@pytest.mark.parametrize("n_groups", [0, 2])
def test_a_log_without_requests(n_groups):
    evidence = weighed(nothing(n_groups), np.zeros((0, 16), np.float32))
    assert evidence.p_values.shape == evidence.scores.shape == evidence.groups.shape == (n_groups,)
    assert (evidence.p_values == 1).all()


def test_requests_of_no_family_only():
    traffic = Traffic(np.arange(9), np.arange(9), np.arange(9.0), np.full(9, -1), 0)
    assert weighed(traffic, np.ones((9, 16), np.float32)).p_values.shape == (0,)
