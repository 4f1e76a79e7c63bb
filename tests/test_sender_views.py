"""Pool families among the others: prompts move, families left too small go, numbers and ids stay sound."""

from __future__ import annotations

import numpy as np
import polars as pl

from clustering.families import VIEW_NAMES, Families, ViewClusters
from clustering.pools import PoolFamilies
from clustering.sender_views import with_sender_families

IDS = [f"{k:02d}" for k in range(12)]


def prompts():
    return pl.DataFrame({"prompt_id": IDS, "n_requests": [10] * 12})


def view(labels, texts, rows):
    n = len(labels)
    return ViewClusters(
        np.array(labels),
        np.ones(n, np.float32),
        np.ones(n, np.float32),
        pl.Series(texts, dtype=pl.String),
        np.array(rows),
    )


def families():
    """Family 0 by skeleton: prompts 0-3; family 1 by meaning: 4-7; family 2: 8-9; noise: 10, 11."""
    labels = np.array([0] * 4 + [1] * 4 + [2] * 2 + [-1] * 2)
    return Families(
        labels,
        np.where(labels >= 0, 0.5, 0).astype(np.float32),
        np.array([0, 1, 1], np.uint8),
        np.array([0, 4, 8]),
        pl.Series(["fa", "fb", "fc"]),
        view([0], ["s"], [0]),
        view(labels[4:], [], range(4, 12)),
    )


def pool(rows, strengths=0.97):
    labels = np.full(12, -1)
    labels[rows] = 0
    return PoolFamilies(
        labels,
        np.where(labels >= 0, strengths, 0).astype(np.float32),
        np.zeros(1, np.int64),
        np.array([1e-9]),
        np.zeros(1, bool),
    )


def test_a_family_left_too_small_is_no_family_any_more():
    out, came = with_sender_families(families(), pool([4, 5, 6, 10]), prompts(), view="pool", min_family=20)
    assert out.labels.tolist() == [0] * 4 + [2] * 3 + [-1] + [1] * 2 + [2, -1]
    assert came.tolist() == [0, 2, -1]
    assert out.views.tolist() == [0, 1, VIEW_NAMES.index("pool")]
    assert out.ids.to_list()[:2] == ["fa", "fc"]
    assert out.ids.n_unique() == 3
    assert out.medoids.tolist() == [0, 8, 4]
    assert out.strengths[7] == 0
    assert out.skeleton.labels.tolist() == [0]
    assert out.whole.labels.tolist() == [-1] * 4 + [1, 1, -1, -1], (
        "the pool's prompts are not assigned by text"
    )


def test_a_family_that_keeps_enough_stays_with_a_medoid_of_its_own():
    out, came = with_sender_families(families(), pool([4, 10, 11]), prompts(), view="pool", min_family=20)
    assert came.tolist() == [0, 1, 2, -1]
    assert out.labels.tolist() == [0] * 4 + [3] + [1] * 3 + [2] * 2 + [3, 3]
    assert out.medoids.tolist() == [0, 5, 8, 4]


def test_no_pool_changes_nothing():
    nothing = PoolFamilies(
        np.full(12, -1), np.zeros(12, np.float32), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool)
    )
    out, came = with_sender_families(families(), nothing, prompts(), view="pool", min_family=30)
    assert came.tolist() == [0, 1, 2], "a small family that nobody robbed stays"
    assert out.labels.tolist() == families().labels.tolist()
    assert out.ids.to_list() == ["fa", "fb", "fc"]
    assert out.medoids.tolist() == [0, 4, 8]
