"""Arrays of a run to the tables of its directory; the schemas are in ``clustering.tables``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.benign_reference import benign_reference, benign_standing
from clustering.campaigns import campaign_ids
from clustering.families import VIEW_NAMES, Families
from clustering.findings import Findings
from clustering.projection import Projection
from clustering.reasons import benign_explanation, family_reasons
from clustering.scores import aspect_deviates, ranked
from clustering.signals.catalogue import aspects
from clustering.tables import ASPECT_PREFIX, ASSIGNMENTS, FAMILIES, MAP, P_SUFFIX, PROMPTS, SLOTS
from clustering.templates import Template
from embedder import Corpus, Views

MAX_FILLERS = 1_000  # of a slot that are listed
_PART_ROWS = 1 << 18  # of a table that grows with the log


def families_table(corpus: Corpus, found: Findings, described: pl.DataFrame) -> pl.DataFrame:
    """One row per family, in rank order.

    Parameters
    ----------
    corpus : Corpus
    found : Findings
    described : DataFrame of f rows
        See ``clustering.wording.coverage_columns``.

    Raises
    ------
    RuntimeError
        Two families have one id: their contents have the same hash.
    """
    families, templates, flagged = found.observed.families, found.observed.templates, found.flagged
    _refuse_twins(families, templates)
    n = len(families.ids)
    benign = [None if flagged[f] else benign_explanation(found, f) for f in range(n)]
    frame = pl.DataFrame(
        {
            "label": np.arange(n),
            "family_id": families.ids,
            "score": found.scores,
            "p_value": found.p_values,
            "own_p_value": pl.Series(found.own_p_values).fill_nan(None),
            "q_value": found.q_values,
            "flagged": flagged,
            "view": [VIEW_NAMES[view] for view in families.views],
            "template": [template.text for template in templates],
            "medoid_prompt": corpus.prompts["prompt"][families.medoids],
            "campaign_id": pl.Series(campaign_ids(families.ids, found.groups, flagged), dtype=pl.String),
            "n_pooled": found.n_pooled,
            "benign_explanation": pl.Series(benign, dtype=pl.String),
            "reasons": pl.Series([family_reasons(found, f) for f in range(n)], dtype=pl.List(pl.String)),
            **_evidence_columns(found),
        }
    ).hstack(described)
    label_of = _label_of(corpus, families)
    frame = frame.join(_counts(corpus, label_of), on="label", how="left", maintain_order="left")
    sizes = _weighed_sizes(corpus, found, label_of, own=frame)
    compared, as_low = benign_standing(found.own_p_values, *sizes, reference=benign_reference())
    frame = frame.with_columns(n_benign_compared=pl.Series(compared), n_benign_as_low=pl.Series(as_low))
    return ranked(frame).select(FAMILIES.names()).cast(FAMILIES)


def _evidence_columns(found: Findings) -> dict[str, pl.Series]:
    """Aspects and signals; what was not measured is null."""
    columns = {
        ASPECT_PREFIX + name: row for name, row in zip(aspects(), aspect_deviates(found.signals), strict=True)
    }
    for name, signal in found.signals.items():
        columns[name], columns[name + P_SUFFIX] = signal.effect, signal.p_value
    return {name: pl.Series(values).fill_nan(None) for name, values in columns.items()}


def _refuse_twins(families: Families, templates: Sequence[Template]) -> None:
    places: dict[str, int] = {}
    for place, family_id in enumerate(families.ids.to_list()):
        first = places.setdefault(family_id, place)
        if first != place:
            raise RuntimeError(
                f"two families have the id {family_id}: {templates[first].text!r}, {templates[place].text!r}"
            )


def _counts(corpus: Corpus, label_of: NDArray[np.int64]) -> pl.DataFrame:
    """Requests, prompts, accounts, principals and times of each label that requests have; -1 is none."""
    sent = corpus.requests.select("prompt_row", "account_row", "principal_row", "timestamp").with_columns(
        label=pl.Series(label_of)
    )
    return (
        sent.filter(pl.col("label") >= 0)
        .group_by("label")
        .agg(
            n_requests=pl.len().cast(pl.Int64),
            n_prompts=pl.col("prompt_row").n_unique().cast(pl.Int64),
            n_accounts=pl.col("account_row").n_unique().cast(pl.Int64),
            n_principals=pl.col("principal_row").n_unique().cast(pl.Int64),
            first_seen=pl.col("timestamp").min(),
            last_seen=pl.col("timestamp").max(),
        )
    )


def _weighed_sizes(
    corpus: Corpus, found: Findings, label_of: NDArray[np.int64], *, own: pl.DataFrame
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Requests and accounts that each family's evidence is of: its own, or all of those weighed with it."""
    group = np.where(found.n_pooled > 0, found.groups, -1)
    of_groups = _counts(corpus, np.append(group, -1)[label_of])
    pooled = pl.DataFrame({"label": group}).join(of_groups, on="label", how="left", maintain_order="left")
    n_requests, n_accounts = (
        pooled[name].fill_null(own[name]).to_numpy() for name in ("n_requests", "n_accounts")
    )
    return n_requests, n_accounts


def _label_of(corpus: Corpus, families: Families) -> NDArray[np.int64]:
    """Family of each request; -1 for none."""
    labels: NDArray[np.int64] = families.labels[corpus.requests["prompt_row"].to_numpy()]
    return labels


def _membership(families: Families, rows: NDArray[Any]) -> pl.DataFrame:
    """Family id, strength and view of some distinct prompts; null, 0 and null for noise."""
    of_family = pl.DataFrame(
        {
            "label": np.arange(len(families.ids)),
            "family_id": families.ids,
            "view": pl.Series([VIEW_NAMES[view] for view in families.views], dtype=pl.String),
        }
    )
    members = pl.DataFrame({"label": families.labels[rows], "strength": families.strengths[rows]})
    return members.join(of_family, on="label", how="left", maintain_order="left").drop("label")


def assignments_table(corpus: Corpus, families: Families) -> Iterator[pl.DataFrame]:
    """One row per request, in the corpus' order, in parts."""
    for requests in corpus.requests.iter_slices(_PART_ROWS):
        rows = requests["prompt_row"].to_numpy()
        frame = requests.select("request_id", "timestamp").with_columns(
            account_id=corpus.accounts["account_id"].gather(requests["account_row"]),
            prompt_id=corpus.prompts["prompt_id"].gather(rows),
        )
        yield frame.hstack(_membership(families, rows)).select(ASSIGNMENTS.names()).cast(ASSIGNMENTS)


def prompts_table(corpus: Corpus, views: Views, families: Families) -> Iterator[pl.DataFrame]:
    """One row per distinct prompt, in parts."""
    for start in range(0, max(1, corpus.prompts.height), _PART_ROWS):
        frame = corpus.prompts.slice(start, _PART_ROWS)
        rows = np.arange(start, start + frame.height)
        skeletons = views.skeleton.take(rows).to_series()
        frame = frame.with_columns(skeleton=skeletons).hstack(_membership(families, rows))
        yield frame.select(PROMPTS.names()).cast(PROMPTS)


def flagged_requests(corpus: Corpus, families: Families, flagged: NDArray[np.bool_]) -> pl.DataFrame:
    """Requests of flagged families: ``family_id``, ``account_id`` and ``timestamp``."""
    labels = _label_of(corpus, families)
    inside = np.flatnonzero(np.append(flagged, False)[labels])
    requests = corpus.requests.select("account_row", "timestamp")[inside]
    return requests.select(
        "timestamp",
        family_id=families.ids.gather(labels[inside]),
        account_id=corpus.accounts["account_id"].gather(requests["account_row"]),
    )


def slots_table(corpus: Corpus, families: Families, templates: Sequence[Template]) -> pl.DataFrame:
    """Fillers per family and slot, most frequent first, at most a thousand of each slot."""
    filled = pl.DataFrame(
        [
            (families.ids[f], f"slot_{k + 1}", int(row), filler)
            for f, template in enumerate(templates)
            for k, fillers in enumerate(template.fillers)
            for row, filler in zip(template.rows, fillers, strict=True)
            if filler
        ],
        schema={"family_id": pl.String, "slot": pl.String, "prompt_row": pl.UInt32, "filler": pl.String},
        orient="row",
    )
    sent = corpus.requests.select("prompt_row", "account_row").join(filled, on="prompt_row")
    return (
        sent.group_by("family_id", "slot", "filler")
        .agg(n_requests=pl.len(), n_accounts=pl.col("account_row").n_unique())
        .sort("family_id", "slot", "n_requests", "filler", descending=[False, False, True, False])
        .group_by("family_id", "slot", maintain_order=True)
        .head(MAX_FILLERS)
        .select(SLOTS.names())
        .cast(SLOTS)
    )


def map_table(corpus: Corpus, families: Families, projection: Projection) -> pl.DataFrame:
    """One row per mapped prompt, in the corpus' order."""
    ids = corpus.prompts["prompt_id"][projection.rows]
    names = np.array([*ids.to_list(), None], dtype=object)  # -1, a missing neighbour, takes the last
    neighbours: NDArray[np.object_] = names[projection.graph.indices]
    frame = corpus.prompts.select("prompt_id", "prompt", "n_requests")[projection.rows]
    return (
        frame.with_columns(
            x=pl.Series(projection.xy[:, 0]),
            y=pl.Series(projection.xy[:, 1]),
            neighbours=pl.Series(neighbours.tolist(), dtype=pl.List(pl.String)).list.drop_nulls(),
        )
        .hstack(_membership(families, projection.rows).select("family_id"))
        .select(MAP.names())
        .cast(MAP)
    )
