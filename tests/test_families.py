"""Families of planted prompts: wrappers around noise, themes without one, prompts sent again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from checks import check_families, partition
from text_cases import corpus_of, random_words

from clustering.families import FamilySettings, _family_id, find_families
from embedder import build_views, load_encoder

SETTINGS = FamilySettings(threads=1)
DIM = 64


@dataclass
class Case:
    """Prompts with what is true of them: a name of the family, or None."""

    texts: list
    truth: list
    vectors: list
    weights: list

    def add(self, texts, name, vectors, weights=None):
        self.texts += texts
        self.truth += [name] * len(texts)
        self.vectors += list(vectors)
        self.weights += [1] * len(texts) if weights is None else weights


def directions(rng, n, *, around=None, spread=1.0):
    """Random unit vectors; about ``around``, at a cosine distance of about spread**2 / 2."""
    rows = rng.normal(size=(n, DIM)) / np.sqrt(DIM) * spread
    rows = rows if around is None else rows + around
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def add_noise(case, rng, n):
    case.add([random_words(rng, 18) for _ in range(n)], None, directions(rng, n))


def add_wrapper(case, rng, name, n, *, wrapper=None, weights=None):
    wrapper = random_words(rng, 16, first=60_000) if wrapper is None else wrapper
    case.add([f"{wrapper} {random_words(rng, 14)}" for _ in range(n)], name, directions(rng, n), weights)


def add_theme(case, rng, name, n, *, spread=0.5, weights=None):
    centre = directions(rng, 1)
    near = directions(rng, n, around=centre, spread=spread)
    case.add([random_words(rng, 18) for _ in range(n)], name, near, weights)


def mixed_case(seed=0, *, n_noise=500):
    rng, case = np.random.default_rng(seed), Case([], [], [], [])
    for i, n in enumerate((30, 45, 80, 200)):
        add_wrapper(case, rng, f"wrapper {i}", n)
    for i, n in enumerate((40, 60, 90)):
        add_theme(case, rng, f"theme {i}", n)
    add_noise(case, rng, n_noise)
    return case


def prompts_of(texts, weights):
    """The columns that families are found from; a prompt's text is its id."""
    schema = {"prompt_id": pl.String, "n_requests": pl.Int64}
    return pl.DataFrame({"prompt_id": texts, "n_requests": weights}, schema=schema)


def find(case, *, order=None, settings=SETTINGS):
    """Families in the order of prompt ids (or the one given), checked; with truth in the same order."""
    order = np.argsort(np.array(case.texts, dtype=object)) if order is None else order
    texts, weights = [case.texts[i] for i in order], [case.weights[i] for i in order]
    vectors = np.array([case.vectors[i] for i in order], np.float32).reshape(len(order), DIM)
    whole, requests = corpus_of(texts, weights=weights)
    views, asked = build_views(whole, requests), []
    prompts = prompts_of(texts, weights)

    def embed_rows(rows):
        asked.append(rows)
        return vectors[rows]

    families = find_families(prompts, whole, views, embed_rows, settings=settings)
    check_families(families, prompts, views, settings)
    assert len(asked) == 1
    np.testing.assert_array_equal(asked[0], families.whole.rows)
    return families, np.array([case.truth[i] for i in order], dtype=object), texts


def f1_of(labels, truth, name):
    """F1 of the family that covers a planted one best."""
    members = truth == name
    found = [labels == label for label in set(labels[members].tolist()) - {-1}]
    return max((2 * (members & f).sum() / (members.sum() + f.sum()) for f in found), default=0.0)


@pytest.mark.parametrize("seed", range(3))
def test_planted_families_are_found_in_both_views(seed):
    families, truth, _ = find(mixed_case(seed))
    for name in sorted(set(truth) - {None}):
        assert f1_of(families.labels, truth, name) >= (1 if name.startswith("wrapper") else 0.85), name
    for name, view in (("wrapper", 0), ("theme", 1)):
        own = [families.labels[i] for i in range(len(truth)) if (truth[i] or "").startswith(name)]
        placed = np.array([label for label in own if label >= 0])
        assert (families.views[placed] == view).all()
    assert (families.labels[truth == None] >= 0).mean() <= 0.1  # noqa: E711
    assert len(families.ids) == 7


@pytest.mark.parametrize("n_noise", [0, 300])
@pytest.mark.parametrize(("n", "views"), [(19, []), (20, [0]), (100, [0])])
def test_one_wrapper_alone_in_the_log_is_a_family(n, views, n_noise):
    rng, case = np.random.default_rng(0), Case([], [], [], [])
    add_wrapper(case, rng, "only", n)
    add_noise(case, rng, n_noise)
    families, truth, _ = find(case)
    assert families.views.tolist() == views
    assert f1_of(families.labels, truth, "only") == len(views)


def test_a_shared_skeleton_wins_over_nearness_in_meaning():
    rng, case = np.random.default_rng(1), Case([], [], [], [])
    add_wrapper(case, rng, "one", 40)
    add_wrapper(case, rng, "other", 40)
    add_theme(case, rng, "theme", 40)
    add_theme(case, rng, "second theme", 40)
    case.vectors[:40] = directions(
        rng, 40, around=case.vectors[85], spread=0.3
    )  # they say what the theme says
    case.vectors[40:80] = directions(rng, 40, around=case.vectors[85], spread=0.3)
    add_noise(case, rng, 200)
    families, truth, _ = find(case)
    for name in ("one", "other"):
        assert f1_of(families.labels, truth, name) == 1
    assert f1_of(families.labels, truth, "theme") >= 0.9
    assert len(families.whole.labels) == 280, "prompts placed by their skeletons need no vector"


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_a_prompt_whose_skeleton_finds_no_family_is_placed_by_its_meaning(share):
    rng, case = np.random.default_rng(2), Case([], [], [], [])
    add_wrapper(case, rng, "one", 40)
    add_wrapper(case, rng, "other", 40)
    add_wrapper(case, rng, "theme", 12)  # skeleton, but too few for a family
    add_theme(case, rng, "theme", 40)
    add_theme(case, rng, "second theme", 40)
    if share:
        case.vectors[80:92] = directions(rng, 12, around=case.vectors[100], spread=0.3)
    add_noise(case, rng, 200)
    families, truth, texts = find(case)
    few = np.isin(texts, case.texts[80:92])
    assert (families.labels[few] >= 0).mean() == share
    assert f1_of(families.labels, truth, "one") == 1
    if share:
        assert set(families.views[families.labels[few]].tolist()) == {1}


def test_a_prompt_sent_often_enough_is_a_family_even_among_strangers():
    rng, case = np.random.default_rng(3), Case([], [], [], [])
    for weight in (20, 60, 500):
        case.add([random_words(rng, 18)], f"weight {weight}", directions(rng, 1), [weight])
    add_noise(case, rng, 100)
    families, truth, _ = find(case)
    for weight in (20, 60, 500):
        label = families.labels[list(truth).index(f"weight {weight}")]
        assert truth[families.medoids[label]] == f"weight {weight}"


@pytest.mark.parametrize(("weight", "n_families"), [(19, 1), (20, 2)])
def test_a_prompt_is_a_family_of_its_own_from_the_smallest_weight_on(weight, n_families):
    rng, case = np.random.default_rng(3), Case([], [], [], [])
    case.add([random_words(rng, 18)], "seldom", directions(rng, 1), [weight])
    case.add([random_words(rng, 18)], "often", -np.array(case.vectors), [200])
    families, _, _ = find(case)
    assert families.views.tolist() == [2] * n_families


def test_small_templates_hang_on_to_no_other():
    rng, case = np.random.default_rng(20), Case([], [], [], [])
    for i in range(6):
        add_wrapper(case, rng, f"large {i}", int(rng.integers(25, 200)))
    for i in range(10):
        add_wrapper(case, rng, f"small {i}", int(rng.integers(10, 17)))
    add_noise(case, rng, 300)
    families, truth, _ = find(case)
    for i in range(6):
        assert f1_of(families.labels, truth, f"large {i}") == 1
    small = np.array([(name or "").startswith("small") for name in truth])
    assert (families.skeleton.labels >= 0).sum() == 6
    assert (families.labels[small] >= 0).mean() <= 0.05


@pytest.mark.parametrize("seed", range(4))
def test_pure_noise_has_hardly_any_family(seed):
    rng, case = np.random.default_rng(seed), Case([], [], [], [])
    add_noise(case, rng, 1_500)
    families, _, _ = find(case)
    assert (families.labels >= 0).mean() <= 0.03
    assert len(families.ids) <= 1


def families_of_noise(seed, n, embed):
    """Families of n prompts by as many principals, 6 to 29 random words each; `embed(rng, texts)`."""
    rng = np.random.default_rng([seed, n])
    texts = sorted(random_words(rng, int(rng.integers(6, 30))) for _ in range(n))
    whole, requests = corpus_of(texts)
    prompts, vectors = prompts_of(texts, [1] * n), embed(rng, texts)
    views = build_views(whole, requests)
    return find_families(prompts, whole, views, lambda rows: vectors[rows], settings=SETTINGS)


def unit_vectors(rng, texts):
    vectors = rng.normal(size=(len(texts), 256))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def static_vectors(rng, texts):
    return load_encoder("static", threads=1).encode(texts)


@pytest.mark.parametrize("embed", [unit_vectors, static_vectors])
@pytest.mark.parametrize("n", [30, 500, 2_000])
@pytest.mark.parametrize("seed", range(2))
def test_pure_noise_gives_no_family_in_the_static_encoders_dimensions(seed, n, embed):
    families = families_of_noise(seed, n, embed)
    assert len(families.ids) == 0
    assert (families.labels == -1).all()


def test_permuting_prompts_permutes_families():
    case = mixed_case(5)
    families, _, texts = find(case)
    order = np.random.default_rng(0).permutation(len(case.texts))
    other, _, moved = find(case, order=order)
    place = {text: i for i, text in enumerate(moved)}
    rows = [place[text] for text in texts]
    assert partition(other.labels[rows]) == families.labels.tolist()
    np.testing.assert_array_equal(other.strengths[rows], families.strengths)
    # Members alike go by their row (`check_families` knows which is the medoid): here another, in a run the
    # order of prompt ids.
    assert sorted(wrapper_ids(families)) == sorted(wrapper_ids(other))
    assert sorted(families.views.tolist()) == sorted(other.views.tolist())
    for found, rows_of in ((families, texts), (other, moved)):
        whole = [i for i, view in enumerate(found.views) if view == 1]
        assert [found.ids[i] for i in whole] == [_family_id(rows_of[found.medoids[i]]) for i in whole]


def test_the_same_prompts_give_the_same_families_again():
    one, _, _ = find(mixed_case(6))
    other, _, _ = find(mixed_case(6))
    for field in ("labels", "strengths", "views", "medoids"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    assert one.ids.equals(other.ids)


def test_sending_a_prompt_again_changes_no_family():
    case = mixed_case(7)
    families, _, _ = find(case)
    planted = [name is not None for name in case.truth]
    rng = np.random.default_rng(0)
    case.weights = [int(rng.integers(1, 6)) if own else 1 for own in planted]
    heavier, truth, _ = find(case)
    own = truth != None  # noqa: E711
    assert partition(heavier.labels[own]) == partition(families.labels[own])
    assert set(wrapper_ids(heavier)) == set(wrapper_ids(families))


def wrapper_ids(families):
    """Ids of the families found by their skeletons; a theme's id is its most frequent prompt's."""
    return [name for name, view in zip(families.ids, families.views, strict=True) if view == 0]


def test_one_heavy_prompt_of_a_wrapper_counts_as_many_light_ones():
    rng = np.random.default_rng(8)
    wrapper, case = random_words(rng, 16, first=60_000), Case([], [], [], [])
    add_wrapper(case, rng, "light", 12, wrapper=wrapper)
    add_wrapper(case, rng, "other", 40)
    add_noise(case, rng, 100)
    families, truth, _ = find(case)
    assert f1_of(families.labels, truth, "light") == 0
    case.weights[0] = 9  # 20 requests in all
    families, truth, _ = find(case)
    assert f1_of(families.labels, truth, "light") == 1


def test_ids_and_members_stay_when_other_prompts_come():
    case = mixed_case(9)
    before, _, texts = find(case)
    rng = np.random.default_rng(90)
    add_wrapper(case, rng, "wrapper new", 60)
    add_theme(case, rng, "theme new", 60)
    add_noise(case, rng, 200)
    after, _, later = find(case)
    place = {text: i for i, text in enumerate(later)}
    for family, (name, view) in enumerate(zip(before.ids, before.views, strict=True)):
        if view != 0:
            continue
        assert name in set(after.ids)
        members = {texts[i] for i in np.flatnonzero(before.labels == family)}
        again = after.labels[place[next(iter(members))]]
        assert {later[i] for i in np.flatnonzero(after.labels == again)} == members
        assert after.ids[int(again)] == name


def test_a_slot_with_a_few_values_is_one_family_not_one_for_each():
    rng, case = np.random.default_rng(10), Case([], [], [], [])
    head, tail = random_words(rng, 9, first=60_000), random_words(rng, 9, first=70_000)
    for value in ("first", "second", "third", "fourth", "fifth"):
        add_wrapper(case, rng, "slotted", 40, wrapper=f"{head} {value} {tail}")
    add_wrapper(case, rng, "other", 40)
    add_noise(case, rng, 200)
    families, truth, _ = find(case)
    assert f1_of(families.labels, truth, "slotted") == 1
    assert f1_of(families.labels, truth, "other") == 1


def test_two_wrappers_with_a_sentence_of_difference_are_two_families():
    rng, case = np.random.default_rng(11), Case([], [], [], [])
    common = random_words(rng, 12, first=60_000)
    for name in ("one", "other"):
        add_wrapper(case, rng, name, 40, wrapper=f"{common} {random_words(rng, 12, first=70_000)}")
    add_noise(case, rng, 200)
    families, truth, _ = find(case)
    assert [f1_of(families.labels, truth, name) for name in ("one", "other")] == [1, 1]


def test_the_medoid_carries_the_commonest_skeleton_and_is_the_most_frequent():
    rng, case = np.random.default_rng(12), Case([], [], [], [])
    head, tail = random_words(rng, 9, first=60_000), random_words(rng, 9, first=70_000)
    add_wrapper(case, rng, "slotted", 30, wrapper=f"{head} rare {tail}")
    add_wrapper(case, rng, "slotted", 60, wrapper=f"{head} usual {tail}")
    add_wrapper(case, rng, "other", 40)
    case.weights[55] = 7
    families, truth, texts = find(case)
    label = families.labels[list(truth).index("slotted")]
    assert texts[families.medoids[label]] == case.texts[55]


@pytest.mark.parametrize("weights", [[], [1], [19], [20], [1, 1], [30, 1], [30, 30]])
def test_hardly_any_prompts(weights):
    rng, case = np.random.default_rng(13), Case([], [], [], [])
    n = len(weights)
    case.add([random_words(rng, 18) for _ in range(n)], "prompt", directions(rng, n), weights)
    families, _, _ = find(case)
    heavy = sum(weight >= 20 for weight in weights)
    assert len(families.ids) == heavy
    assert (families.labels >= 0).sum() == heavy


def test_identical_vectors_are_no_reason_to_fail():
    rng, case = np.random.default_rng(14), Case([], [], [], [])
    case.add([random_words(rng, 18) for _ in range(60)], "same", np.repeat(directions(rng, 1), 60, axis=0))
    add_noise(case, rng, 60)
    add_theme(case, rng, "theme", 60)
    families, truth, _ = find(case)
    assert f1_of(families.labels, truth, "same") >= 0.95
    case.vectors = [np.zeros(DIM, np.float32)] * len(case.vectors)
    families, _, _ = find(case)
    assert (families.labels == -1).all() or len(families.ids) == 1


def test_a_larger_smallest_family_drops_small_ones():
    families, truth, _ = find(mixed_case(15), settings=FamilySettings(min_family=50, threads=1))
    found = {name: f1_of(families.labels, truth, name) for name in set(truth) - {None}}
    for name in ("wrapper 0", "wrapper 1", "theme 0"):
        assert found[name] < 0.5, name
    for name in ("wrapper 2", "wrapper 3", "theme 1", "theme 2"):
        assert found[name] >= 0.7, name
