"""Scores: the law of the sum by hand and by simulation, its validity, the conditions, q-values, order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

import clustering.scores as module
from clustering.scores import (
    FLAG_LEVEL,
    POOL,
    STRUCTURE,
    aspect_deviates,
    bonferroni,
    combined_p_values,
    one_hand_p_values,
    q_values,
    ranked,
    scores,
)
from clustering.signals import SIGNALS, Signal
from clustering.signals.catalogue import aspects

ASPECTS = aspects()
FIRST = tuple(names[0] for names in ASPECTS.values())  # one signal of each aspect
LEVELS = (0.05, 0.01, 0.001)
P_VALUE = st.one_of(st.floats(0, 1), st.just(float("nan")))
EVERY = st.fixed_dictionaries(dict.fromkeys(SIGNALS, P_VALUE))


def signals_of(**p_values):
    """Signals of as many families as p-values are given of each; NaN where none is given."""
    shape = np.broadcast_shapes(*(np.atleast_1d(p).shape for p in p_values.values()))
    return {
        name: Signal(np.full(shape, 0.5), np.broadcast_to(p_values.get(name, np.nan), shape).astype(float))
        for name in SIGNALS
    }


def planted(**changes):
    return signals_of(**dict.fromkeys(SIGNALS, 1e-6) | changes)


def cuts():
    """Least and largest deviate of each aspect: what certain people and a certain hand get."""
    both = signals_of(**dict.fromkeys(FIRST, np.array([1.0, 0.0])))
    return aspect_deviates(both).T


def two_aspects(monkeypatch):
    """Let the score know two aspects of one signal each."""
    two = {aspect: names[:1] for aspect, names in list(ASPECTS.items())[:2]}
    monkeypatch.setattr(module, "aspects", lambda: two)
    return [names[0] for names in two.values()]


def tail_of_one(x, low, high):
    """Chance that a normal deviate, cut to [low, high], is x or more."""
    return 1.0 if x <= low else 0.0 if x > high else norm.sf(x)


def tail_of_two(x, lows, highs):
    """The same of the sum of two: over the first's atoms and density."""
    (low, other_low), (high, other_high) = lows, highs

    def rest(y):
        return tail_of_one(x - y, other_low, other_high)

    edges = sorted({e for e in (x - other_low, x - other_high) if low < e < high})
    between = quad(lambda y: norm.pdf(y) * rest(y), low, high, points=edges or None, limit=200)[0]
    return norm.cdf(low) * rest(low) + norm.sf(high) * rest(high) + between


@pytest.mark.parametrize("p", [0.9, 0.5, 0.2, 0.05, 0.01, 0.002])
def test_the_p_value_of_one_aspect_is_its_own(monkeypatch, p):
    name = next(iter(ASPECTS.values()))[0]
    monkeypatch.setattr(module, "aspects", lambda: {next(iter(ASPECTS)): (name,)})
    (low,), (high,) = cuts_of(name)
    expected = tail_of_one(np.clip(norm.isf(p), low, high), low, high)
    assert one_hand_p_values(signals_of(**{name: p}))[0] == pytest.approx(expected, rel=5e-3)


def cuts_of(*names):
    both = signals_of(**dict.fromkeys(names, np.array([1.0, 0.0])))
    return aspect_deviates(both).T


@pytest.mark.parametrize("p", [0.9, 0.4, 0.05, 0.003])
@pytest.mark.parametrize("other", [1.0, 0.6, 0.1, 0.01, 0.0])
def test_the_p_value_of_two_aspects_is_that_of_their_convolution(monkeypatch, p, other):
    names = two_aspects(monkeypatch)
    lows, highs = cuts_of(*names)
    x = np.clip(norm.isf([p, other]), lows, highs).sum()
    # The grid may put the sum a step aside: the chance lies between those just left and right of it.
    found = one_hand_p_values(signals_of(**dict(zip(names, (p, other), strict=True))))[0]
    assert tail_of_two(x + 2e-3, lows, highs) * 0.999 <= found <= tail_of_two(x - 2e-3, lows, highs) * 1.001


def test_the_law_is_that_of_drawn_deviates():
    lows, highs = cuts()
    random = np.random.default_rng(0)
    drawn = np.clip(random.normal(size=(400_000, len(lows))), lows, highs).sum(axis=1)
    p = random.random((len(lows), 40)) ** 2
    found = one_hand_p_values(signals_of(**dict(zip(FIRST, p, strict=True))))
    sums = np.clip(norm.isf(p.T), lows, highs).sum(axis=1)
    expected = (drawn[:, None] >= sums).mean(axis=0)
    error = np.sqrt(expected * (1 - expected) / len(drawn)) + 1e-6
    assert (np.abs(found - expected) <= 5 * error + 2e-3 * expected).all()


def test_uniform_p_values_give_a_uniform_one():
    p = np.random.default_rng(1).random((len(FIRST), 300_000))
    found = one_hand_p_values(signals_of(**dict(zip(FIRST, p, strict=True))))
    for level in LEVELS:
        error = np.sqrt(level * (1 - level) / p.shape[1])
        assert np.mean(found <= level) == pytest.approx(level, abs=4 * error + 0.01 * level)


@pytest.mark.parametrize("measured", [0.2, 0.6, 1.0])
@pytest.mark.parametrize("alike", [False, True])
def test_it_is_valid_whatever_was_measured_and_however_signals_of_one_aspect_agree(measured, alike):
    random = np.random.default_rng(2)
    n = 50_000
    p = {}
    for names in ASPECTS.values():
        shared = random.random(n)
        for name in names:
            p[name] = shared if alike else random.random(n)
            p[name] = np.where(random.random(n) < measured, p[name], np.nan)
    found = one_hand_p_values(signals_of(**p))
    for level in LEVELS:
        assert np.mean(found <= level) <= level + 4 * np.sqrt(level * (1 - level) / n)


@pytest.mark.parametrize("broken", ["one hand", "structure", "pool"])
def test_the_three_conditions_together_are_valid_where_one_of_them_fails(broken):
    n, random = 50_000, np.random.default_rng(3)
    names = {"one hand": [n for group in ASPECTS.values() for n in group], "structure": STRUCTURE}
    p = combined_p_values(planted(**{name: random.random(n) for name in names.get(broken, [POOL])}))
    for level in LEVELS:
        assert np.mean(p <= level) <= level + 4 * np.sqrt(level * (1 - level) / n)
    assert np.mean(p <= 0.05) > 0.01, "the check could not fail"


@given(EVERY, st.sampled_from(list(SIGNALS)), st.floats(0, 1))
def test_stronger_evidence_never_weakens(p_values, name, factor):
    weaker, stronger = signals_of(**p_values), signals_of(**p_values | {name: p_values[name] * factor})
    for p_of in (one_hand_p_values, combined_p_values):
        assert p_of(stronger)[0] <= p_of(weaker)[0]
    assert scores(stronger)[0] >= scores(weaker)[0]


@given(EVERY)
def test_a_signal_that_is_not_there_was_not_measured(p_values):
    every = signals_of(**p_values)
    there = {name: signal for name, signal in every.items() if not np.isnan(signal.p_value[0])}
    if there:
        assert combined_p_values(there)[0] == combined_p_values(every)[0]
        assert scores(there)[0] == scores(every)[0]
        np.testing.assert_array_equal(aspect_deviates(there), aspect_deviates(every))


@given(EVERY)
def test_every_p_is_one_and_no_score_is_negative(p_values):
    signals = signals_of(**p_values)
    assert 0 < combined_p_values(signals)[0] <= 1
    assert 0 < one_hand_p_values(signals)[0] <= 1
    assert 0 <= scores(signals)[0] < 330
    assert not np.signbit(scores(signals)[0])


def test_bonferroni_inside_an_aspect():
    assert bonferroni([np.array([0.01]), np.array([0.5])], 1)[0] == pytest.approx(0.02)
    assert bonferroni([np.array([0.01]), np.array([np.nan])], 1)[0] == pytest.approx(0.01)
    assert bonferroni([np.array([0.7]), np.array([0.8])], 1)[0] == 1
    assert np.isnan(bonferroni([np.array([np.nan])], 1)[0])
    assert np.isnan(bonferroni([], 3)).all()
    aspect, names = max(ASPECTS.items(), key=lambda entry: len(entry[1]))
    row = list(ASPECTS).index(aspect)
    one = aspect_deviates(signals_of(**dict.fromkeys(names, 0.9) | {names[-1]: 0.01}))[row, 0]
    assert one == pytest.approx(norm.isf(0.01 * len(names)))


def test_no_aspect_alone_carries_a_family_and_people_speak_against_it():
    half = dict.fromkeys(FIRST, 0.5)
    for name in FIRST:
        assert one_hand_p_values(signals_of(**half | {name: 0.0}))[0] > FLAG_LEVEL, name
        for other in set(FIRST) - {name}:
            mixed = one_hand_p_values(signals_of(**half | {name: 1e-3, other: 1.0}))
            unmeasured = one_hand_p_values(signals_of(**half | {name: 1e-3, other: np.nan}))
            assert mixed[0] > unmeasured[0]
    agreed = one_hand_p_values(signals_of(**dict.fromkeys(FIRST, 0.02)))[0]
    assert agreed < 1e-4, "many small signs weigh more than one large one"


def test_what_was_not_measured_speaks_for_nobody():
    half, none = signals_of(**dict.fromkeys(FIRST, 0.5)), signals_of(principals=1.0)
    assert one_hand_p_values(none)[0] == pytest.approx(one_hand_p_values(half)[0])
    assert np.isnan(aspect_deviates(none)).all()
    np.testing.assert_allclose(aspect_deviates(half), 0, atol=1e-12)


def test_all_three_must_hold():
    assert combined_p_values(planted())[0] < 1e-5
    assert combined_p_values(planted(principals=0.6))[0] == 0.6
    swept = combined_p_values(planted(**dict.fromkeys(STRUCTURE, 0.2)))[0]
    assert swept == pytest.approx(min(1.0, 0.2 * len(STRUCTURE)))
    assert combined_p_values(planted(**dict.fromkeys(STRUCTURE, 0.2) | {STRUCTURE[0]: 0.01}))[0] == (
        pytest.approx(0.01 * len(STRUCTURE))
    )
    people = [name for names in ASPECTS.values() for name in names if name not in STRUCTURE]
    assert combined_p_values(planted(**dict.fromkeys(people, 0.9)))[0] > 0.5


@pytest.mark.parametrize("missing", [(POOL,), STRUCTURE, tuple(SIGNALS)])
def test_what_cannot_be_told_is_not_guessed(missing):
    assert combined_p_values(planted(**dict.fromkeys(missing, np.nan)))[0] == 1
    there = {name: signal for name, signal in planted().items() if name not in missing}
    assert not there or combined_p_values(there)[0] == 1


def test_looking_twice_is_paid_for():
    signals = signals_of(**dict.fromkeys(FIRST, np.full(3, 0.02)) | dict.fromkeys((POOL, *STRUCTURE), 1e-12))
    once, looked = combined_p_values(signals), combined_p_values(signals, looks=np.array([1, 2, 10**15]))
    np.testing.assert_allclose(looked, [once[0], 2 * once[0], 1.0])


def test_the_score_asks_for_a_swept_space_and_not_for_many_principals():
    assert scores(planted(**dict.fromkeys(STRUCTURE, 1.0)))[0] == 0
    assert scores(planted(**dict.fromkeys(STRUCTURE, np.nan)))[0] == 0
    assert scores(planted(principals=1.0))[0] == scores(planted())[0] > 0


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
