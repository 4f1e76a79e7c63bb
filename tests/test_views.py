"""Views: windows, parts, round trips, and a text alone against the same in a batch."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from text_cases import BREAK, corpus_of, plain_shingles, plain_tokens, random_words

from embedder import build_views, cut_texts, whole_texts
from embedder.views import WINDOW_CHARS

EDGE = 4_096


def whole_of(text, system=""):
    return whole_texts(pl.Series([system], dtype=pl.String), pl.Series([text], dtype=pl.String))[0]


@pytest.mark.parametrize("n", [0, 1, WINDOW_CHARS - 1, WINDOW_CHARS])
def test_a_short_prompt_is_seen_whole(n):
    text = ("äb " * WINDOW_CHARS)[:n]
    assert whole_of(text) == text


def test_a_break_inside_a_text_is_no_break():
    assert whole_of(f"one two{BREAK}three") == "one two three"


def test_a_prompt_of_one_character_too_many_loses_that_character():
    text = "".join(chr(0x4E00 + i % 20_000) for i in range(WINDOW_CHARS + 1))
    windows = whole_of(text).split(BREAK)
    assert len(windows) == 10
    assert len(set(text) - set("".join(windows))) == 1
    assert windows[0] == text[:EDGE]
    assert windows[-1] == text[-EDGE:]
    assert windows[1] == text[EDGE : EDGE + 1024]
    assert windows[-2] == text[-EDGE - 1024 : -EDGE]


def test_windows_of_five_megabytes_are_head_tail_and_an_even_spread():
    names = np.array([f"{i:07d}" for i in range(640_000)])
    text = " ".join(names)
    started = time.perf_counter()
    whole = whole_of(text)
    seconds = time.perf_counter() - started
    windows = whole.split(BREAK)
    assert len(text) > 5_000_000
    assert len(whole) == WINDOW_CHARS + 9
    assert text.startswith(windows[0])
    assert text.endswith(windows[-1])
    assert {len(window) for window in windows[1:-1]} == {1_024}
    places = [text.index(window) for window in windows]
    steps = np.diff(places[1:-1])
    assert places == sorted(places)
    assert steps.max() - steps.min() <= 1
    assert places[1] == EDGE
    assert places[-2] == len(text) - EDGE - 1_024
    assert seconds < 2


def test_windows_count_characters_not_bytes():
    text = "漢" * 100_000
    assert len(whole_of(text)) == WINDOW_CHARS + 9
    assert set(whole_of(text)) == {"漢", BREAK}


@pytest.mark.parametrize("place", ["head", "tail"])
def test_a_wrapper_at_either_end_of_enormous_prompts_is_seen(place):
    rng = np.random.default_rng(0)
    wrapper = random_words(rng, 20, first=60_000)
    blocks = [" ".join([random_words(rng, 200)] * 400) for _ in range(12)]
    texts = [f"{wrapper} {block}" if place == "head" else f"{block} {wrapper}" for block in blocks]
    assert min(len(text) for text in texts) > 300_000
    whole, requests = corpus_of(texts)
    assert [text.count(wrapper) for text in whole.to_list()] == [1] * 12
    assert build_views(whole, requests).skeleton.to_list() == [wrapper] * 12


def test_no_shingle_reaches_from_the_system_prompt_into_the_prompt():
    whole = whole_of("three four five", system="one two")
    assert whole == f"one two{BREAK}three four five"
    assert set(plain_shingles(whole)) == {None}
    rng = np.random.default_rng(0)
    ends, starts = random_words(rng, 3, first=60_000), random_words(rng, 3, first=70_000)
    systems = [f"{random_words(rng, 9)} {ends}" for _ in range(30)]
    texts = [f"{starts} {random_words(rng, 9)}" for _ in range(30)]
    apart = build_views(*corpus_of(texts, systems=systems))
    joined = build_views(*corpus_of([f"{s} {t}" for s, t in zip(systems, texts, strict=True)]))
    assert apart.table.n_principals.max() == 0
    assert joined.table.n_principals.max() == 30


def test_a_shared_system_prompt_is_skeleton_and_the_prompts_are_not():
    rng = np.random.default_rng(1)
    system = random_words(rng, 25, first=60_000)
    texts = [random_words(rng, 15) for _ in range(40)]
    whole, requests = corpus_of(texts, systems=[system] * 40)
    assert build_views(whole, requests).skeleton.to_list() == [system] * 40
    assert whole.to_list() == [f"{system}{BREAK}{text}" for text in texts]


def test_without_a_system_prompt_the_whole_is_the_prompt():
    assert whole_of("just this") == "just this"
    assert whole_of("", system="rules") == f"rules{BREAK}"
    assert whole_of("") == ""


WRAPPERS = {
    "Chinese": "请根据以下评分标准逐步推理并给出一个从一到十的分数然后用标签包裹你的完整思考过程",
    "Japanese": "次の文章を読んで、推論の過程をすべてタグの中に書き出してから最終的な答えを示してください",
    "Thai": "โปรดอธิบายเหตุผลของคุณทีละขั้นตอนก่อนที่จะให้คำตอบสุดท้าย",
    "Arabic": "اكتب سلسلة التفكير الكاملة خطوة بخطوة داخل الوسوم ثم اذكر الجواب النهائي وحده في السطر الأخير",
    "Korean": "답하기 전에 모든 추론 과정을 태그 안에 자세히 적고 마지막 줄에 최종 답만 한 번 적어 주세요",
    "emoji": "🙏 please 🧠 write 📝 your whole 🤔 reasoning inside tags ✅ before the one answer 🔚 below",
}


@pytest.mark.parametrize("language", WRAPPERS)
def test_a_wrapper_in_any_script_is_skeleton(language):
    wrapper, rng = WRAPPERS[language], np.random.default_rng(0)
    texts = [f"{wrapper}: {random_words(rng, 12)}" for _ in range(30)]
    views = build_views(*corpus_of(texts + [random_words(rng, 12) for _ in range(100)]))
    start, end = plain_tokens(wrapper)[0][1], plain_tokens(wrapper)[-1][2]
    assert views.skeleton.to_list() == [wrapper[start:end]] * 30 + [""] * 100


@pytest.fixture(scope="module")
def mixed():
    """Wrapped, organic, empty, enormous and foreign prompts; their views; the wrapper."""
    rng = np.random.default_rng(5)
    wrapper = random_words(rng, 16, first=60_000)
    texts = [f"{wrapper} {random_words(rng, 8)}" for _ in range(40)]
    texts += [f"{random_words(rng, 10)} {wrapper}" for _ in range(10)]
    texts += [random_words(rng, 12) for _ in range(60)] + [
        "",
        "😀",
        "漢字仮名",
        f"{random_words(rng, 9_000)} {wrapper}",
    ]
    whole, requests = corpus_of(texts)
    return whole, build_views(whole, requests), wrapper


def test_a_text_alone_is_cut_as_in_a_batch(mixed):
    whole, views, _ = mixed
    skeletons = views.skeleton.to_list()
    assert cut_texts(whole, views.table, views.rule).to_list() == skeletons
    for row, skeleton in enumerate(skeletons):
        alone = cut_texts(whole.take(np.array([row])), views.table, views.rule)
        assert alone.to_list() == [skeleton]
    assert (views.skeleton.lengths > 0).sum() == 51


def test_a_skeleton_holds_the_words_of_the_wrapper_and_no_other(mixed):
    whole, views, wrapper = mixed
    for text, skeleton in zip(whole.to_list(), views.skeleton.to_list(), strict=True):
        inside = plain_tokens(wrapper) if wrapper in text else []
        assert [word for word, *_ in plain_tokens(skeleton)] == [word for word, *_ in inside]


def test_the_order_of_requests_and_their_number_do_not_matter(mixed):
    texts = [text.replace(BREAK, " ") for text in mixed[0].to_list()]
    whole, requests = corpus_of(texts, [i % 45 for i in range(len(texts))])
    one = build_views(whole, requests)
    more = pl.concat([requests.sample(fraction=1.0, shuffle=True, seed=3), requests, requests[:30]])
    other = build_views(whole, more)
    assert one.skeleton.to_list() == other.skeleton.to_list()
    assert one.skeleton.longest > 0
    np.testing.assert_array_equal(one.table.n_principals, other.table.n_principals)
    np.testing.assert_array_equal(one.rule.shortest_run, other.rule.shortest_run)


def test_the_order_of_prompts_moves_their_views(mixed):
    texts = [text.replace(BREAK, " ") for text in mixed[0].to_list()]
    order = np.random.default_rng(0).permutation(len(texts))
    one = build_views(*corpus_of(texts, np.arange(len(texts))))
    other = build_views(*corpus_of([texts[i] for i in order], order))
    assert one.skeleton.take(order).to_list() == other.skeleton.to_list()
    assert one.skeleton.longest > 0


@pytest.mark.parametrize("texts", [[], [""], ["", "x"], ["the same"] * 3])
def test_hardly_anything_has_views(texts):
    whole, requests = corpus_of(texts)
    assert whole.to_list() == texts
    assert build_views(whole, requests).skeleton.to_list() == [""] * len(texts)
