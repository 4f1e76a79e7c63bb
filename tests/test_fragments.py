"""Fragments of one template joined, strays attached, strangers left alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from text_cases import buffer_of, random_words

from clustering.alignment import same_but_fillers
from clustering.fragments import NEAR, attach_strays, commonest, join_fragments
from embedder import lexical_vectors
from index import knn_graph

RNG = np.random.default_rng(0)
HEAD, TAIL = random_words(RNG, 9), random_words(RNG, 9)
OTHER = random_words(RNG, 18)
SENTENCE = random_words(RNG, 10)
ORDINARY = 9


def variant(filler):
    return f"{HEAD} {filler} {TAIL}"


def table(skeletons, weights=None):
    """Distinct skeletons, row i carried by prompt i."""
    weights = [20] * len(skeletons) if weights is None else weights
    return pl.DataFrame({"skeleton": skeletons, "weight": weights, "row": range(len(skeletons))})


def join(skeletons, labels, *, whole=None, weights=None):
    vectors = lexical_vectors(buffer_of(skeletons))
    whole = [f"{text} {random_words(RNG, 20)}" for text in skeletons] if whole is None else whole
    return join_fragments(
        np.array(labels, np.int64), vectors, table(skeletons, weights), buffer_of(whole), ordinary=ORDINARY
    ).tolist()


def attach(skeletons, labels, *, k=3):
    vectors = lexical_vectors(buffer_of(skeletons))
    graph = knn_graph(vectors, k, seed=0, threads=1)
    before = np.array(labels, np.int64), np.where(np.array(labels) >= 0, 1, 0).astype(np.float32)
    after = attach_strays(before, graph, table(skeletons), ordinary=ORDINARY)
    assert before[0].tolist() == labels, "the caller's arrays stay as they are"
    return after[0].tolist(), after[1].tolist()


def test_clusters_that_differ_in_a_filler_are_one_under_the_smallest_number():
    skeletons = [variant("red"), OTHER, variant("two words"), variant("")]
    assert join(skeletons, [0, 1, 2, 3]) == [0, 1, 0, 0]
    assert join(skeletons, [3, 2, 1, 0]) == [0, 2, 0, 0]


def test_clusters_that_differ_in_a_sentence_stay_two():
    skeletons = [variant("red"), f"{variant('red')} {SENTENCE}", OTHER]
    whole = [f"{skeleton} {i}" for i, skeleton in enumerate(skeletons)]
    assert join(skeletons, [0, 1, 2], whole=whole) == [0, 1, 2]


def test_the_prompts_that_carry_them_join_skeletons_that_were_cut_short():
    skeletons = [HEAD, f"{HEAD} {TAIL}"]
    assert join(skeletons, [0, 1], whole=[variant("a"), variant("b")]) == [0, 0]
    assert join(skeletons, [0, 1], whole=[HEAD, f"{HEAD} {TAIL}"]) == [0, 1], "nine words are a sentence"


def test_skeletons_far_apart_are_not_compared():
    assert join([HEAD, OTHER], [0, 1], whole=[variant("a"), variant("b")]) == [0, 1]


def test_noise_stays_noise_and_all_members_move_along():
    skeletons = [variant("red"), variant("deep red"), variant("blue"), OTHER, variant("green")]
    weights = [50, 1, 50, 50, 50]
    assert join(skeletons, [0, 0, 1, 2, -1], weights=weights) == [0, 0, 0, 2, -1]
    assert join(skeletons, [1, 1, 0, 2, -1], weights=weights) == [0, 0, 0, 2, -1]


def test_clusters_join_through_others():
    words = TAIL.split()
    chain = [f"{HEAD} {' '.join(words[i : i + 6])}" for i in (0, 2)]
    chain.insert(1, f"{HEAD} {' '.join(words[:8])}")
    assert join(chain, [0, 1, 2], whole=["a", "b", "c"]) == [0, 0, 0]


@pytest.mark.parametrize("labels", [[], [0], [-1, -1], [0, 0], [-1, 0]])
def test_fewer_than_two_clusters_have_nothing_to_join(labels):
    skeletons = [variant("red"), variant("blue")][: len(labels)]
    assert join(skeletons, labels) == labels


def test_more_clusters_than_are_compared_find_their_fragments():
    skeletons = sorted(variant(f"{random_words(RNG, 1)}") for _ in range(30))
    skeletons += [random_words(RNG, 18) for _ in range(30)]
    labels = join(skeletons, list(range(60)))
    assert labels == [0] * 30 + list(range(30, 60))


def test_a_stray_of_the_template_is_attached_as_strongly_as_it_is_near():
    skeletons = [variant("red"), variant("blue"), OTHER, f"{variant('green')} too"]
    labels, strengths = attach(skeletons, [0, 0, 1, -1])
    assert labels == [0, 0, 1, 0]
    vectors = lexical_vectors(buffer_of(skeletons))
    similarity = max(float(vectors[3] @ vectors[i]) for i in (0, 1))
    assert strengths == [1, 1, 1, pytest.approx(similarity, abs=1e-5)]
    assert strengths[3] >= 1 - NEAR


@pytest.mark.parametrize(
    "stray",
    [random_words(RNG, 18), f"{variant('red')} {SENTENCE}", f"{HEAD} {SENTENCE}"],
    ids=["far", "a sentence more", "half of it"],
)
def test_a_stray_of_another_template_stays_noise(stray):
    labels, strengths = attach([variant("red"), OTHER, stray], [0, 1, -1])
    assert labels == [0, 1, -1]
    assert strengths == [1, 1, 0]


def test_a_stray_beyond_the_farthest_is_not_compared():
    words = f"{HEAD} {TAIL}".split()
    stray = " ".join(f"x{i}" if i % 3 == 2 else word for i, word in enumerate(words))
    assert same_but_fillers(f"{HEAD} {TAIL}", stray, ordinary=ORDINARY)
    assert attach([f"{HEAD} {TAIL}", OTHER, stray], [0, 1, -1])[0] == [0, 1, -1]


def test_a_stray_looks_past_other_strays_but_not_past_its_nearest_cluster():
    skeletons = [variant("red"), variant("green one"), variant("green two"), OTHER]
    labels, _ = attach(skeletons, [0, -1, -1, 1])
    assert labels == [0, 0, 0, 1]


def test_strays_without_clusters_or_neighbours_stay():
    assert attach([variant("red"), variant("blue")], [-1, -1])[0] == [-1, -1]
    assert attach([variant("red")], [-1])[0] == [-1]
    assert attach([], [])[0] == []


def test_the_commonest_is_the_heaviest_ties_by_text():
    frame = table(["b", "a", "d", "c"], [3, 3, 9, 1])
    assert commonest(frame, np.array([0, 0, -1, 2])).rows() == [(0, "a", 3, 1, 1), (2, "c", 1, 3, 3)]
