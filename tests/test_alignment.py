"""Alignments against the textbook table, and which texts count as one template's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from text_cases import BREAK, random_words

from clustering.alignment import common_blocks, longest_exclusive, same_but_fillers

words = st.lists(st.integers(0, 4), max_size=14)
texts = st.lists(st.sampled_from("abcd"), max_size=14).map(" ".join)


def subsequence_length(a, b):
    """Length of a longest common subsequence, by the table of prefixes (Wagner and Fischer 1974)."""
    row = [0] * (len(b) + 1)
    for x in a:
        above = row[:]
        for j, y in enumerate(b, start=1):
            row[j] = above[j - 1] + 1 if x == y else max(above[j], row[j - 1])
    return row[-1]


@settings(deadline=None)
@given(words, words)
def test_blocks_are_a_longest_common_subsequence_in_order(a, b):
    blocks = common_blocks(a, b)
    assert sum(length for _, _, length in blocks) == subsequence_length(a, b)
    end_a = end_b = 0
    for number, (start_a, start_b, length) in enumerate(blocks):
        assert length > 0
        assert a[start_a : start_a + length] == b[start_b : start_b + length]
        assert start_a >= end_a
        assert start_b >= end_b
        assert number == 0 or start_a > end_a or start_b > end_b, "blocks that touch in both are one"
        end_a, end_b = start_a + length, start_b + length


@settings(deadline=None)
@given(words, words)
def test_the_longest_exclusive_runs_are_what_the_blocks_leave(a, b):
    left = [set(range(len(a))), set(range(len(b)))]
    for start_a, start_b, length in common_blocks(a, b):
        left[0] -= set(range(start_a, start_a + length))
        left[1] -= set(range(start_b, start_b + length))
    assert longest_exclusive(a, b) == (longest_run(left[0]), longest_run(left[1]))


def longest_run(places):
    longest = run = 0
    for i in range(15):
        run = run + 1 if i in places else 0
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([], [], (0, 0)), ([1, 2], [], (2, 0)), ([1, 2, 3], [1, 9, 9, 3], (1, 2)), ([1, 2], [3, 4, 5], (2, 3))],
)
def test_exclusive_runs_of_small_cases(a, b, expected):
    assert longest_exclusive(a, b) == expected


@settings(deadline=None)
@given(texts, texts, st.integers(1, 8))
@example("b d b b b a b a b c c a a c", "b d a a b a a a a a a a b a c", 6)
@example("a b c c c b b c d b c d", "a d b c d b d a c c c b b", 6)
@example("c b b d d c b b a b", "c b b c a a a d b d b", 6)
def test_sameness_is_symmetric(a, b, ordinary):
    assert same_but_fillers(a, b, ordinary=ordinary) == same_but_fillers(b, a, ordinary=ordinary)


@settings(deadline=None)
@given(texts)
def test_a_text_with_a_word_is_the_same_as_itself_whatever_case_and_numbers(text):
    assert same_but_fillers(f"{text} 5 x", f"{text.upper()}  17, X!", ordinary=1)


@settings(deadline=None)
@given(texts, texts, st.integers(1, 8))
def test_sameness_needs_half_the_words_and_grows_with_what_is_ordinary(a, b, ordinary):
    same = same_but_fillers(a, b, ordinary=ordinary)
    common = subsequence_length(a.split(), b.split())
    if same:
        assert 2 * common > max(len(a.split()), len(b.split()))
        assert same_but_fillers(a, b, ordinary=ordinary + 1)


WRAPPER = (
    "You are an impartial judge who rates {} from one to ten and explains every point {} before the verdict"
)


@pytest.mark.parametrize(
    ("fillers", "others"),
    [
        (("an essay", "in detail"), ("a poem", "briefly")),
        (("", ""), ("one two three", "four five six")),
        (("", "in no more than five words"), ("a poem", "")),
        (("a very old poem", ""), ("the essay", "")),
    ],
)
def test_short_fillers_are_the_same_template(fillers, others):
    assert same_but_fillers(WRAPPER.format(*fillers), WRAPPER.format(*others), ordinary=9)


def test_a_different_sentence_keeps_templates_apart():
    text = WRAPPER.format("an essay", "")
    sentence = "and then write a better version that would earn full marks"
    assert not same_but_fillers(text, f"{text} {sentence}", ordinary=9)
    assert same_but_fillers(text, f"{text} {sentence}", ordinary=20), "unless that much is ordinary"


def test_four_words_on_both_sides_keep_templates_apart_whatever_is_ordinary():
    one, other = (
        WRAPPER.format("the first new essay", ""),
        WRAPPER.format("some other old poem", ""),
    )
    assert not same_but_fillers(one, other, ordinary=1_000)
    three = WRAPPER.format("some other poem", "")
    assert same_but_fillers(one, three, ordinary=1_000)
    assert same_but_fillers(three, one, ordinary=5)
    assert not same_but_fillers(three, one, ordinary=4)


def test_what_is_added_must_be_shorter_than_ordinary():
    text = WRAPPER.format("it", "")
    for added, same in ((5, True), (6, False)):
        assert same_but_fillers(text, f"{text} {'new ' * added}", ordinary=6) is same


def test_texts_that_share_no_more_than_half_are_two():
    assert not same_but_fillers("a b c x y z", "a b c p q r", ordinary=9)
    assert same_but_fillers("a b c d y z", "a b c d q r", ordinary=9)


@pytest.mark.parametrize(("a", "b"), [("", ""), ("", "a"), ("!?", "..."), (BREAK, BREAK)])
def test_without_words_nothing_is_the_same(a, b):
    assert same_but_fillers(a, b, ordinary=9) is False


def test_a_break_is_no_word():
    assert same_but_fillers(f"one two{BREAK}three four", "one two three four", ordinary=1)


def test_enormous_texts_are_compared_by_their_first_words():
    text = random_words(np.random.default_rng(0), 4_000)
    assert same_but_fillers(f"{text} " + "x " * 50_000, f"{text} " + "y " * 50_000, ordinary=2)
    assert not same_but_fillers(" ".join(reversed(text.split())), text, ordinary=9)
