"""Families found on some principals and tested on others, beside families found and tested on the same.

Families are found and tested on the same rows. If finding them favoured what the tests look for, the false
discovery rate would show it, and less of it where the halves are split (Cox 1975, Biometrika 62(2), sec. 2).
The principals of a log are divided by a hash of their names. *Own*: families of half B, weighed on half B.
*Split*: families of half A, half B's prompts assigned to them, weighed on half B. Both have the same requests
to be weighed on, and neither is followed through its campaign's accounts.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from clustering.coverage import read_library
from clustering.evidence import weigh
from clustering.families import VIEW_NAMES, Families, FamilySettings, find_families
from clustering.judgement import Ranking, mean, pieces_of, ranking
from clustering.observed import Encode, observe
from clustering.pipeline import run, with_shared
from clustering.results import Run
from clustering.run_settings import RunSettings
from clustering.scores import q_values, ranked
from clustering.templates import family_templates, variants_of
from clustering.wording import read_examples, read_wording
from embedder import (
    Corpus,
    Views,
    build_corpus,
    build_views,
    embed,
    load_encoder,
)

from .counting import Counted, Finished
from .discoveries import LEVELS, at_level
from .intervals import mean_interval, spread
from .section import Section, table_of

NAME = "halves"
_WAYS = ("own", "split")


def in_first_half(principals: pl.Series) -> pl.Series:
    """Whether a principal's name hashes into the first half; the same on every machine."""
    names = principals.unique().drop_nulls().sort()
    first = [hashlib.blake2b(name.encode(), digest_size=1).digest()[0] < 128 for name in names]
    return principals.replace_strict(names, pl.Series(first), default=False, return_dtype=pl.Boolean)


def count_halves(finished: Finished) -> pl.DataFrame:
    """The pieces of half B's requests in both ways: ``way``, the pieces, ``rank`` and ``q_value``."""
    requests = finished.requests
    organisation = pl.col("org_id") if "org_id" in requests.columns else pl.lit(None, dtype=pl.String)
    first = in_first_half(requests.select(pl.coalesce(organisation, "account_id").alias("name"))["name"])
    with tempfile.TemporaryDirectory(prefix=".halves-", dir=finished.run.path.parent) as scratch:
        log_a, log_b = (Path(scratch) / name for name in ("a.parquet", "b.parquet"))
        requests.filter(first).write_parquet(log_a)
        requests.filter(~first).write_parquet(log_b)
        settings = RunSettings(threads=finished.threads)
        found = run(log_a, Path(scratch) / "run", settings=settings)
        corpus, encode = build_corpus([log_b]), _encoder()
        views = build_views(corpus.texts, corpus.requests, min_texts=max(2, settings.min_family // 2))
        own = find_families(
            corpus.prompts,
            corpus.texts,
            views,
            lambda rows: encode(corpus.texts.take(rows).to_list()),
            settings=FamilySettings(settings.min_family, settings.seed, settings.threads),
        )
        own = with_shared(corpus, own, min_family=settings.min_family)
        placed = assigned_families(found, corpus, own, settings.min_family)
    parts = [
        _weighed(finished, corpus, views, families=families, encode=encode).with_columns(
            pl.lit(way).alias("way")
        )
        for way, families in zip(_WAYS, (own, placed), strict=True)
    ]
    return pl.concat(parts)


def assigned_families(found: Run, corpus: Corpus, own: Families, least: int) -> Families:
    """The families of a run with the prompts of another corpus in them; those with `least` requests stay.

    Parameters
    ----------
    own : families of that corpus; what its views are is kept, since nothing here is assigned to them.
    """
    prompts = corpus.prompts
    placed = found.assign(prompts["prompt"].to_list(), system_prompts=prompts["system_prompt"].to_list())
    placed = placed.with_columns(n=prompts["n_requests"], row=pl.int_range(pl.len())).drop_nulls("family_id")
    listed = (
        placed.sort(["strength", "row"], descending=[True, False])
        .group_by("family_id")
        .agg(
            pl.col("view").first(),
            n=pl.col("n").sum(),
            medoid=pl.col("row").first(),
            least=pl.col("row").min(),
        )
        .filter(pl.col("n") >= least)
        .sort("least")
        .with_columns(label=pl.int_range(pl.len()))
    )
    known = placed.join(listed.select("family_id", "label"), on="family_id")
    labels = np.full(len(prompts), -1, np.int64)
    strengths = np.zeros(len(prompts), np.float32)
    labels[known["row"].to_numpy()] = known["label"].to_numpy()
    strengths[known["row"].to_numpy()] = known["strength"].to_numpy()
    return replace(
        own,
        labels=labels,
        strengths=strengths,
        views=np.array([VIEW_NAMES.index(view) for view in listed["view"]], dtype=np.uint8),
        medoids=listed["medoid"].cast(pl.Int64).to_numpy(),
        ids=listed["family_id"],
    )


def half_sections(worlds: Sequence[Counted]) -> list[Section]:
    """Realised rate and campaign requests flagged at each nominal q, both ways."""
    tables = [world.tables[NAME] for world in worlds if NAME in world.tables]
    rows = []
    for level in LEVELS:
        cells: list[object] = [level]
        for way in _WAYS:
            judged = [_judged(table.filter(pl.col("way") == way), level) for table in tables]
            rates = [figures.realised_fdr for figures in judged]
            caught = [c for figures in judged if (c := figures.campaign_requests_flagged) is not None]
            cells += [mean(rates), spread(*mean_interval(rates)), mean(caught)]
        rows.append(tuple(cells))
    columns = [f"{way}: {name}" for way in _WAYS for name in ("FDR", "95 %", "campaign requests flagged")]
    note = (
        f"{len(tables)} worlds, half of the principals in each. Own: families found and weighed on the same "
        "half. Split: found on the other half."
    )
    return [Section(NAME, "Found and tested on the same rows", note, table_of(rows, ("Nominal q", *columns)))]


def _judged(table: pl.DataFrame, level: float) -> Ranking:
    families = table.drop_nulls("family_id").unique("family_id", keep="first")
    return ranking(at_level(families, level), table)


def _weighed(
    finished: Finished, corpus: Corpus, views: Views, *, families: Families, encode: Encode
) -> pl.DataFrame:
    """The pieces of a corpus in some families, with each family's rank and q."""
    templates = family_templates(corpus.texts, families.labels, families.medoids)
    observed = observe(corpus, families, templates=templates, encode=encode)
    akin = variants_of(corpus.texts.take(families.medoids).to_list(), views.rule.ordinary_words)
    wording = read_wording(observed, read_examples(read_library(), encode))
    evidence = weigh(observed, wording.elicited.signal, akin=akin, seed=0)
    q = q_values(evidence.p_values)
    n = np.bincount(observed.traffic.groups + 1, minlength=len(families.ids) + 1)[1:]
    listed = ranked(
        pl.DataFrame({
            "family_id": families.ids, "n_requests": n, "q_value": q, "flagged": q <= LEVELS[1],
            "score": evidence.scores,
        })
    )  # fmt: skip
    of_prompt = pl.Series([None if label < 0 else families.ids[int(label)] for label in families.labels])
    found = corpus.requests.select(
        "request_id", family_id=of_prompt.cast(pl.String).gather(corpus.requests["prompt_row"])
    )
    rows = finished.rows(found).join(found.select("request_id"), on="request_id", how="semi")
    figures = listed.select("family_id", "rank", "q_value")
    return pieces_of(rows).join(figures, on="family_id", how="left", maintain_order="left")


def _encoder() -> Encode:
    """The run's own encoder, loaded once."""
    encoder = load_encoder("static")
    return lambda texts: embed(texts, encoder).astype(np.float32)
