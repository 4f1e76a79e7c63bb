"""Evidence on a planted corpus: one hand behind three families stands out, what people do does not."""

from __future__ import annotations

import numpy as np
import pytest
from observed_cases import observed_of
from traffic_cases import nothing, office_hours, round_the_clock

import clustering.evidence as evidence_module
from clustering.evidence import weigh
from clustering.scores import FLAG_LEVEL, POOL, combined_p_values, q_values, scores
from clustering.signals import SIGNALS, Signal, Traffic, hour_flatness, load_dispersion, no_evidence

N_PEOPLE, N_POOL, N_SUBJECTS = 400, 60, 40
CAMPAIGN = (0, 1, 2)
TOOLS = (3, 4, 5, 6, 7, 8, 9)
BENCHMARK = 10
OPERATOR = 11


def people(random, subject_of, group, who, n_each):
    """Requests of people on their own subjects, in their own hours, loads as uneven as people's are."""
    who = np.repeat(who, np.minimum(random.geometric(1 / n_each, len(who)), 40))
    return group, who, subject_of[who], office_hours(random, len(who))


def corpus(seed, *, joint=None):
    """Traffic, one vector per prompt: a pool behind three families, seven tools, a benchmark, an operator.

    And, as a thirteenth family, a tool that so many of the pool and so many people use.
    """
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
    if joint is not None:
        users = np.append(random.choice(pool, joint[0], replace=False), random.choice(N_PEOPLE, joint[1]))
        parts.append(people(random, subject_of, 12, users, 2))
    groups = np.concatenate([np.full(len(who), group) for group, who, _, _ in parts])
    who, subject, hours = (np.concatenate([p[k] for p in parts]) for k in (1, 2, 3))
    prompts = np.arange(len(who))
    same = groups == BENCHMARK
    prompts[same] = prompts[same][0] + subject[same]
    centres = random.normal(size=(N_SUBJECTS, 16))
    vectors = centres[subject[np.arange(len(who))]] + 1.2 * random.normal(size=(len(who), 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Traffic(prompts, who, hours, groups, 12 + (joint is not None)), vectors.astype(np.float32)


def log(traffic, vectors, **how):
    """The observed log of a corpus: each prompt's text is the number of its vector."""
    n = int(traffic.prompts.max(initial=-1)) + 1

    def encode(texts):
        return vectors[[int(text) for text in texts]]

    return observed_of(traffic, [str(k) for k in range(n)], encode, **how)


def weighed(traffic, vectors, *, akin=lambda i, j: False, elicitation=None, **how):
    asked_for = elicitation or no_evidence(traffic.n_groups)
    return weigh(log(traffic, vectors, **how), asked_for, akin=akin, seed=0)


@pytest.fixture(scope="module")
def planted():
    return weighed(*corpus(0))


def test_the_pool_stands_out_and_nobody_else_does(planted):
    q = q_values(planted.p_values)
    assert set(np.flatnonzero(q <= FLAG_LEVEL)) == set(CAMPAIGN)
    assert (planted.p_values[list(CAMPAIGN)] < 1e-3).all()
    assert (planted.p_values[3:] > 0.2).all()
    assert planted.scores[:3].min() > planted.scores[3:].max()


def test_its_families_are_one_group_and_weighed_together(planted):
    assert len(set(planted.groups[list(CAMPAIGN)])) == 1
    assert len(set(planted.groups)) == planted.groups.max() + 1 == 10
    assert planted.pooled[list(CAMPAIGN)].all()
    assert not planted.pooled[3:].any()


def test_pooled_signs_of_one_hand_are_those_of_the_group_as_one_family(planted):
    traffic, _ = corpus(0)
    together = traffic.regrouped(np.where(np.arange(12) < 3, 0, -1), 1)
    for name, measure in (("load_dispersion", load_dispersion), ("hour_flatness", hour_flatness)):
        whole = measure(together, seed=0)
        np.testing.assert_allclose(planted.signals[name].effect[:3], whole.effect[0], rtol=1e-6)
        alone = measure(traffic, seed=0)
        np.testing.assert_allclose(planted.signals[name].effect[3:], alone.effect[3:], rtol=1e-6)


def test_a_sweep_spread_over_seven_templates_shows_over_all_of_them():
    random = np.random.default_rng(5)
    traffic, vectors = corpus(5)
    rows = np.flatnonzero(np.isin(traffic.groups, CAMPAIGN))
    number = np.append(np.arange(12) + 4, -1)[traffic.groups]  # after seven, the others
    number[rows] = random.permutation(np.arange(len(rows)) % 7)
    spread = Traffic(traffic.prompts, traffic.principals, traffic.hours, number, 16)
    linked = weighed(spread, vectors)
    assert linked.pooled[:7].all()
    assert (linked.p_values[:7] < 1e-3).all()
    alone = weighed(spread, vectors, akin=lambda i, j: True)
    assert linked.scores[:7].min() >= alone.scores[:7].max() - 1e-9


def test_p_values_are_paid_for_looking_twice_where_there_is_a_group(planted, monkeypatch):
    asked = []

    def listening(signals, *, looks):
        asked.append(looks)
        return combined_p_values(signals, looks=looks)

    monkeypatch.setattr(evidence_module, "combined_p_values", listening)
    again = weighed(*corpus(0))
    assert asked[0].tolist() == [2] * 3 + [1] * 9
    np.testing.assert_array_equal(again.p_values, planted.p_values)
    np.testing.assert_allclose(planted.p_values, combined_p_values(planted.signals, looks=asked[0]))
    np.testing.assert_allclose(planted.scores, scores(planted.signals))


@pytest.mark.parametrize(("joint", "pooled"), [((58, 110), False), ((45, 5), True)])
def test_a_family_weighs_with_the_group_where_most_of_its_accounts_are_the_group_s(joint, pooled):
    evidence = weighed(*corpus(0, joint=joint))
    assert (evidence.groups[12] == evidence.groups[0]) == pooled
    assert (evidence.p_values[:3] < 1e-3).all()
    assert evidence.pooled[12] == pooled
    assert pooled or evidence.p_values[12] > 0.2


def test_every_signal_is_there_in_the_catalogue_s_order_and_in_range(planted):
    assert list(planted.signals) == list(SIGNALS)
    for signal in planted.signals.values():
        assert signal.p_value.shape == signal.effect.shape == (12,)
        known = signal.p_value[~np.isnan(signal.p_value)]
        assert ((known >= 0) & (known <= 1)).all()


def test_what_the_texts_ask_for_counts_as_it_is_given(planted):
    asked_for = Signal(np.linspace(0, 1, 12), np.where(np.arange(12) == 8, 1e-4, 0.99))
    evidence = weighed(*corpus(0), elicitation=asked_for)
    np.testing.assert_array_equal(evidence.signals["elicitation"].p_value, asked_for.p_value)
    assert evidence.scores[8] > planted.scores[8]
    assert (evidence.scores[:3] < planted.scores[:3]).all(), "a text that asks for nothing speaks against it"


def test_benign_families_have_the_signs_that_they_should(planted):
    assert planted.signals[POOL].p_value[OPERATOR] == 1
    assert planted.signals["union_efficiency"].p_value[BENCHMARK] > 0.9
    assert (planted.signals["exchangeability"].p_value[list(TOOLS)] > 0.1).all()
    assert (planted.signals["devotion"].p_value[list(TOOLS)] > 0.1).all()


def test_it_is_deterministic(planted):
    again = weighed(*corpus(0))
    np.testing.assert_array_equal(again.p_values, planted.p_values)
    np.testing.assert_array_equal(again.scores, planted.scores)


@pytest.mark.slow
def test_over_many_corpora_benign_families_are_not_flagged_and_the_pool_is_found():
    false = found = 0
    for seed in range(1, 31):
        q = q_values(weighed(*corpus(seed)).p_values)
        found += (q[:3] <= FLAG_LEVEL).sum()
        false += (q[3:] <= FLAG_LEVEL).sum()
    assert found >= 85
    assert false <= 1


def test_without_times_or_vectors_the_rest_still_counts():
    traffic, vectors = corpus(0)
    blind = Traffic(
        traffic.prompts, traffic.principals, np.full(len(traffic.hours), np.nan), traffic.groups, 12
    )
    mute = weighed(blind, np.zeros_like(vectors))
    for name in ("hour_flatness", "synchrony", "exchangeability", "dispersion"):
        assert np.isnan(mute.signals[name].p_value).all(), name
    assert (mute.p_values[3:] > 0.2).all()
    assert mute.scores[:3].min() > mute.scores[3:].max()


def test_families_of_one_template_are_no_evidence_of_each_other():
    traffic, vectors = corpus(0)
    variants = weighed(traffic, vectors, akin=lambda i, j: True)
    assert np.isnan(variants.signals["comembership"].p_value).all()
    assert len(set(variants.groups[:3])) == 1


def test_two_subjects_that_people_share_are_no_evidence_of_each_other():
    traffic, vectors = corpus(0)
    subjects = weighed(traffic, vectors, views=["whole"] * 12)
    assert np.isnan(subjects.signals["comembership"].p_value).all()


def test_families_found_by_what_they_say_are_not_asked_whether_accounts_differ_in_it():
    evidence = weighed(*corpus(0), views=["whole"] * 12)
    assert np.isnan(evidence.signals["exchangeability"].p_value).all()


@pytest.mark.parametrize("n_groups", [0, 2])
def test_a_log_without_requests(n_groups):
    observed = observed_of(nothing(), [], lambda texts: np.zeros((len(texts), 16), np.float32))
    if n_groups:
        observed = observed_of(
            Traffic(np.arange(2), np.arange(2), np.full(2, np.nan), np.arange(2), 2),
            ["a", "b"],
            lambda texts: np.zeros((len(texts), 16), np.float32),
        )
    evidence = weigh(observed, no_evidence(n_groups), akin=lambda i, j: False, seed=0)
    assert evidence.p_values.shape == evidence.scores.shape == evidence.groups.shape == (n_groups,)
    assert (evidence.p_values == 1).all()
    assert (evidence.scores == 0).all()


def test_requests_of_no_family_only():
    traffic = Traffic(np.arange(9), np.arange(9), np.arange(9.0), np.full(9, -1), 0)
    assert weighed(traffic, np.ones((9, 16), np.float32)).p_values.shape == (0,)


def test_every_signal_is_counted_as_it_is_computed():
    traffic, vectors = corpus(0)
    told = []
    weigh(
        log(traffic, vectors),
        no_evidence(traffic.n_groups),
        akin=lambda i, j: False,
        seed=0,
        on_signal=told.append,
    )
    assert told == list(range(1, 31))  # 8 of the texts, 11 of the senders, and these of the linked families
