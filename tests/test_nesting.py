"""Wrappers around payloads that recur, variants of one frame, customers with wrappers of their own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from text_cases import buffer_of, random_words

from clustering.cores import cores_of, gaps, payload_places, senders_of
from clustering.nesting import join_nested, mixing_p_value

RNG = np.random.default_rng(0)
FRAME, NESTED, OTHER, TAIL = (random_words(RNG, 14, first=70_000 * (i + 1)) for i in range(4))


def payloads(n, words=12):
    return [random_words(RNG, words) for _ in range(n)]


def around(frame, n, *, tail=""):
    return [f"{frame} {payload} {tail}".strip() for payload in payloads(n)]


def join(groups, principals=None):
    """New label of each prompt; group i of (skeleton, prompts) is cluster i, or noise for a skeleton of -."""
    rows = [(skeleton, text, i) for i, (skeleton, some) in enumerate(groups) for text in some]
    own = np.array([-1 if skeleton.startswith("-") else i for skeleton, _, i in rows], np.int64)
    who = np.arange(len(rows)) % 7 if principals is None else np.array(principals)
    # Each prompt has a skeleton of its own, so that prompts can move one by one.
    distinct = pl.DataFrame(
        {
            "skeleton": [text for _, text, _ in rows],
            "weight": np.ones(len(rows), np.int64),
            "row": range(len(rows)),
        }
    )
    texts = buffer_of([text for _, text, _ in rows])
    pairs = pl.DataFrame({"prompt_row": range(len(rows)), "principal_row": who})
    senders = senders_of(texts, pairs, np.arange(len(rows)), n_skeletons=len(rows))
    strengths = (own >= 0).astype(np.float32)
    before = own.copy()
    labels, strengths = join_nested((own, strengths), distinct, senders, min_family=20, seed=0)
    assert own.tolist() == before.tolist(), "the caller's arrays stay as they are"
    assert ((strengths > 0) == (labels >= 0)).all()
    edges = np.cumsum([0, *(len(some) for _, some in groups)])
    return [set(labels[a:b].tolist()) for a, b in pairwise(edges)]


def test_a_wrapper_around_other_peoples_wrapper_is_one():
    assert join([("a", around(FRAME, 40)), ("b", around(f"{FRAME} {NESTED}", 30))]) == [{0}, {0}]


def test_what_stands_outside_the_payload_is_another_wrapper():
    frame = [f"{payload} {FRAME}" for payload in payloads(40)]
    variant = [f"{payload} {FRAME} {NESTED}" for payload in payloads(30)]
    assert join([("a", frame), ("b", variant)]) == [{0}, {1}]


def test_variants_of_one_frame_are_as_many_families():
    variants = [around(f"{FRAME} {own}", 30, tail=TAIL) for own in (NESTED, OTHER)]
    assert join([("a", variants[0]), ("b", variants[1])]) == [{0}, {1}]


def test_a_customers_own_wrapper_inside_everyones_is_his():
    groups = [("a", around(FRAME, 60)), ("b", around(f"{FRAME} {NESTED}", 30))]
    principals = [*(i % 20 for i in range(60)), *(20 + i % 2 for i in range(30))]
    assert join(groups, principals) == [{0}, {1}]


def test_items_of_a_list_are_one_family_and_one_quotation_joins_nothing():
    head = random_words(RNG, 5, first=500_000)
    items = [random_words(RNG, 12, first=600_000 + 50_000 * i) for i in range(2)]
    apart = [("a", around(f"{head} {items[0]}", 30)), ("b", around(f"{head} {items[1]}", 30))]
    both = [f"{head} {items[0]} {items[1]} {payload}" for payload in payloads(2)]
    assert join(apart) == [{0}, {1}]
    joined = join([*apart, ("-", both)])
    assert joined[0] == joined[1] == {0}
    assert join([*apart, ("-", both)], [*(i % 7 for i in range(60)), 3, 3])[:2] == [{0}, {1}]


def test_noise_that_holds_the_core_around_payload_is_given_to_it():
    groups = [("a", around(FRAME, 40)), ("-", around(f"{FRAME} {NESTED}", 3)), ("-", payloads(3))]
    assert join(groups) == [{0}, {0}, {-1}]


def test_a_wrapped_question_leaves_the_bare_ones():
    bare = [f"{NESTED} {payload}" for payload in payloads(40, 3)]
    wrapped = [f"{FRAME} {NESTED} {payload}" for payload in payloads(10, 3)]
    assert join([("a", around(FRAME, 40)), ("b", bare), ("c", around(OTHER, 30))])[:2] == [{0}, {1}]
    rows = join([("a", around(FRAME, 40)), ("b", bare + wrapped)])
    assert rows == [{0}, {0, 1}]


@pytest.mark.parametrize(
    "groups", [[], [("-", ["one", "two"])], [("a", ["x"])], [("a", ["x"]), ("b", ["y"])]]
)
def test_hardly_anything_stays(groups):
    assert join(groups) == [{-1 if name == "-" else i} for i, (name, _) in enumerate(groups)]


def test_the_core_is_what_most_prompts_share_and_payload_stands_behind_it():
    texts = around(FRAME, 30)
    pairs = pl.DataFrame({"prompt_row": range(30), "principal_row": range(30)})
    senders = senders_of(buffer_of(texts), pairs, np.arange(30), n_skeletons=30)
    cores, held = cores_of(np.zeros(30, np.int64), np.array([4]), senders)
    assert len(cores[0]) == 14
    assert held["skeleton"].to_list() == list(range(30))
    assert payload_places(cores[0], np.arange(30), senders).tolist() == [False] * 14 + [True]
    assert gaps(list(range(9)), [7, 7, *range(5), 6, 5, 6, 7, 8]).tolist()[:2] == [2, 0]


def test_the_p_value_of_mixing_is_valid_and_sees_customers_apart():
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(400):
        who = rng.zipf(1.7, 120) % 40
        p_values.append(mixing_p_value(who[:90], who[90:], seed=int(rng.integers(1 << 30))))
    for a in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p_values) <= a) <= a + 3 * np.sqrt(a * (1 - a) / 400)
    assert mixing_p_value(np.repeat(np.arange(9), 9), np.repeat(np.arange(9, 12), 9), seed=0) <= 0.01
    assert mixing_p_value(np.arange(30), np.arange(30, 60), seed=0) == 1
