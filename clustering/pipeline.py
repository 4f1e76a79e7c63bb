"""The run: logs in, a run directory out. The only file that knows the order of the stages.

A run directory is complete or absent (``clustering.run_directory``), and a killed run goes on from its last
whole stage (``clustering.checkpoints``). The same logs and settings again find the finished run and leave it;
others are refused unless ``force``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.assign import save_assigner, save_index
from clustering.campaign_tables import account_loads, account_scores, accounts_table, campaigns_table
from clustering.checkpoints import Checkpoints
from clustering.cosharing import cosharing_families
from clustering.coverage import Library, read_library
from clustering.durable import write_json, write_parquet, write_parts
from clustering.evidence import weigh
from clustering.families import VIEW_NAMES, Families, FamilySettings, ViewClusters, find_families
from clustering.findings import (
    KEPT_RECORDS,
    Findings,
    findings_of,
    first_findings,
    follow_pools,
    kept_findings,
)
from clustering.inputs import Input, check_unchanged, read_corpus, read_inputs
from clustering.manifest import command_fingerprint, fingerprint, manifest
from clustering.memory import MemoryPlan, memory_plan
from clustering.observed import Observed, observe, traffic_of
from clustering.projection import project
from clustering.registry import Known, load_registry
from clustering.report import write_report
from clustering.results import MANIFEST, Run, RunError
from clustering.run_directory import (
    REPORT,
    check_place,
    check_whole,
    exclusive,
    finish_moving,
    going_on,
    refuse_among_logs,
    resolved,
    run_there,
    work_folder,
)
from clustering.run_settings import RunSettings
from clustering.run_tables import (
    assignments_table,
    families_table,
    flagged_requests,
    map_table,
    prompts_table,
    slots_table,
)
from clustering.sender_views import with_sender_families
from clustering.stages import Clock, Progress
from clustering.tables import REJECTED
from clustering.templates import family_templates, templates_frame, templates_of, variants_of
from clustering.wording import Examples, Wording, coverage_columns, read_examples, read_wording
from embedder import (
    Corpus,
    Encoder,
    GatheredTexts,
    LogError,
    ShingleTable,
    SpanRule,
    TextBuffer,
    Texts,
    VectorCache,
    Views,
    build_views,
    default_cache_dir,
    embed,
    load_account_key,
    load_encoder,
    read_logs,
)

_MANY_ROWS = 100_000  # vectors that are rather in a file than in memory


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
        A log that cannot be read, or is too large for the memory; one line with the remedy.
    RunError
        ``out`` is in the way, another run is at work there, or the disk or the memory does not do. What was
        whole by then is kept, and the same call goes on after it.
    ValueError
        An encoder or setting that does not exist, or a registry, patterns or account key that are none.
    """
    settings = settings or RunSettings()
    paths = [logs] if isinstance(logs, str | Path) else list(logs)
    out, place = Path(out), resolved(Path(out))
    clock = Clock(progress)
    refuse_among_logs(place, paths)
    read_logs(paths, columns=dict(settings.columns))  # a path or mapping that is wrong shows at once
    if settings.account_key is not None:
        load_account_key(settings.account_key)  # likewise
    registry, library = load_registry(settings.registry), read_library(settings.patterns)
    with exclusive(place), going_on(place):
        finish_moving(place)
        check_place(place, force=settings.force)
        with clock.stage("load encoder"):
            encoder = encoder or _load_encoder(settings, clock)
        with clock.stage("check logs"):
            inputs = read_inputs(paths, on_bytes=partial(clock.count, unit="bytes"))
        command = command_fingerprint(inputs, settings, encoder, registry=registry, library=library)
        there = None if settings.force else run_there(place)
        task = _Task(paths, inputs, settings, encoder, registry, library, command, clock)
        if there is not None:
            _refuse_another(there, task)
            return replace(there, path=out, encoder=encoder, was_complete=True)
        _make(task, work_folder(place))
        finish_moving(place)
    return Run(out, encoder)


@dataclass(frozen=True, eq=False)
class _Task:
    """What is to be done."""

    paths: Sequence[str | Path]
    inputs: Sequence[Input]
    settings: RunSettings
    encoder: Encoder
    registry: Sequence[Known]
    library: Library
    command: str
    clock: Clock

    def read(self, folder: Path | None = None) -> Corpus:
        """The corpus, put together in a folder."""
        n_read, total = 0, sum(each.size for each in self.inputs)

        def count(_rows: int, n_bytes: int) -> None:
            nonlocal n_read
            n_read += n_bytes
            self.clock.tell("read logs", n_read, total, unit="bytes")

        put_together = partial(self.clock.tell, "read logs", unit="parts put together")
        corpus = read_corpus(self.paths, self.settings, folder=folder, on_batch=count, on_part=put_together)
        check_unchanged(self.inputs)
        return corpus

    def plan(self, corpus: Corpus) -> MemoryPlan:
        return memory_plan(self.settings.memory, n_prompts=corpus.prompts.height, dim=self.encoder.dim)

    def fingerprint(self, corpus: Corpus) -> str:
        return fingerprint(corpus, self.settings, self.encoder, registry=self.registry, library=self.library)


def _refuse_another(there: Run, task: _Task) -> None:
    """Let a finished run pass only where this command would make the same.

    The same command is told by its fingerprint; the same rows, in other files or another order, are told by
    what they hold.
    """
    if there.manifest.get("command") != task.command:
        with task.clock.stage("read logs"):
            corpus = task.read()
        if there.manifest.get("fingerprint") != task.fingerprint(corpus):
            raise RunError(
                f"{there.path}: holds a run of other logs or settings; give another --out, or --force"
            )
    check_whole(there)


@dataclass(frozen=True, eq=False)
class _Unpublished(Run):
    """The tables so far, for the report."""

    said: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return self.said


@dataclass(frozen=True, eq=False)
class _Work:
    """What every stage after reading needs."""

    corpus: Corpus
    task: _Task
    folder: Path
    checkpoints: Checkpoints
    plan: MemoryPlan

    @property
    def settings(self) -> RunSettings:
        return self.task.settings

    @property
    def clock(self) -> Clock:
        return self.task.clock

    def write(self, name: str, frame: pl.DataFrame) -> None:
        write_parquet(frame, self.place(name))

    def place(self, name: str) -> Path:
        """Where a table is written."""
        return self.folder / f"{name}.parquet"

    @cached_property
    def cache(self) -> VectorCache:
        """One for all stages: to open one takes a look at each of its files."""
        return VectorCache(default_cache_dir() / "vectors")

    def embed_texts(self, texts: Texts, out: NDArray[np.float16] | None = None) -> NDArray[np.float16]:
        """Unit vectors of texts; the stage that asks tells how far it is."""
        return embed(
            texts,
            self.task.encoder,
            cache=self.cache,
            out=out,
            on_progress=lambda done, total: self.clock.count(done, total, unit="texts"),
        )

    def embed_rows(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Unit vectors of the texts of prompts; where they are many, in a file that goes with them."""
        texts = GatheredTexts(rows, lambda some: self.corpus.texts.take(some).to_series())
        shape = (len(rows), self.task.encoder.dim)
        if len(rows) < _MANY_ROWS:
            return self.embed_texts(texts)
        self.checkpoints.scratch.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=self.checkpoints.scratch) as file:
            mapped = np.memmap(file, np.float16, "w+", shape=shape)
        return np.asarray(self.embed_texts(texts, mapped))


def _load_encoder(settings: RunSettings, clock: Clock) -> Encoder:
    return load_encoder(
        settings.encoder,
        threads=settings.threads,
        on_status=lambda line: clock.tell("load encoder", note=line),
    )


def _make(task: _Task, folder: Path) -> None:
    """Everything that a complete run holds, into the working folder; the manifest last."""
    checkpoints = Checkpoints(folder, command=task.command, clock=task.clock)

    def read() -> Corpus:
        corpus = task.read(checkpoints.scratch)
        task.plan(corpus)  # too large a log has cost nothing, as one that cannot be read
        return corpus

    try:
        corpus = checkpoints.stage("read logs", read)
    except LogError:
        checkpoints.discard()
        raise
    plan = task.plan(corpus)
    work = _Work(corpus, task, folder, checkpoints, plan)
    _write_tables(work)
    fingerprints = {
        "fingerprint": task.fingerprint(corpus),
        "command": task.command,
        "encoder_fingerprint": task.encoder.fingerprint,
    }

    def said() -> dict[str, Any]:
        made = manifest(corpus, task.settings, fingerprints, task.clock, inputs=task.inputs, plan=plan)
        return made | {"files": {name: asdict(seal) for name, seal in sorted(checkpoints.outputs.items())}}

    def report() -> None:
        write_report(_Unpublished(folder, said=said()), folder / REPORT)

    checkpoints.stage("report", report)
    write_json(folder / MANIFEST, said())


def _write_tables(work: _Work) -> None:
    """Every stage from the corpus to the map."""
    corpus, settings, stage = work.corpus, work.settings, work.checkpoints.stage

    def build() -> Views:
        work.write("rejected", corpus.rejected.cast(REJECTED))
        return build_views(
            corpus.texts,
            corpus.requests,
            min_texts=max(2, settings.min_family // 2),
            memory=work.plan.shingle_table,
        )

    views = stage("views", build, records=(Views, TextBuffer, ShingleTable, SpanRule))
    families = stage("families", lambda: _families(work, views), records=(Families, ViewClusters))
    observed = observe(
        corpus,
        families,
        templates=templates_of(stage("templates", lambda: _templates(work, families))),
        encode=lambda texts: work.embed_texts(texts).astype(np.float32),
    )
    reading = _Reading(observed, work.task.library)

    def kept(make: Callable[[], Findings]) -> Callable[[], dict[str, object]]:
        return lambda: kept_findings(make())

    found = findings_of(
        stage("signals", kept(lambda: _weighed(work, reading, views)), records=KEPT_RECORDS), observed
    )
    followed = kept(lambda: follow_pools(found, corpus.prompts, work.embed_rows, settings=settings))
    found = findings_of(stage("campaigns", followed, records=KEPT_RECORDS), observed)
    stage("tables", lambda: _write_findings(work, views, found, wording=reading.of(found.observed)))
    stage("map", lambda: _write_map(work, found.observed.families))


@dataclass(eq=False)
class _Reading:
    """What the families' texts say, read again only where the families are others."""

    observed: Observed
    library: Library
    _last: tuple[NDArray[np.int64], Wording] | None = None

    @cached_property
    def _examples(self) -> Examples:
        return read_examples(self.library, self.observed.encode)

    def of(self, observed: Observed) -> Wording:
        labels = observed.families.labels
        if self._last is None or not np.array_equal(self._last[0], labels):
            self._last = (labels, read_wording(observed, self._examples))
        return self._last[1]


def _families(work: _Work, views: Views) -> Families:
    corpus, settings = work.corpus, work.settings
    families = find_families(
        corpus.prompts,
        corpus.texts,
        views,
        work.embed_rows,
        settings=FamilySettings(settings.min_family, settings.seed, settings.threads, work.plan.index_bits),
        keep_index=partial(save_index, work.folder),
        on_progress=lambda what, done, total: work.clock.count(done, total, unit=what),
    )
    return with_shared(corpus, families, min_family=settings.min_family)


def _templates(work: _Work, families: Families) -> pl.DataFrame:
    made = family_templates(
        work.corpus.texts,
        families.labels,
        families.medoids,
        on_template=lambda n: work.clock.count(n, len(families.ids), unit="families"),
    )
    return templates_frame(made)


def with_shared(corpus: Corpus, families: Families, *, min_family: int) -> Families:
    """Families with the sets of rare prompts that the same principals send; a common text comes first."""
    traffic = traffic_of(corpus, families)
    templated = np.append(families.views == VIEW_NAMES.index("skeleton"), False)[families.labels]
    shared = cosharing_families(traffic, templated, min_family=min_family)
    return with_sender_families(families, shared, corpus.prompts, view="shared", min_family=min_family)[0]


def _weighed(work: _Work, reading: _Reading, views: Views) -> Findings:
    """Signals, scores and the first campaigns."""
    observed = reading.observed
    akin = variants_of(observed.texts.take(observed.families.medoids).to_list(), views.rule.ordinary_words)
    evidence = weigh(
        observed,
        reading.of(observed).elicited.signal,
        akin=akin,
        seed=work.settings.seed,
        on_signal=lambda n: work.clock.count(n, unit="signals"),
    )
    return first_findings(observed, evidence, work.task.registry, akin=akin)


def _write_findings(work: _Work, views: Views, found: Findings, *, wording: Wording) -> None:
    """Every table that families, their campaigns and accounts are read from."""
    corpus, observed = work.corpus, found.observed
    families = observed.families
    write_parts(assignments_table(corpus, families), work.place("assignments"))
    write_parts(prompts_table(corpus, views, families), work.place("prompts"))
    work.write("slots", slots_table(corpus, families, observed.templates))
    save_assigner(work.folder, views, families)
    described = coverage_columns(
        observed,
        wording,
        found.signals,
        patterns=work.task.library.patterns,
        groups=found.groups,
        flagged=found.flagged,
        seed=work.settings.seed,
    )
    ranked = families_table(corpus, found, described)
    work.write("families", ranked)
    sent = flagged_requests(corpus, families, found.flagged)
    scores = account_scores(found.accounts, corpus)
    work.write("campaigns", campaigns_table(ranked, sent))
    work.write("accounts", accounts_table(ranked, sent, account_loads(corpus), scores))


def _write_map(work: _Work, families: Families) -> None:
    settings = work.settings
    projection = project(families.labels, work.embed_rows, seed=settings.seed, threads=settings.threads)
    work.write("map", map_table(work.corpus, families, projection))
