"""The span rule: cuts against plain Python, the law against its closed form, wrappers among language."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_cases import (
    BREAK,
    any_text,
    buffer_of,
    corpus_of,
    plain_counts,
    plain_cut,
    plain_place,
    plain_shingles,
    plain_tokens,
    random_words,
    zipf_words,
)

from embedder import SpanRule, build_views, cut_texts, text_buffer
from embedder.shingles import count_shingles
from embedder.spans import LOWEST_LEVEL, _demanded_run, _run_histogram, fit_rule
from embedder.words import code_point_tables

phrases = st.lists(st.sampled_from(["a", "b", "c,", "(d)", "1", "字", "漢", BREAK]), max_size=20).map(
    " ".join
)


ONE = [[1]] * 3  # a shingle anywhere


def counted(texts, principals, *, min_texts=1):
    """Table of texts, text i sent by ``principals[i]``."""
    order = np.argsort(principals, kind="stable")
    pairs = order.astype(np.int64), np.asarray(principals, np.int32)[order]
    return count_shingles(buffer_of(texts), pairs, min_texts=min_texts)


def plain_table(texts, principals):
    return plain_counts(texts, list(enumerate(principals)), 1)


def rule_of(levels, shortest):
    return SpanRule(np.array(levels, np.int32), np.array(shortest, np.int32))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(phrases, st.integers(0, 5)), min_size=1, max_size=8),
    st.sampled_from([(1,), (2,), (2, 3), (1, 2, 4), (3,)]),
    st.lists(st.lists(st.integers(1, 7), min_size=3, max_size=3), min_size=3, max_size=3),
)
def test_cuts_equal_the_definition(sent, levels, shortest):
    rule = levels, [place[: len(levels)] for place in shortest]
    texts, principals = [text for text, _ in sent], [principal for _, principal in sent]
    skeletons = cut_texts(buffer_of(texts), counted(texts, principals), rule_of(*rule))
    expected = [plain_cut(text, plain_table(texts, principals), *rule) for text in texts]
    assert skeletons.to_list() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_buffer, "_BLOCK_BYTES", 16)
        in_parts = cut_texts(buffer_of(texts), counted(texts, principals), rule_of(*rule))
    assert in_parts.to_list() == expected


@settings(deadline=None, max_examples=50)
@given(any_text)
def test_a_text_that_one_principal_wrote_is_skeleton_from_one_on_and_none_from_two_on(text):
    table = counted([text], [0])
    everything = cut_texts(buffer_of([text]), table, rule_of([1], ONE))
    assert everything.to_list() == [plain_cut(text, plain_table([text], [0]), [1], ONE)]
    assert cut_texts(buffer_of([text]), table, rule_of([2], ONE)).to_list() == [""]


def plain_runs(texts, counts, level):
    """Lengths, by place, of the distinct maximal runs of shingles that ``level`` principals share."""
    found = set()
    for text in texts:
        run, tokens, shingles = [], plain_tokens(text), plain_shingles(text)
        for i, shingle in enumerate([*shingles, None]):
            if shingle and counts.get(shingle, 0) >= level:
                run.append(i)
            elif run:
                found.add((plain_place(tokens, shingles, run), tuple(shingles[j] for j in run)))
                run = []
    return Counter((place, min(len(run), 64)) for place, run in found)


def test_runs_are_counted_once_each_by_level_and_length():
    rng = np.random.default_rng(2)
    texts = [random_words(rng, 25, vocabulary=3) for _ in range(40)] + [random_words(rng, 90, first=10)] * 2
    principals = [*(i % 9 for i in range(40)), 20, 21]
    table, buffer, levels = counted(texts, principals), buffer_of(texts), [1, 2, 4]
    found = _run_histogram(
        buffer.data,
        buffer.offsets,
        np.arange(len(texts)),
        table.n_principals,
        np.array(levels, np.int32),
        code_point_tables(),
        buffer.longest,
    )
    counts = plain_table(texts, principals)
    for number, level in enumerate(levels):
        places, lengths = np.nonzero(found[:, number])
        there = found[places, number, lengths].tolist()
        assert dict(
            zip(zip(places.tolist(), lengths.tolist(), strict=True), there, strict=True)
        ) == plain_runs(texts, counts, level)
    assert found[1, 0, 64] == 1, "the two copies of the long text are one run"


@pytest.mark.parametrize("rho", [0.15, 0.3, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("accepted", [0.5, 20.0, 3_000.0])
def test_the_demanded_run_is_where_a_geometric_law_becomes_rare(rho, accepted):
    runs = np.round(1e7 * rho ** np.arange(65)).astype(np.int64)
    runs[30:] += 500  # wrappers: they must not be taken for language
    expected = 1
    while 1e7 * rho**expected / (1 - rho) > accepted:  # runs of at least that many shingles
        expected += 1
    assert _demanded_run(runs, accepted) == pytest.approx(max(2, expected), abs=1)


def test_no_language_at_all_still_demands_more_than_a_shingle():
    assert _demanded_run(np.zeros(65, np.int64), 1.0) >= 4
    assert _demanded_run(np.zeros(65, np.int64), 1e9) == 2


def wrapped(rng, wrapper, n, *, n_payload=15):
    """So many texts with the wrapper at the head, at the tail or around a payload."""
    half = len(wrapper.split()) // 2
    first, second = " ".join(wrapper.split()[:half]), " ".join(wrapper.split()[half:])
    payloads = [random_words(rng, n_payload) for _ in range(n)]
    heads = [f"{wrapper} {payload}" for payload in payloads[::2]]
    return heads + [f"{payload} {wrapper}" for payload in payloads[1::2]], (first, second)


@pytest.mark.parametrize("n_organic", [0, 300, 5_000])
def test_a_wrapper_of_fourteen_words_by_thirty_principals_is_skeleton(n_organic):
    rng = np.random.default_rng(1)
    wrapper = random_words(rng, 14, first=60_000)
    texts, _ = wrapped(rng, wrapper, 30)
    organic = [random_words(rng, 20) for _ in range(n_organic)]
    views = build_views(*corpus_of(texts + organic))
    assert views.skeleton.to_list() == [wrapper] * 30 + [""] * n_organic


@pytest.mark.parametrize(
    ("n_texts", "n_principals", "n_copies"),
    [(30, 1, 1), (9, 9, 1), (1, 60, 60)],
    ids=["one principal", "too few texts", "one text of many principals"],
)
def test_what_no_pool_sends_around_many_payloads_is_no_skeleton(n_texts, n_principals, n_copies):
    rng = np.random.default_rng(4)
    wrapper = random_words(rng, 20, first=60_000)
    texts = [f"{wrapper} {random_words(rng, 20)}" for _ in range(n_texts)]
    organic = [random_words(rng, 20) for _ in range(300)]
    whole, _ = corpus_of(texts + organic)
    senders = [i % n_principals for i in range(n_texts * n_copies)]
    rows = [i // n_copies for i in range(n_texts * n_copies)]
    requests = pl.DataFrame(
        {
            "prompt_row": rows + list(range(n_texts, n_texts + 300)),
            "principal_row": senders + list(range(100, 400)),
        }
    )
    views = build_views(whole, requests)
    assert views.skeleton.to_list() == [""] * len(whole)


def test_the_least_number_of_principals_is_enough_for_a_long_wrapper():
    rng = np.random.default_rng(4)
    wrapper = random_words(rng, 20, first=60_000)
    texts = [f"{wrapper} {random_words(rng, 20)}" for _ in range(30)]
    views = build_views(*corpus_of(texts, [i % LOWEST_LEVEL for i in range(30)]))
    assert views.skeleton.to_list() == [wrapper] * 30


@pytest.mark.parametrize("n_texts", [1_000, 6_000])
@pytest.mark.parametrize("exponent", [0.7, 0.9, 1.2])
@pytest.mark.parametrize("mixing", [0.2, 0.4])
def test_ordinary_language_seldom_passes_for_a_skeleton(n_texts, exponent, mixing):
    texts = zipf_words(np.random.default_rng(n_texts), n_texts, exponent=exponent, mixing=mixing)
    whole, requests = corpus_of(texts)
    views = build_views(whole, requests)
    share = (views.skeleton.lengths > 0).mean()
    assert share <= 0.01 * len(views.rule.levels)
    loose = rule_of(views.rule.levels, np.full((3, len(views.rule.levels)), 2))
    shared = (cut_texts(whole, views.table, loose).lengths > 0).mean()
    if n_texts == 6_000:
        assert shared > 0.05, "the language does share phrases: the rule has something to refuse"


def demanded(n_texts, *, exponent=0.8, mixing=0.4, seed=0):
    """Longest run demanded at the lowest level."""
    texts = zipf_words(np.random.default_rng(seed), n_texts, exponent=exponent, mixing=mixing)
    return int(build_views(*corpus_of(texts)).rule.shortest_run[0, 0])


def test_more_traffic_demands_longer_runs():
    runs = [demanded(n) for n in (2_000, 8_000, 32_000)]
    assert runs[0] < runs[1] < runs[2]


def test_more_uniform_language_demands_longer_runs():
    by_followers = [demanded(4_000, mixing=mixing) for mixing in (0.6, 0.35, 0.15)]
    by_words = [demanded(4_000, exponent=exponent) for exponent in (0.5, 0.8, 1.1)]
    assert by_followers[0] < by_followers[1] < by_followers[2]
    assert by_words[0] < by_words[1] < by_words[2]


def test_a_wrapper_stands_out_of_ordinary_language():
    rng = np.random.default_rng(8)
    organic = zipf_words(rng, 4_000, exponent=0.7, mixing=0.5)
    wrapper = zipf_words(rng, 1, exponent=0.7, mixing=0.5, n_words=40)[0]
    views = build_views(*corpus_of([f"{wrapper} {text}" for text in organic[:30]] + organic[30:]))
    skeletons = views.skeleton.to_series()
    assert skeletons[:30].str.starts_with(wrapper).all()
    assert (skeletons[:30].str.len_chars() <= len(wrapper) + 20).mean() >= 0.9
    assert (skeletons[30:] != "").mean() <= 0.01 * len(views.rule.levels)


def test_the_law_is_fitted_to_what_one_principal_wrote():
    rng = np.random.default_rng(9)
    texts = zipf_words(rng, 3_000, exponent=0.7, mixing=0.5)
    texts += zipf_words(rng, 1_000, exponent=0.9, mixing=0.2)  # popular: two principals sent each
    whole, requests = corpus_of(texts)
    again = requests[3_000:].with_columns(pl.col("principal_row") + 1_000)
    views = build_views(whole, pl.concat([requests, again]))
    own = fit_rule(whole, np.arange(3_000), views.table)
    everything = fit_rule(whole, np.arange(4_000), views.table)
    assert views.rule.shortest_run.tolist() == own.shortest_run.tolist()
    assert own.shortest_run[0, 0] < everything.shortest_run[0, 0]


def test_a_rule_asks_no_longer_run_of_more_principals_and_names_its_longest():
    texts = zipf_words(np.random.default_rng(3), 4_000)
    rule = build_views(*corpus_of(texts)).rule
    assert rule.levels[0] == LOWEST_LEVEL
    assert (rule.levels[1:] == 2 * rule.levels[:-1]).all()
    assert (np.diff(rule.shortest_run) <= 0).all()
    assert rule.shortest_run.min() >= 2
    assert rule.ordinary_words == rule.shortest_run.max() + 3


def test_levels_stay_clear_of_collisions():
    texts = [random_words(np.random.default_rng(i), 30) for i in range(8_000)]
    buffer = buffer_of(texts)
    everyone = np.arange(len(texts))
    table = count_shingles(buffer, (everyone, everyone.astype(np.int32)), min_texts=1, memory=8 << 16)
    rule = fit_rule(buffer, everyone, table)
    assert rule.levels[0] >= 3 * table.expected_collisions > LOWEST_LEVEL
    skeletons = cut_texts(buffer, table, rule)
    assert (skeletons.lengths > 0).mean() <= 0.01 * len(rule.levels)


@pytest.mark.parametrize("texts", [[], [""], ["one"], ["the same five words here"] * 3])
def test_a_rule_can_be_fitted_to_hardly_anything(texts):
    views = build_views(*corpus_of(texts))
    assert views.skeleton.to_list() == [""] * len(texts)
