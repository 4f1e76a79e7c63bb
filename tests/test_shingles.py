"""Shingle counts against dictionaries of sets."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_cases import BREAK, any_text, plain_counts, plain_shingles, random_words

from embedder import to_buffer
from embedder.shingles import count_shingles, scratch, shingle_slots, table_bits
from embedder.words import code_point_tables, find_words


def slots_of(text, bits):
    """Slot of the shingle at each token, as the table addresses them."""
    data = np.frombuffer(text.encode(), np.uint8)
    words = scratch(len(data))
    n = find_words(data, (0, len(data)), code_point_tables(), words)
    slots = np.empty(n + 1, np.int64)
    shingle_slots(words, n, np.uint64((1 << bits) - 1), slots)
    return slots[:n].tolist()


def count(texts, pairs, *, min_texts=1, memory=1 << 30):
    """The table of texts and (text, principal) pairs in any order."""
    ordered = sorted(set(pairs), key=lambda pair: (pair[1], pair[0]))
    rows = np.array([t for t, _ in ordered], np.int64), np.array([p for _, p in ordered], np.int32)
    return count_shingles(
        to_buffer(pl.Series(texts, dtype=pl.String)), rows, min_texts=min_texts, memory=memory
    )


def by_shingle(texts, table):
    """Count of each shingle in the table; fails when two shingles of the texts share a slot."""
    bits = int(np.log2(len(table.n_principals)))
    slot_of = {}
    for text in texts:
        for shingle, slot in zip(plain_shingles(text), slots_of(text, bits), strict=True):
            assert {None: -1, (): -2}.get(shingle, slot) == slot
            assert (slot >= 0) == bool(shingle)
            if shingle:
                assert slot_of.setdefault(shingle, slot) == slot
    assert len(set(slot_of.values())) == len(slot_of), "two shingles share a slot: a larger table is needed"
    assert set(np.flatnonzero(table.n_principals).tolist()) <= set(slot_of.values())
    return {shingle: int(table.n_principals[slot]) for shingle, slot in slot_of.items()}


phrases = st.lists(st.sampled_from(["a", "b", "c", "1", "字", BREAK]), max_size=14).map(" ".join)
sent = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=25)


@settings(deadline=None)
@given(st.lists(phrases, min_size=6, max_size=6), sent, st.integers(1, 3))
def test_counts_equal_those_of_sets(texts, pairs, min_texts):
    table = count(texts, pairs, min_texts=min_texts)
    assert by_shingle(texts, table) == plain_counts(texts, pairs, min_texts)


@settings(deadline=None, max_examples=50)
@given(any_text)
def test_a_shingle_starts_wherever_four_words_of_any_script_follow(text):
    assert [slot >= 0 for slot in slots_of(text, 16)] == [bool(shingle) for shingle in plain_shingles(text)]


def test_numbers_alone_are_no_shingle():
    assert [slot >= 0 for slot in slots_of("1, 2, 3, 4 and 5", 16)] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_principal_counts_once_however_often_and_in_however_many_texts_it_says_a_thing():
    texts = ["one two three four one two three four", "say one two three four again", "one two three four"]
    pairs = [(0, 7), (1, 7), (2, 7), (2, 3)]
    assert by_shingle(texts, count(texts, pairs))["one", "two", "three", "four"] == 2


def test_requests_between_those_of_one_principal_do_not_count_it_twice():
    texts = [f"{random_words(np.random.default_rng(i), 5)} one two three four" for i in range(6)]
    pairs = [(i, i % 2) for i in range(6)]
    assert by_shingle(texts, count(texts, pairs))["one", "two", "three", "four"] == 2


@pytest.mark.parametrize(("min_texts", "expected"), [(1, 40), (2, 0)])
def test_one_text_of_many_principals_counts_only_below_the_least_number_of_texts(min_texts, expected):
    texts = ["what everybody sends word for word", "another text altogether here now"]
    table = count(texts, [(0, p) for p in range(40)] + [(1, 0)], min_texts=min_texts)
    assert by_shingle(texts, table)["what", "everybody", "sends", "word"] == expected


def test_the_least_number_of_texts_is_reached_not_exceeded():
    texts = [f"{name} one two three four" for name in ("red", "blue", "green")]
    for min_texts, expected in ((3, 1), (4, 0)):
        table = count(texts, [(0, 0)], min_texts=min_texts)
        assert by_shingle(texts, table)["one", "two", "three", "four"] == expected


def test_the_order_of_texts_and_names_of_principals_do_not_matter():
    rng = np.random.default_rng(3)
    texts = [random_words(rng, 9, vocabulary=12) for _ in range(60)]
    pairs = [
        (int(t), int(p)) for t, p in zip(rng.integers(0, 60, 200), rng.integers(0, 25, 200), strict=True)
    ]
    order, names = rng.permutation(60), rng.permutation(25)
    place = np.argsort(order)
    moved = [(int(place[t]), int(names[p])) for t, p in pairs]
    one, other = count(texts, pairs), count([texts[i] for i in order], moved)
    np.testing.assert_array_equal(one.n_principals, other.n_principals)
    assert one.expected_collisions == other.expected_collisions
    assert one.n_principals.max() >= 5, "the case counts something"


def test_pairs_that_are_not_sorted_by_principal_are_refused():
    texts = to_buffer(pl.Series(["one two three four"]))
    pairs = np.zeros(3, np.int64), np.array([0, 1, 0], np.int32)
    with pytest.raises(ValueError, match="sorted by principal"):
        count_shingles(texts, pairs, min_texts=1)


def test_a_small_table_overcounts_by_no_more_than_it_expects():
    rng = np.random.default_rng(5)
    texts = [random_words(rng, 30) for _ in range(8_000)]
    pairs = [(i, i) for i in range(8_000)]
    table = count(texts, pairs, memory=8 << 16)
    assert len(table.n_principals) == 1 << 16
    n_shingles = 8_000 * 27
    assert table.expected_collisions == pytest.approx(n_shingles / (1 << 16), rel=0.01)
    assert table.n_principals.mean() == pytest.approx(table.expected_collisions, rel=0.01)
    # Nothing is shared, so a slot's count is Poisson about its mean.
    assert table.n_principals.max() <= table.expected_collisions + 7 * np.sqrt(table.expected_collisions) + 1


def test_a_count_is_never_below_the_truth_however_small_the_table():
    rng = np.random.default_rng(6)
    texts = [f"{random_words(rng, 20)} one two three four" for _ in range(2_000)]
    table = count(texts, [(i, i // 10) for i in range(2_000)], memory=1)
    bits = int(np.log2(len(table.n_principals)))
    assert table.n_principals[slots_of("one two three four", bits)[0]] >= 200


def test_table_bits_grow_with_the_texts_until_the_memory_bound():
    sizes = [0, 1, 10**5, 10**6, 10**8, 10**11]
    bits = [table_bits(n, 1 << 30) for n in sizes]
    assert bits == sorted(bits)
    assert bits[0] == 16
    assert bits[-1] == 27
    for n, b in zip(sizes[2:4], bits[2:4], strict=True):
        assert 8 * n / 6 <= 1 << b < 2 * 8 * n / 6
    assert all(8 << table_bits(n, 100 << 20) <= 100 << 20 for n in sizes)


def test_the_sparse_form_holds_all_that_reach_the_minimum():
    texts = ["one two three four", "one two three four five", "six seven eight nine"]
    table = count(texts, [(0, 0), (1, 1), (2, 0)])
    slots, counts = table.sparse(2)
    assert counts.tolist() == [2]
    assert table.n_principals[slots].tolist() == [2]
    assert table.sparse(1)[1].sum() == 4


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["three words only"]])
def test_texts_without_a_shingle_have_empty_tables(texts):
    table = count(texts, [(i, 0) for i in range(len(texts))])
    assert table.n_principals.sum() == 0
    assert table.expected_collisions == 0
