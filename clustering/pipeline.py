"""The run: logs in, a run directory out. The only file that knows the order of the stages.

A run directory is complete or absent (``clustering.run_directory``). The same logs and settings again find
the finished run and leave it; others are refused unless ``force``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.assign import save_assigner
from clustering.campaign_tables import account_scores, accounts_table, campaigns_table
from clustering.cosharing import cosharing_families
from clustering.evidence import weigh
from clustering.families import VIEW_NAMES, Families, FamilySettings, find_families
from clustering.findings import Findings, first_findings, follow_pools
from clustering.manifest import fingerprint, manifest
from clustering.observed import Observed, observe, traffic_of
from clustering.projection import project
from clustering.registry import Known, load_registry
from clustering.report import write_report
from clustering.results import MANIFEST, Run
from clustering.run_directory import (
    REPORT,
    check_place,
    finished_run,
    fresh_partial,
    publish,
    resolved,
    write_json,
)
from clustering.run_settings import RunSettings
from clustering.run_tables import assignments_table, families_table, map_table, prompts_table, slots_table
from clustering.sender_views import with_sender_families
from clustering.stages import Clock, Progress
from clustering.tables import REJECTED
from clustering.templates import Template, family_template, variants_of
from clustering.wording import coverage_columns, read_wording
from embedder import (
    Corpus,
    Encoder,
    VectorCache,
    Views,
    build_corpus,
    build_views,
    default_cache_dir,
    embed,
    load_encoder,
    read_logs,
)


def run(
    logs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    settings: RunSettings | None = None,
    encoder: Encoder | None = None,
    progress: Progress | None = None,
) -> Run:
    """Find, weigh and rank the prompt families of request logs.

    Parameters
    ----------
    logs
        Files, folders or globs: Parquet, JSONL (.gz, .zst) or CSV.
    out
        Run directory to make.
    settings
    encoder
        Any object with the ``Encoder`` protocol, instead of ``settings.encoder``.
    progress
        Told of every stage as it goes on.

    Returns
    -------
    Run
        The same tables for the same logs (in any order, split or format), settings and versions. Its
        ``was_complete`` says that `out` held them already and nothing was done.

    Raises
    ------
    embedder.LogError
        A log that cannot be read; one line with the remedy.
    RunError
        ``out`` is in the way.
    ValueError
        An encoder or setting that does not exist, or a registry that is none.
    """
    settings = settings or RunSettings()
    paths = [logs] if isinstance(logs, str | Path) else list(logs)
    out, place = Path(out), resolved(Path(out))
    clock = Clock(progress)
    check_place(place, force=settings.force)
    read_logs(paths, columns=dict(settings.columns))  # a path or mapping that is wrong shows at once
    registry = load_registry(settings.registry)
    with clock.stage("load encoder"):
        encoder = encoder or _load_encoder(settings, clock)
    with clock.stage("read logs"):
        corpus = _read(paths, settings, clock)
    fingerprints = {
        "fingerprint": fingerprint(corpus, settings, encoder, registry=registry),
        "encoder_fingerprint": encoder.fingerprint,
    }
    finished = finished_run(place, fingerprints["fingerprint"], force=settings.force)
    if finished is not None:
        return replace(finished, path=out, encoder=encoder, was_complete=True)
    work = _Work(corpus, encoder, registry, fresh_partial(place), settings, clock)
    _write_tables(work)
    write_json(work.folder / MANIFEST, manifest(corpus, settings, fingerprints, clock))
    with clock.stage("report"):
        write_report(Run(work.folder), work.folder / REPORT)
    write_json(work.folder / MANIFEST, manifest(corpus, settings, fingerprints, clock))
    publish(work.folder, place)
    return Run(out, encoder)


@dataclass(frozen=True, eq=False)
class _Work:
    """What every stage after reading needs."""

    corpus: Corpus
    encoder: Encoder
    registry: Sequence[Known]
    folder: Path
    settings: RunSettings
    clock: Clock

    def write(self, name: str, frame: pl.DataFrame) -> None:
        frame.write_parquet(self.folder / f"{name}.parquet")

    @cached_property
    def cache(self) -> VectorCache:
        """One for all stages: to open one takes a look at each of its files."""
        return VectorCache(default_cache_dir() / "vectors")

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of texts; the stage that asks tells how far it is."""
        return embed(
            texts,
            None,
            self.encoder,
            cache=self.cache,
            on_progress=lambda done, total: self.clock.count(done, total, unit="texts"),
        )

    def embed_rows(self, views: Views) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """A function from rows of the whole view to their unit vectors."""
        return lambda rows: self.embed_texts(views.whole[rows].to_list())


def _load_encoder(settings: RunSettings, clock: Clock) -> Encoder:
    return load_encoder(
        settings.encoder,
        threads=settings.threads,
        on_status=lambda line: clock.tell("load encoder", note=line),
    )


def _read(paths: Sequence[str | Path], settings: RunSettings, clock: Clock) -> Corpus:
    n_rows = 0

    def count(rows: int, _bytes: int) -> None:
        nonlocal n_rows
        n_rows += rows
        clock.tell("read logs", n_rows, unit="rows")

    share = settings.max_rejected_share
    return build_corpus(paths, columns=dict(settings.columns), max_rejected_share=share, on_batch=count)


def _write_tables(work: _Work) -> None:
    """Every stage from the corpus to the map."""
    corpus, settings, clock = work.corpus, work.settings, work.clock
    work.write("rejected", corpus.rejected.cast(REJECTED))
    with clock.stage("views"):
        views = build_views(corpus.prompts, corpus.requests, min_texts=max(2, settings.min_family // 2))
    with clock.stage("families"):
        family_settings = FamilySettings(settings.min_family, settings.seed, settings.threads)
        families = find_families(corpus.prompts, views, work.embed_rows(views), settings=family_settings)
        families = with_shared(corpus, families, min_family=settings.min_family)
    with clock.stage("templates"):
        templates = _templates(views, families, clock)
    with clock.stage("signals"):
        observed = observe(corpus, views, families, templates=templates, encode=work.embed_texts)
        found = _weighed(work, observed, views)
    with clock.stage("campaigns"):
        found = follow_pools(found, corpus.prompts, work.embed_rows(views), settings=settings)
    with clock.stage("tables"):
        _write_findings(work, views, found)
    with clock.stage("map"):
        families = found.observed.families
        projection = project(
            families.labels, work.embed_rows(views), seed=settings.seed, threads=settings.threads
        )
        work.write("map", map_table(corpus, families, projection))


def with_shared(corpus: Corpus, families: Families, *, min_family: int) -> Families:
    """Families with the sets of rare prompts that the same principals send; a common text comes first."""
    traffic = traffic_of(corpus, families)
    templated = np.append(families.views == VIEW_NAMES.index("skeleton"), False)[families.labels]
    shared = cosharing_families(traffic, templated, min_family=min_family)
    return with_sender_families(families, shared, corpus.prompts, view="shared", min_family=min_family)[0]


def _templates(views: Views, families: Families, clock: Clock) -> list[Template]:
    order = np.argsort(families.labels, kind="stable")
    edges = np.searchsorted(families.labels[order], np.arange(len(families.ids) + 1))
    templates = []
    for label, medoid in enumerate(families.medoids):
        members = np.sort(order[edges[label] : edges[label + 1]])
        templates.append(family_template(views.whole, members, int(medoid)))
        clock.tell("templates", label + 1, len(families.ids), unit="families")
    return templates


def _weighed(work: _Work, observed: Observed, views: Views) -> Findings:
    """Signals, scores and the first campaigns."""
    akin = variants_of(views.whole[observed.families.medoids].to_list(), views.rule.ordinary_words)
    elicited = read_wording(observed).elicited
    evidence = weigh(observed, elicited.signal, akin=akin, seed=work.settings.seed)
    return first_findings(observed, evidence, work.registry, akin=akin)


def _write_findings(work: _Work, views: Views, found: Findings) -> None:
    """Every table that families, their campaigns and accounts are read from."""
    corpus, observed = work.corpus, found.observed
    families = observed.families
    assignments = assignments_table(corpus, families)
    work.write("assignments", assignments)
    work.write("prompts", prompts_table(corpus, views, families))
    work.write("slots", slots_table(corpus, families, observed.templates))
    save_assigner(work.folder, views, families)
    described = coverage_columns(
        observed, read_wording(observed), found.signals, groups=found.groups, seed=work.settings.seed
    )
    ranked = families_table(corpus, found, described)
    work.write("families", ranked)
    work.write("campaigns", campaigns_table(ranked, assignments))
    work.write("accounts", accounts_table(ranked, assignments, account_scores(found.accounts, corpus)))
