"""Verdicts say what the score says: level, conditions, and a remedy that would work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from clustering import reasons
from clustering.report.aspects import aspect_figures
from clustering.report.verdict import COVER, KNOWN, found_by_senders, level_needed, one_in, verdict
from clustering.scores import FLAG_LEVEL, HIGHEST, combined_p_values
from clustering.signals import SIGNALS, Signal
from clustering.signals.catalogue import aspects
from clustering.tables import ASPECT_PREFIX, FAMILIES, P_SUFFIX

OTHERS = np.linspace(0.2, 1.0, 99)


def family(deviates: dict[str, float], *, looks: int = 1, **given: object) -> dict[str, object]:
    """A row of FAMILIES whose aspects show these deviates, weighed as a run weighs it."""
    row: dict[str, object] = dict.fromkeys(FAMILIES.names())
    row |= {"n_accounts": 12, "principals_p": 1e-9, "union_efficiency_p": 1e-9}
    for name, deviate in deviates.items():
        row[ASPECT_PREFIX + name] = deviate
        signals = aspects()[name]
        row |= {signals[0]: 0.5, signals[0] + P_SUFFIX: float(norm.sf(deviate))}
    row |= given
    p = {
        name: np.array([np.nan if row[name + P_SUFFIX] is None else row[name + P_SUFFIX]]) for name in SIGNALS
    }
    measured = {name: Signal(np.array([0.5]), np.asarray(value, float)) for name, value in p.items()}
    row["p_value"] = given.get("p_value", float(combined_p_values(measured, looks=looks)[0]))
    row["own_p_value"] = row["p_value"]
    row["q_value"] = float(false_discovery_control([row["p_value"], *OTHERS])[0])
    row["flagged"] = row["q_value"] <= FLAG_LEVEL
    return row


def judged(row: dict[str, object]):
    return verdict(row, aspect_figures(row), np.sort([row["p_value"], *OTHERS]))


STRONG = {"subjects": 3.0, "loads": 3.0, "hours": 3.0, "devotion": 3.0, "intent": 1.0}


@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=30), st.data())
def test_level_is_that_of_benjamini_and_hochberg(p: list[float], data: st.DataObject) -> None:
    own = data.draw(st.sampled_from(p))
    place = p.index(own)
    level = level_needed(np.sort(p), own)
    for factor, flagged in ((1 - 1e-9, True), (1 + 1e-6, False)):
        changed = np.array(p)
        changed[place] = min(1.0, level * factor)
        assert (false_discovery_control(changed)[place] <= FLAG_LEVEL + 1e-12) == flagged


def test_flagged_family_says_how_rare_it_is() -> None:
    row = family(STRONG)
    found = judged(row)
    assert row["flagged"]
    assert found.sentence.startswith("One hand behind 12 accounts, very likely: ")
    assert one_in(row["p_value"]) in found.sentence
    assert (found.remedy, found.level) == ("", None)
    assert not found_by_senders(row, aspect_figures(row))


def test_second_look_is_no_sign_of_senders() -> None:
    row = family(STRONG, looks=2)
    assert row["flagged"]
    assert not found_by_senders(row, aspect_figures(row))


def test_family_that_came_in_by_its_senders_says_so() -> None:
    row = family({"loads": -1.0, "hours": 0.2}, p_value=1e-8)
    assert judged(row).sentence.startswith("Sent by the pool behind its campaign, very likely")
    bare = family({}, p_value=1e-8, principals_p=None, union_efficiency_p=None)
    assert found_by_senders(bare, aspect_figures(bare))


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize(
    "deviates",
    [
        {"subjects": 3.0, "loads": 3.0, "hours": -1.0, "devotion": 1.1, "intent": 0.9},
        {"subjects": 3.0, "loads": -1.0, "hours": 0.5, "company": 3.0, "sweep": 1.5},
        {"subjects": 1.0, "intent": 2.0},
    ],
)
def test_remedy_names_exactly_the_aspects_that_would_do(deviates: dict[str, float], looks: int) -> None:
    row = family(deviates, looks=looks)
    assert not row["flagged"]
    level = level_needed(np.sort([row["p_value"], *OTHERS]), row["p_value"])
    enough = {
        name for name in aspects() if family(deviates | {name: HIGHEST}, looks=looks)["p_value"] <= level
    }
    remedy = judged(row).remedy
    if enough:
        named = {name for name in aspects() if name in remedy}
        assert named == enough
        assert all(f"{name} (not measured)" in remedy for name in enough - deviates.keys())
    else:
        assert "sides more" in remedy


def test_unmet_conditions_are_named() -> None:
    few = judged(family(STRONG, principals_p=0.9))
    assert "four accounts or organisations, or fewer" in few.sentence
    assert few.remedy.startswith("It would take more than four accounts")
    same = judged(family(STRONG, union_efficiency_p=1.0))
    assert "send what others send" in same.sentence
    assert "swept space" in same.remedy
    people = judged(family({"loads": -1.0, "hours": -1.0}))
    assert "act like people" in people.sentence


def test_near_miss_gives_both_figures() -> None:
    row = family(
        {"subjects": 3.0, "loads": 3.0, "hours": -1.0, "devotion": 0.5}, benign_explanation="Chance."
    )
    found = judged(row)
    assert FLAG_LEVEL >= row["p_value"] > found.level
    assert "signs of one hand behind its 12 accounts" in found.sentence
    assert "flags up to p 5.0e-04" in found.sentence
    assert found.benign == ""


def test_registry_explains() -> None:
    known = reasons._KNOWN.format(kind="sample", name="Assistant", source="docs")
    assert known.startswith(KNOWN)
    found = judged(family(STRONG, p_value=1.0, benign_explanation=known))
    assert "in the registry" in found.sentence
    assert (found.benign, found.remedy) == (known, "")


def test_what_else_a_pool_sends_is_said_to_be_its() -> None:
    assert reasons._COVER.startswith(COVER)
    found = judged(family({}, p_value=1.0, benign_explanation=reasons._COVER) | {"own_p_value": None})
    assert "the hand behind a flagged campaign sends this" in found.sentence
    assert (found.benign, found.remedy) == (reasons._COVER, "")


def test_what_a_pool_led_to_is_not_measured_by_the_level_of_the_others() -> None:
    row = family({}, p_value=0.08) | {"own_p_value": None, "q_value": 0.08}
    found = verdict(row, aspect_figures(row), OTHERS)
    assert "a campaign's accounts led to it" in found.sentence
    assert "q 0.08" in found.sentence
    assert (found.remedy, found.level) == ("", None)


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (1.0, "one in 1"),
        (0.0123, "one in 81"),
        (8.6e-5, "one in 12\u202f000"),
        (1e-6, "one in 1 million"),
        (3.9e-11, "less than one in a million"),
        (0.0, "less than one in a million"),
    ],
)
def test_one_in(p: float, words: str) -> None:
    assert one_in(p) == words
