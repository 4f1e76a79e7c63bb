"""Signals in words: every measured signal has them, every sentence can be said, aspects hold the rest."""

from __future__ import annotations

import inspect
import string

import numpy as np
import pytest
from observed_cases import observed_of
from traffic_cases import traffic_of

from clustering import signals
from clustering.evidence import weigh
from clustering.scores import POOL, STRUCTURE
from clustering.signals import SIGNALS, no_evidence
from clustering.signals.catalogue import aspects
from clustering.tables import ASPECT_PREFIX, FAMILIES, P_SUFFIX

EFFECTS = (0.0, 0.25, 1.0, 3.5, 1234.5, float("nan"))
SENTENCES = [
    (name, kind) for name, words in SIGNALS.items() for kind in ("telling", "benign") if getattr(words, kind)
]


def test_every_signal_that_evidence_measures_has_words_and_no_other():
    one = observed_of(traffic_of([0, 1]), ["a", "b"], lambda texts: np.zeros((len(texts), 4), np.float32))
    measured = weigh(one, no_evidence(1), akin=lambda i, j: False, seed=0).signals
    assert list(measured) == list(SIGNALS)


def test_every_signal_function_of_the_package_is_in_the_catalogue():
    returned = {
        name
        for name, function in vars(signals).items()
        if inspect.isfunction(function) and "Signal" in str(function.__annotations__.get("return", ""))
    }
    assert returned - {"no_evidence"} == set(SIGNALS) - {"elicitation"}, "elicitation is read from texts"


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_says_what_it_is(name):
    words = SIGNALS[name]
    assert words.title
    assert words.title == words.title.strip()
    assert words.meaning == words.meaning.strip()
    assert words.meaning
    assert words.telling
    assert len({other.title for other in SIGNALS.values()}) == len(SIGNALS)


@pytest.mark.parametrize(("name", "kind"), SENTENCES)
def test_every_sentence_can_be_said_of_every_effect(name, kind):
    sentence = getattr(SIGNALS[name], kind)
    fields = {field for _, field, _, _ in string.Formatter().parse(sentence) if field is not None}
    assert fields <= {"effect"}
    for effect in EFFECTS:
        said = sentence.format(effect=effect)
        assert said.endswith(".")
        assert not {"{", "}"} & set(said)
        assert "  " not in said


def test_aspects_hold_exactly_the_signals_that_name_one_in_order():
    inside = [name for names in aspects().values() for name in names]
    assert sorted(inside) == sorted(name for name, words in SIGNALS.items() if words.aspect)
    assert len(set(inside)) == len(inside)
    for aspect, names in aspects().items():
        assert names
        assert {SIGNALS[name].aspect for name in names} == {aspect}
        assert sorted(names, key=list(SIGNALS).index) == list(names)
    assert list(aspects()) == list(dict.fromkeys(w.aspect for w in SIGNALS.values() if w.aspect))


def test_conditions_of_the_score_are_signals():
    assert {POOL, *STRUCTURE} <= set(SIGNALS)
    assert SIGNALS[POOL].aspect == "", "the number of accounts is no sign of one hand"


def test_every_signal_and_aspect_has_its_columns():
    for name in SIGNALS:
        assert {name, name + P_SUFFIX} <= set(FAMILIES)
    assert [c for c in FAMILIES if c.startswith(ASPECT_PREFIX)] == [ASPECT_PREFIX + a for a in aspects()]
