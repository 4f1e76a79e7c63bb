"""Which texts hold which, and the words that most texts of a label share, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_cases import buffer_of, plain_shingles, plain_tokens

from embedder import common_words, held_texts, holders, text_buffer

phrase = st.lists(st.sampled_from("abc1"), max_size=12).map(" ".join)
texts = st.lists(phrase, max_size=6)
BLOCKS = (1 << 20, 16)  # bytes: one block, and a text or two each


def covered(text, places):
    """Tokens inside the shingles that start at the places; every word of these texts is two halves."""
    return {j for i in places for j in range(i, i + 4)} & set(range(len(plain_tokens(text))))


def plainly_holds(text, held):
    shingles = plain_shingles(held)
    there = [i for i, shingle in enumerate(shingles) if shingle and shingle in set(plain_shingles(text))]
    inside, gap, longest = covered(held, there), 0, 0
    for i in range(len(shingles)):
        gap = 0 if i in inside else gap + 1
        longest = max(longest, gap)
    return bool(there) and 2 * len(there) >= sum(bool(s) for s in shingles) and longest < 4


@settings(deadline=None)
@given(texts, texts, st.lists(st.integers(0, 5), max_size=8))
def test_holders_equal_the_definition(held, some, rows):
    rows = np.array([row for row in rows if row < len(some)], np.int64)
    asked = [some[row] for row in rows]
    expected = {(i, j) for i, text in enumerate(asked) for j, h in enumerate(held) if plainly_holds(text, h)}
    for size in BLOCKS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_buffer, "_BLOCK_BYTES", size)
            places, owners = holders(held_texts(buffer_of(held)), buffer_of(some), rows)
        assert len(places) == len(expected)
        assert (np.diff(places) >= 0).all()
        assert set(zip(places.tolist(), owners.tolist(), strict=True)) == expected


@settings(deadline=None)
@given(
    texts,
    st.lists(
        st.tuples(st.lists(st.sampled_from("abc1"), max_size=12).map(" ".join), st.integers(-1, 5)),
        max_size=8,
    ),
)
def test_common_words_equal_the_definition(held, labelled):
    labels = np.array([label if label < len(held) else -1 for _, label in labelled], np.int64)
    known = held_texts(buffer_of(held))
    some = buffer_of([text for text, _ in [*labelled[::-1], ("a b c a b c", 0)]])
    rows = np.arange(len(labelled))[::-1]  # all but the last, the other way round
    found = common_words(known, some, rows, labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_buffer, "_BLOCK_BYTES", BLOCKS[1])
        assert common_words(known, some, rows, labels).tolist() == found.tolist()
    for i, text in enumerate(held):
        own = [set(plain_shingles(t)) for (t, _), label in zip(labelled, labels, strict=True) if label == i]
        most = [
            place
            for place, shingle in enumerate(plain_shingles(text))
            if shingle and 2 * sum(shingle in there for there in own) > len(own)
        ]
        expected = covered(text, most)
        assert set(np.flatnonzero(found[known.ends[i] : known.ends[i + 1]]).tolist()) == expected


def test_a_text_is_held_but_for_words_shorter_than_a_shingle():
    words = [f"w{i}" for i in range(16)]
    held = held_texts(buffer_of([" ".join(words)]))
    near = " ".join([*words[:6], "x", "y", "z", *words[9:]])
    far = " ".join([*words[:6], "x", "y", "z", "x", *words[10:]])
    texts = buffer_of([near, far, "before " + " ".join(words) + " after"])
    assert holders(held, texts, np.arange(3))[0].tolist() == [0, 2]
