"""Reasons: sentences follow the signals, and a family that is not flagged has a plain story."""

from __future__ import annotations

import numpy as np
import pytest

from clustering.evidence import Evidence
from clustering.reasons import _BENIGN, _TELLING, _UNKNOWN, benign_explanation, family_reasons
from clustering.scores import COORDINATION, FLAG_LEVEL, POOL, STRUCTURE
from clustering.signals import Signal

NAMES = (*COORDINATION, *STRUCTURE, POOL)


def evidence_of(*, pooled=False, groups=(0,), **p_values):
    """Evidence on one family (of several groups); NaN where no p is given."""
    n = len(groups)
    signals = {k: Signal(np.full(n, 0.25), np.full(n, p_values.get(k, np.nan))) for k in NAMES}
    return Evidence(signals, np.ones(n), np.zeros(n), np.array(groups), np.full(n, pooled))


def test_every_signal_has_a_sentence():
    assert set(_TELLING) == set(NAMES)
    assert set(_BENIGN) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_telling_signal_is_told_with_its_effect(name):
    (sentence,) = family_reasons(evidence_of(**{name: FLAG_LEVEL}), 0)
    assert "{" not in sentence
    assert sentence == _TELLING[name].format(effect=0.25)
    assert family_reasons(evidence_of(**{name: FLAG_LEVEL + 1e-6}), 0) == []


def test_the_most_telling_comes_first_and_the_pool_last():
    p = {"devotion": 1e-3, "load_dispersion": 1e-9, "principals": 1e-30, "union_efficiency": 1e-5}
    told = family_reasons(evidence_of(**p), 0)
    order = ["load_dispersion", "union_efficiency", "devotion", "principals"]
    assert told == [_TELLING[name].format(effect=0.25) for name in order]


def test_families_weighed_together_say_so():
    told = family_reasons(evidence_of(pooled=True, groups=(0, 0, 0, 1), devotion=0.01), 0)
    assert "2 other families" in told[0]
    assert len(told) == 2
    assert "other famil" not in family_reasons(evidence_of(groups=(0, 0), devotion=0.01), 0)[0]


def test_nothing_measured_is_not_distinguishable():
    assert family_reasons(evidence_of(), 0) == []
    assert benign_explanation(evidence_of(), 0) == _UNKNOWN
    undecided = dict.fromkeys(NAMES, 0.3) | {POOL: 1e-9}
    assert benign_explanation(evidence_of(**undecided), 0) == _UNKNOWN


def test_few_customers_are_the_plainest_story():
    everything = dict.fromkeys(NAMES, 0.99)
    assert benign_explanation(evidence_of(**everything), 0).startswith("Few customers")
    assert benign_explanation(evidence_of(**everything | {POOL: 1e-9}), 0).startswith("Everyone sends")


@pytest.mark.parametrize("name", [n for n in _BENIGN if n != POOL])
def test_a_contrary_signal_is_the_story(name):
    story = benign_explanation(evidence_of(**{POOL: 1e-9, name: 0.8}), 0)
    assert story == _BENIGN[name].format(effect=0.25)
    assert benign_explanation(evidence_of(**{POOL: 1e-9, name: 0.4}), 0) == _UNKNOWN
