"""Families of prompts that come after a run, one by one or in batches, with the same answers.

A prompt is normalised and cut by the run's own shingle table. It belongs to the family of the nearest
skeleton when that is as near as the family's own members are to each other, or when both are one template's
but for short fillers; else to the family of the nearest whole text under the same measure. Everything a
prompt needs is in ``index/`` of the run directory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.alignment import same_but_fillers
from clustering.durable import read_parquet, write_parquet
from clustering.families import DISTANCE_FLOOR, VIEW_NAMES, Families, ViewClusters
from clustering.fragments import NEAR
from embedder import (
    Encoder,
    ShingleTable,
    SpanRule,
    TextBuffer,
    Views,
    cut_texts,
    lexical_vectors,
    load_encoder,
    normalise,
    redacted,
    to_buffer,
    whole_texts,
)
from index import VectorIndex, load_index

FOLDER = "index"
_SPREAD = 0.95  # quantile of the members' distances that a newcomer may have
_SHINGLES, _RULE = "shingles.parquet", "skeletons.json"


@dataclass(frozen=True, eq=False)
class _View:
    """Index of one view, and per point its skeleton, family (null for noise), strength and reach."""

    index: VectorIndex | None
    points: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Assigner:
    """What ``assign`` needs of a run, loaded."""

    table: ShingleTable
    rule: SpanRule
    skeleton: _View
    whole: _View
    encoder: Encoder
    redact: bool = False

    def assign(
        self, prompts: Sequence[str], system_prompts: Sequence[str | None] | None = None
    ) -> pl.DataFrame:
        """See ``Run.assign``."""
        systems = [None] * len(prompts) if system_prompts is None else list(system_prompts)
        if len(systems) != len(prompts):
            raise ValueError(
                f"system_prompts: {len(systems)} for {len(prompts)} prompts; give one each, or None"
            )
        given = [pl.Series(texts, dtype=pl.String).fill_null("") for texts in (systems, list(prompts))]
        normal = [normalise(redacted(texts) if self.redact else texts) for texts in given]
        whole = whole_texts(normal[0], normal[1])
        skeletons = cut_texts(to_buffer(whole), self.table, self.rule)
        family: list[str | None] = [None] * len(prompts)
        strength = np.zeros(len(prompts), np.float32)
        view: list[str | None] = [None] * len(prompts)
        rows = np.flatnonzero(skeletons.lengths)
        texts = skeletons.take(rows)
        self._place(self.skeleton, rows, lexical_vectors(texts), texts, (family, strength, view))
        rest = np.array([i for i in range(len(prompts)) if family[i] is None], np.int64)
        vectors = self.encoder.encode(whole[rest].to_list())
        self._place(self.whole, rest, vectors, None, (family, strength, view))
        return pl.DataFrame(
            {"family_id": family, "strength": strength, "view": view},
            schema={"family_id": pl.String, "strength": pl.Float32, "view": pl.String},
        )

    def _place(
        self,
        known: _View,
        rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
        texts: TextBuffer | None,
        out: tuple[list[str | None], NDArray[np.float32], list[str | None]],
    ) -> None:
        if known.index is None or len(rows) == 0:
            return
        ids, distances = known.index.search(vectors, 1)
        points = known.points[ids[:, 0]]
        for i, (row, distance, point) in enumerate(
            zip(rows, distances[:, 0], points.iter_rows(named=True), strict=True)
        ):
            if point["family_id"] is None or (point["alone"] and distance > DISTANCE_FLOOR):
                continue
            near = distance <= point["reach"] or (
                texts is not None
                and distance <= NEAR
                and same_but_fillers(texts[i], point["text"], ordinary=self.rule.ordinary_words)
            )
            if near:
                family, strength, view = out
                family[row], view[row] = point["family_id"], point["view"]
                strength[row] = point["strength"] * (1 - max(0.0, float(distance) - DISTANCE_FLOOR))


def save_index(run: Path, view: str, index: VectorIndex) -> None:
    """Write the index of a view's points into the ``index/`` folder of a run."""
    index.save(run / FOLDER / view)


def save_assigner(run: Path, views: Views, families: Families) -> None:
    """Write all else that belongs into the ``index/`` folder of a run."""
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    slots, counts = views.table.sparse(int(views.rule.levels[0]))
    write_parquet(pl.DataFrame({"slot": slots, "n_principals": counts}), folder / _SHINGLES)
    rule = {
        "n_slots": len(views.table.n_principals),
        "expected_collisions": views.table.expected_collisions,
        "levels": views.rule.levels.tolist(),
        "shortest_run": views.rule.shortest_run.tolist(),
    }
    (folder / _RULE).write_text(json.dumps(rule, indent=2) + "\n", encoding="utf-8")
    for name, clusters in (("skeleton", families.skeleton), ("whole", families.whole)):
        write_parquet(_points(clusters, families), folder / f"{name}.parquet")


def _points(clusters: ViewClusters, families: Families) -> pl.DataFrame:
    """Per point: skeleton, family, view, strength, its family's reach, and whether that is one prompt."""
    labels = clusters.labels
    inside = labels >= 0
    ids = families.ids.to_list()
    return (
        pl.DataFrame(
            {
                "label": labels,
                "family_id": [ids[label] if label >= 0 else None for label in labels],
                "view": [VIEW_NAMES[families.views[label]] if label >= 0 else None for label in labels],
                "strength": np.where(inside, clusters.strengths, 0).astype(np.float32),
                "nearest": np.where(np.isfinite(clusters.nearest), clusters.nearest, DISTANCE_FLOOR),
            },
            schema_overrides={"family_id": pl.String, "view": pl.String},
        )
        .with_columns(
            reach=pl.max_horizontal(pl.col("nearest").quantile(_SPREAD).over("label"), DISTANCE_FLOOR),
            alone=pl.col("view") == VIEW_NAMES[2],
        )
        .drop("label", "nearest")
        .with_columns(text=clusters.texts if len(clusters.texts) else pl.lit(None, pl.String))
    )


def load_assigner(run: Path, manifest: dict[str, Any], encoder: Encoder | None) -> Assigner:
    """Read the ``index/`` folder of a run, and load its encoder."""
    folder = run / FOLDER
    rule = json.loads((folder / _RULE).read_text(encoding="utf-8"))
    shingles = read_parquet(folder / _SHINGLES)
    n_principals = np.zeros(rule["n_slots"], np.int32)
    n_principals[shingles["slot"].to_numpy()] = shingles["n_principals"].to_numpy()
    encoder = encoder or load_encoder(manifest["settings"]["encoder"])
    if encoder.fingerprint != manifest["encoder_fingerprint"]:
        raise ValueError(
            f"{run}: its vectors are of encoder {manifest['encoder_fingerprint']}, but "
            f"{manifest['settings']['encoder']!r} is now {encoder.fingerprint}; run again with --force"
        )
    views = {}
    for name in ("skeleton", "whole"):
        index = load_index(folder / name) if (folder / name).is_dir() else None
        views[name] = _View(index, read_parquet(folder / f"{name}.parquet"))
    return Assigner(
        ShingleTable(n_principals, rule["expected_collisions"]),
        SpanRule(np.array(rule["levels"], np.int32), np.array(rule["shortest_run"], np.int32)),
        views["skeleton"],
        views["whole"],
        encoder,
        redact=manifest["settings"].get("redact", False),
    )
