"""Other finders of families on the same prompts and vectors; all but ``hdbscan`` are an optional extra.

Each gets the distinct prompts and Covey's static vectors, the smallest family that Covey has, and else its
defaults. Found families are judged as Covey's are. More prompts than ``MOST_PROMPTS`` are drawn from; Covey
is then judged on the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.judgement import best_matches, mean, pieces_of
from clustering.run_settings import RunSettings

from .counting import Counted, Finished
from .section import Section, table_of
from .vectors import request_vectors

MOST_PROMPTS = 20_000
_SCHEMA = {
    "method": pl.String, "installed": pl.Boolean, "n_prompts": pl.Int64, "n_families": pl.Int64,
    "mean_f1": pl.Float64, "plain_f1": pl.Float64, "seconds": pl.Float64,
}  # fmt: skip

Finder = Callable[[pl.Series, NDArray[np.float32], int], NDArray[np.int64]]
"""Labels (n,) of n distinct texts, -1 for noise, from them, their unit vectors (n, d) and a seed."""


def bertopic(texts: pl.Series, vectors: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Labels of BERTopic (Grootendorst 2022, arXiv 2203.05794), -1 for noise; its UMAP is seeded."""
    umap, library = import_module("umap"), import_module("bertopic")
    reduced = umap.UMAP(
        n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed, n_jobs=1
    )
    model = library.BERTopic(
        min_topic_size=RunSettings().min_family, umap_model=reduced, embedding_model=None
    )
    labels, _ = model.fit_transform(texts.to_list(), vectors)
    return np.asarray(labels, dtype=np.int64)


def evoc(texts: pl.Series, vectors: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Labels of EVoC (Tutte Institute) at the layer that it chooses, -1 for noise."""
    model = import_module("evoc").EVoC(base_min_cluster_size=RunSettings().min_family, random_state=seed)
    return np.asarray(model.fit_predict(vectors), dtype=np.int64)


def hdbscan(texts: pl.Series, vectors: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Labels of hdbscan (McInnes, Healy and Astels 2017), -1 for noise."""
    model = import_module("hdbscan").HDBSCAN(min_cluster_size=RunSettings().min_family)
    return np.asarray(model.fit_predict(vectors), dtype=np.int64)


def fast_hdbscan(texts: pl.Series, vectors: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Labels of fast_hdbscan (Tutte Institute), -1 for noise."""
    model = import_module("fast_hdbscan").HDBSCAN(min_cluster_size=RunSettings().min_family)
    return np.asarray(model.fit_predict(vectors), dtype=np.int64)


FINDERS: dict[str, Finder] = {"bertopic": bertopic, "evoc": evoc}


def count_finders(finished: Finished) -> pl.DataFrame:
    """A row per method, Covey first."""
    vectors, place = request_vectors(finished.requests)
    n = len(vectors)
    rng = np.random.default_rng([finished.seed, 2])
    taken = np.sort(rng.choice(n, MOST_PROMPTS, replace=False)) if n > MOST_PROMPTS else np.arange(n)
    kept = finished.requests.filter(pl.Series(np.isin(place, taken))).select("request_id", "prompt")
    stages = finished.run.manifest["stages"]
    seconds = sum(stage["seconds"] for stage in stages if stage["stage"] in ("views", "families"))
    mine = kept.join(finished.run.assignments.select("request_id", "family_id"), on="request_id")
    rows: list[tuple[object, ...]] = [("Covey", True, len(taken), *_judged_in(finished, mine), seconds)]
    texts = finished.requests["prompt"].fill_null("").unique().sort()[taken]
    for method, find in FINDERS.items():
        if find_spec(method) is None:
            rows.append((method, False, None, None, None, None, None))
            continue
        started = time.perf_counter()
        labels = find(texts, vectors[taken], finished.seed)
        seconds = time.perf_counter() - started
        named = pl.DataFrame({"prompt": texts, "label": labels}).select(
            "prompt", family_id=pl.when(pl.col("label") >= 0).then(pl.col("label").cast(pl.String))
        )
        theirs = kept.with_columns(pl.col("prompt").fill_null("")).join(named, on="prompt", how="left")
        rows.append((method, True, len(taken), *_judged_in(finished, theirs), seconds))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def finder_section(worlds: Sequence[Counted]) -> Section:
    """Means over the worlds."""
    tables = [world.tables["finders"] for world in worlds if "finders" in world.tables]
    rows: list[tuple[object, ...]] = []
    for method in ("Covey", *FINDERS):
        known = [
            row for table in tables for row in table.filter(pl.col("method") == method).iter_rows(named=True)
        ]
        done = [row for row in known if row["installed"]]
        if known and not done:
            rows.append((f"{method} (not installed)", *[None] * 5))
        elif done:
            rows.append((method, *(_mean_of(done, name) for name in tuple(_SCHEMA)[2:])))
    columns = ("Finder", "Prompts", "Families", "Mean family F1", "F1 without common text", "Seconds")
    note = "Covey's seconds are those of its views and families; the others start from finished vectors."
    return Section("baselines", "Other finders", note, table_of(rows, columns))


def judged(rows: pl.DataFrame) -> tuple[int, float | None, float | None]:
    """Found families, mean F1, and that of families without common text.

    Parameters
    ----------
    rows : a request a row with ``kind``, ``group``, ``family`` and the found ``family_id`` (null = noise).
    """
    matches = best_matches(pieces_of(rows))
    plain = [match.f1 for name, match in matches.items() if "/plain:" in name]
    asked = [match.f1 for name, match in matches.items() if "/plain:" not in name]
    return rows["family_id"].drop_nulls().n_unique(), mean(asked), mean(plain)


def _judged_in(finished: Finished, found: pl.DataFrame) -> tuple[int, float | None, float | None]:
    """``judged`` among the requests of `found`."""
    return judged(finished.rows(found).join(found.select("request_id"), on="request_id", how="semi"))


def _mean_of(rows: Sequence[dict[str, object]], name: str) -> float | None:
    return mean([float(str(value)) for row in rows if (value := row[name]) is not None])
