"""People's language at scale: what strangers share stays short, new words keep coming, habits stay."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.simulation import SimulationSettings, simulate
from clustering.simulation.accounts import make_people, make_world
from clustering.simulation.coinage import coin, make_coinage, spelled
from clustering.simulation.filling import fill
from clustering.simulation.grammar import LANGUAGES, make_grammar, read_language
from clustering.simulation.organic import fill_own
from embedder.shingles import count_shingles
from embedder.spans import fit_rule
from embedder.text_buffer import to_buffer

NOTHING = SimulationSettings(campaigns=(), lookalikes=())
SYLLABLES = [["Bar", "Lin", "Mor", "Tan"], ["e", "a", "o"], ["berg", "son", "ley", "vik", "dal"]]


@cache
def people_write(n: int) -> pl.DataFrame:
    frame = simulate(replace(NOTHING, n_requests=n), seed=0).requests
    return frame.select("prompt", principal=pl.coalesce("org_id", "account_id"))


def shortest_runs(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What the span rule demands of a wrapper among these people: levels, and the most of all places."""
    texts = frame["prompt"].unique(maintain_order=True)
    pairs = (
        frame.unique()
        .join(pl.DataFrame({"prompt": texts, "text": np.arange(len(texts))}), on="prompt")
        .with_columns(principal=pl.col("principal").rank("dense").cast(pl.Int32))
        .sort("principal", "text")
    )
    rows = pairs["text"].to_numpy()
    buffer = to_buffer(texts)
    table = count_shingles(buffer, (rows, pairs["principal"].to_numpy()), min_texts=10)
    rule = fit_rule(buffer, np.flatnonzero(np.bincount(rows) == 1), table)
    return rule.levels, rule.shortest_run.max(axis=0)


def words_of(prompt: str) -> list[str]:
    return prompt.lower().split()


def test_runs_that_strangers_share_stay_short_as_the_log_grows() -> None:
    """With phrase lists alone a log of 5,000 demands runs of 6, and one of 40,000 runs of 9."""
    for n in (5_000, 40_000):
        _, demanded = shortest_runs(people_write(n))
        assert demanded.max() <= 5, n
        assert demanded[-1] <= 4, n


def test_strangers_share_few_runs_of_five_words_but_do_share_some() -> None:
    one_each = people_write(40_000).unique("principal", maintain_order=True)["prompt"].to_list()
    assert len(one_each) > 4_000
    strangers: Counter[tuple[str, ...]] = Counter()
    for prompt in one_each:
        words = words_of(prompt)
        strangers.update({tuple(words[k : k + 5]) for k in range(len(words) - 4)})
    shared = sum(count for count in strangers.values() if count > 1) / strangers.total()
    assert 0.01 < shared < 0.12  # of real prompts 0.03 to 0.1, growing with their number


def test_new_words_keep_coming() -> None:
    """Heaps' law: the vocabulary grows as a power of the text, with an exponent well above 0.4."""
    prompts = people_write(40_000)["prompt"].to_list()
    seen: set[str] = set()
    total, sizes = 0, []
    for prompt in prompts:
        words = words_of(prompt)
        total += len(words)
        seen.update(words)
        sizes.append((total, len(seen)))
    (early, few), (late, many) = sizes[len(sizes) // 8], sizes[-1]
    assert np.log(many / few) / np.log(late / early) > 0.5


def test_popular_words_and_greetings_stay_popular() -> None:
    prompts = people_write(40_000)["prompt"].str.to_lowercase().str.strip_chars_end(".?!")
    counts = prompts.value_counts(sort=True)
    assert counts["count"][0] > 40
    assert {"hi", "hello", "thanks"} <= set(counts["prompt"].head(40))
    words = prompts.str.split(" ").explode().value_counts(sort=True)["count"].to_numpy()
    ranks = np.arange(1, len(words) + 1)
    middle = slice(10, 2_000)
    slope = np.polyfit(np.log(ranks[middle]), np.log(words[middle]), 1)[0]
    assert -1.4 < slope < -0.7  # Zipf's law


@pytest.mark.parametrize(
    ("language", "pattern"),
    [
        ("zh", r"[\u4e00-\u9fff]"),
        ("ja", r"[\u3040-\u30ff]"),
        ("ar", r"[\u0600-\u06ff]"),
        ("es", r"¿|ñ|ía|ción| el | la "),
        ("de", r"[äöüß]| ein | mein | ist"),
        ("fr", r"[éèêà]| le | la | de "),
        ("en", r" (the|my|a|in|for|this|is|do|how) "),
    ],
)
def test_every_language_is_itself(language: str, pattern: str) -> None:
    for grammar in read_language(language).values():
        texts = pl.Series([" " + text for text in fill(grammar, "prompt", 200, rng=np.random.default_rng(0))])
        assert texts.str.contains(pattern).mean() > 0.5  # type: ignore[operator]
        assert texts.n_unique() > 180
    assert language in LANGUAGES


def test_a_person_has_words_that_come_again() -> None:
    world = make_world(replace(NOTHING, languages=("en",)))
    rng = np.random.default_rng(0)
    people = make_people(world, 60, rng=rng)
    names = fill_own(world, people, np.repeat(np.arange(60), 40), "surname", rng=rng).reshape(60, 40)
    own = np.mean([len(set(row)) for row in names.tolist()])
    mixed = np.mean([len(set(row)) for row in names.T.reshape(60, 40).tolist()])
    assert own < 0.9 * mixed


@given(seed=st.integers(0, 1000), n=st.integers(0, 300))
@settings(max_examples=30, deadline=None)
def test_coined_words_are_of_the_parts_and_of_the_seed(seed: int, n: int) -> None:
    coinage = make_coinage("surname", SYLLABLES)
    shift = np.random.default_rng(seed).integers(0, 3, n)
    first, again = (coin(coinage, shift, rng=np.random.default_rng(seed)).tolist() for _ in range(2))
    assert first == again
    assert len(first) == n
    for word in first:
        assert word.startswith(tuple(SYLLABLES[0]))
        assert word.endswith(tuple(SYLLABLES[2]))


def test_every_rank_is_a_word_of_its_own_and_short_ones_come_first() -> None:
    coinage = make_coinage("surname", SYLLABLES)
    words = spelled(coinage, np.arange(coinage.n_words)).tolist()
    assert coinage.n_words == 4 * 5 * (1 + 3 + 9) == len(set(words))
    assert set(words[:20]) == {first + last for first in SYLLABLES[0] for last in SYLLABLES[2]}
    assert len({word[:3] for word in words[:4]}) == 4
    doubled = make_coinage("compound", [["tea ", "sea "], ["bag", "box"]])
    assert "tea sea box" in spelled(doubled, np.arange(doubled.n_words)).tolist()


def test_coined_words_follow_heaps_law() -> None:
    many = [[f"{letter}{k}" for k in range(40)] for letter in "abc"]
    coinage = make_coinage("word", many)
    nobody = np.zeros(100_000, dtype=np.int64)
    words = coin(coinage, nobody, rng=np.random.default_rng(0)).tolist()
    exponent = np.log(len(set(words)) / len(set(words[:5_000]))) / np.log(20)
    assert 0.55 < exponent < 0.75  # 5/8, and more while the flat head fills
    assert max(Counter(words).values()) > 1_000


def test_slots_inside_each_other_and_empty_parts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"contain each other: .*take one out"):
        make_grammar({"a": ["x {b}"], "b": ["y", "{a}"]})
    with pytest.raises(ValueError, match=r"'word' coins words of \[2, 0\] parts"):
        make_grammar({"word": [["a", "b"], []]})
    with pytest.raises(ValueError, match="'word' coins words"):
        make_grammar({"word": [["a", "b"]]})


def test_a_slot_in_many_places_is_filled_in_each() -> None:
    grammar = make_grammar(
        {
            "all": ["{pair}, {pair}", "{word}!"],
            "pair": ["{word}+{word}", "{digit}"],
            "word": [["A", "B"], ["x"], ["1", "2"]],
            "digit": ["7", "8"],
        }
    )
    texts = pl.Series(fill(grammar, "all", 2_000, rng=np.random.default_rng(0)).tolist())
    word = r"[AB]x?x?[12]"
    pair = rf"({word}\+{word}|[78])"
    assert texts.str.contains(rf"^({pair}, {pair}|{word}!)$").all()
    assert fill(grammar, "all", 0, rng=np.random.default_rng(0)).tolist() == []
