"""Reasons: sentences follow the signals, and a family that is not flagged has a plain story."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from clustering.reasons import benign_explanation, family_reasons
from clustering.registry import Known
from clustering.scores import FLAG_LEVEL, POOL
from clustering.signals import SIGNALS, Signal

EFFECT = 0.25
TELLING = [name for name, words in SIGNALS.items() if words.telling]
BENIGN = [name for name, words in SIGNALS.items() if words.benign]
ASPECT = [name for name in TELLING if SIGNALS[name].aspect]


def found_of(*, p_value=1.0, n_pooled=0, groups=(0,), known=None, followed=None, **p_values):
    """Findings on a family (of several groups); NaN where no p is given."""
    n = len(groups)
    return SimpleNamespace(
        signals={k: Signal(np.full(n, EFFECT), np.full(n, p_values.get(k, np.nan))) for k in SIGNALS},
        p_values=np.full(n, p_value),
        groups=np.array(groups),
        n_pooled=np.full(n, n_pooled),
        known=[known] * n,
        followed=[followed] * n,
    )


def telling(name):
    return SIGNALS[name].telling.format(effect=EFFECT)


def benign(name):
    return SIGNALS[name].benign.format(effect=EFFECT)


@pytest.mark.parametrize("name", TELLING)
def test_a_telling_signal_is_told_with_its_effect(name):
    assert family_reasons(found_of(**{name: FLAG_LEVEL}), 0) == [telling(name)]
    assert family_reasons(found_of(**{name: FLAG_LEVEL + 1e-6}), 0) == []


def test_the_most_telling_of_the_aspects_comes_first_and_the_conditions_last():
    first, second = ASPECT[-1], ASPECT[0]
    p = {POOL: 1e-30, "union_efficiency": 1e-5, second: 1e-3, first: 1e-9}
    assert family_reasons(found_of(**p), 0) == [
        telling(name) for name in (first, second, POOL, "union_efficiency")
    ]


def test_families_weighed_together_say_so_with_how_many():
    told = family_reasons(found_of(n_pooled=2, groups=(0, 0, 0, 1), devotion=0.01), 0)
    assert "2 other families" in told[0]
    assert told[1:] == [telling("devotion")]
    apart = family_reasons(found_of(groups=(0, 0), devotion=0.01), 0)
    assert apart == [telling("devotion")]


def test_a_family_that_its_senders_led_to_says_that():
    assert family_reasons(found_of(followed="Its senders.", devotion=1e-9), 0) == ["Its senders."]


def test_a_known_template_is_named_whatever_else_speaks():
    desk = Known("Desk", "product", "ticket 4711", frozenset({"0" * 16}))
    story = benign_explanation(found_of(known=desk, p_value=1e-9, **dict.fromkeys(SIGNALS, 0.9)), 0)
    assert all(word in story for word in ("Desk", "product", "ticket 4711", "registry"))


def test_a_small_p_that_was_not_enough_is_chance():
    story = benign_explanation(found_of(p_value=FLAG_LEVEL, groups=(0, 1, 2), devotion=0.9), 0)
    assert "3 families" in story
    assert "chance" in story


def test_nothing_measured_is_not_distinguishable():
    assert family_reasons(found_of(), 0) == []
    assert "Not distinguishable" in benign_explanation(found_of(), 0)
    undecided = dict.fromkeys(SIGNALS, 0.3) | {POOL: 1e-9, "union_efficiency": 1e-9}
    assert "Not distinguishable" in benign_explanation(found_of(**undecided), 0)


def test_few_customers_are_the_plainest_story_then_prompts_that_all_send():
    everything = dict.fromkeys(SIGNALS, 0.99)
    assert benign_explanation(found_of(**everything), 0) == benign(POOL)
    assert benign_explanation(found_of(**everything | {POOL: 1e-9}), 0) == benign("union_efficiency")
    assert benign_explanation(found_of(**{POOL: 0.06, "devotion": 0.99}), 0) == benign(POOL)


@pytest.mark.parametrize("name", [n for n in BENIGN if n not in (POOL, "union_efficiency")])
def test_what_speaks_for_people_is_the_story(name):
    swept = {POOL: 1e-9, "union_efficiency": 1e-9}
    assert benign_explanation(found_of(**swept, **{name: 0.8}), 0) == benign(name)
    assert "Not distinguishable" in benign_explanation(found_of(**swept, **{name: 0.4}), 0)


def test_the_strongest_of_several_is_the_story():
    swept = {POOL: 1e-9, "union_efficiency": 1e-9}
    names = [n for n in BENIGN if n not in swept]
    for strongest in names:
        p = dict.fromkeys(names, 0.6) | {strongest: 0.95}
        assert benign_explanation(found_of(**swept, **p), 0) == benign(strongest)
