"""Lexical vectors against cosines of sets of word pairs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_cases import BREAK, any_text, plain_tokens, random_words

from embedder import lexical_vectors, to_buffer
from embedder.lexical import LEXICAL_DIM


def vectors(texts):
    return lexical_vectors(to_buffer(pl.Series(texts, dtype=pl.String)))


def plain_pairs(text):
    """Distinct pairs of neighbouring words; a word before a break or the end pairs with nothing."""
    tokens = [*plain_tokens(text), (BREAK, 0, 0, 0)]
    return {
        (first, second if half else None)
        for (first, _, _, own), (second, _, _, half) in pairwise(tokens)
        if own > 0
    }


def set_cosine(a, b):
    a, b = plain_pairs(a), plain_pairs(b)
    return len(a & b) / np.sqrt(len(a) * len(b)) if a and b else 0.0


def test_cosines_estimate_those_of_the_sets_without_bias():
    rng = np.random.default_rng(0)
    texts, others = [], []
    for i in range(600):
        words = random_words(rng, 40).split()
        kept = words[: 40 * (i % 11) // 10]
        texts.append(" ".join(words))
        others.append(" ".join(kept + random_words(rng, 40 - len(kept)).split()))
    estimates = (vectors(texts) * vectors(others)).sum(axis=1)
    truth = np.array([set_cosine(a, b) for a, b in zip(texts, others, strict=True)])
    error = estimates - truth
    assert truth.max() > 0.9
    assert truth.min() == 0
    assert np.abs(error).max() <= 5 / 16
    assert np.sqrt((error**2).mean()) == pytest.approx(1 / 16, rel=0.4)
    for share in range(11):
        group = error[share::11]
        assert abs(group.mean()) <= 4 / 16 / np.sqrt(len(group)), share


@settings(deadline=None)
@given(st.lists(any_text, max_size=6))
def test_rows_are_unit_or_zero_and_do_not_depend_on_the_batch(texts):
    rows = vectors(texts)
    assert rows.shape == (len(texts), LEXICAL_DIM)
    assert rows.dtype == np.float32
    for text, row in zip(texts, rows, strict=True):
        wordless = not plain_pairs(text)
        assert np.linalg.norm(row.astype(float)) == pytest.approx(0 if wordless else 1, abs=1e-6)
        np.testing.assert_array_equal(vectors([text])[0], row)


@settings(deadline=None, max_examples=50)
@given(any_text, any_text)
def test_texts_of_equal_pairs_have_equal_vectors(a, b):
    if plain_pairs(a) == plain_pairs(b):
        np.testing.assert_array_equal(*vectors([a, b]))


def test_case_numbers_punctuation_and_repetition_do_not_matter():
    np.testing.assert_array_equal(*vectors(["Rate it from 1 to 10.", "rate IT, from 3 to 5!"]))
    np.testing.assert_array_equal(*vectors(["x y x y x", "x y x"]))


def test_the_order_of_words_matters():
    a, b = vectors(["the cat saw the dog run", "the dog saw the cat run"])
    assert a @ b < 0.9


def test_no_pair_reaches_across_a_break():
    one, apart, other = vectors([f"a{BREAK}b", "a", "a b"])
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, apart)
    np.testing.assert_array_equal(one, vectors([f"b{BREAK}a"])[0])


def test_no_texts_give_no_rows():
    assert vectors([]).shape == (0, LEXICAL_DIM)
