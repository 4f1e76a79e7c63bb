"""The run: logs in, a run directory out. The only file that knows the order of the stages.

A run directory is complete or absent: everything is written into ``OUT.partial`` beside it and renamed at the
end. The same logs and settings again find the finished run and leave it; others are refused unless ``force``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.assign import save_assigner
from clustering.evidence import Evidence, weigh
from clustering.families import Families, FamilySettings, find_families
from clustering.projection import Projection, project
from clustering.report import write_report
from clustering.results import MANIFEST, Run, RunError, load_run
from clustering.run_tables import assignments_table, families_table, map_table, prompts_table, slots_table
from clustering.signals import Traffic
from clustering.tables import REJECTED, SCHEMA_VERSION
from clustering.templates import Template, family_template, variants_of
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
)

_VERSIONS = ("covey", "faiss-cpu", "numba", "numpy", "polars", "sentence-transformers", "umap-learn")


@dataclass(frozen=True)
class RunSettings:
    """What a run can be told.

    Parameters
    ----------
    encoder
        ``static``, ``transformer``, or a sentence-transformers name or path.
    min_family
        Fewest requests of a family.
    seed
        Of samples, draws and the map.
    threads
        None takes all that are free.
    columns
        Pairs (name, path): where a column is, when its name is another.
    force
        Replace a run directory that is there.
    """

    encoder: str = "static"
    min_family: int = 20
    seed: int = 0
    threads: int | None = None
    columns: tuple[tuple[str, str], ...] = ()
    force: bool = False

    def __post_init__(self) -> None:
        if self.min_family < 2:
            raise ValueError(f"min_family={self.min_family}: a family has at least 2 requests")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: give 0 or more")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads={self.threads}: give at least 1, or None")


@dataclass(frozen=True)
class Stage:
    """Progress of one stage; ``total`` is None while it is not known."""

    name: str
    done: int
    total: int | None
    unit: str


Progress = Callable[[Stage], None]


@dataclass
class _Clock:
    """Seconds and peak memory of each stage, told to the caller as they pass."""

    progress: Progress | None
    stages: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, name: str, done: int, total: int | None, unit: str) -> None:
        if self.progress is not None:
            self.progress(Stage(name, done, total, unit))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        self.tell(name, 0, None, "")
        yield
        self.tell(name, 1, 1, "")
        seconds = round(time.perf_counter() - started, 3)
        self.stages.append({"stage": name, "seconds": seconds, "peak_memory_mib": _peak_memory_mib()})


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
        The same tables for the same logs (in any order, split or format), settings and versions.

    Raises
    ------
    embedder.LogError
        A log that cannot be read; one line with the remedy.
    RunError
        ``out`` is in the way.
    ValueError
        An encoder or setting that does not exist.
    """
    settings = settings or RunSettings()
    paths = [logs] if isinstance(logs, str | Path) else list(logs)
    out = Path(out)
    clock = _Clock(progress)
    started = time.perf_counter()
    with clock.stage("load encoder"):
        encoder = encoder or load_encoder(
            settings.encoder, threads=settings.threads, on_status=lambda line: clock.tell(line, 0, None, "")
        )
    with clock.stage("read logs"):
        corpus = _read(paths, settings, clock)
    fingerprint = _fingerprint(corpus, settings, encoder)
    finished = _finished(out, fingerprint, force=settings.force)
    if finished is not None:
        return finished
    partial = _fresh_partial(out)
    _write_tables(corpus, encoder, partial, settings, clock)
    facts = {"fingerprint": fingerprint, "encoder_fingerprint": encoder.fingerprint}
    manifest = _manifest(corpus, settings, facts, clock, time.perf_counter() - started)
    _write_json(partial / MANIFEST, manifest)
    with clock.stage("report"):
        write_report(Run(partial), partial / "report.html")
    manifest = _manifest(corpus, settings, facts, clock, time.perf_counter() - started)
    _write_json(partial / MANIFEST, manifest)
    if out.exists():
        shutil.rmtree(out)
    partial.rename(out)
    return Run(out, encoder)


def _read(paths: Sequence[str | Path], settings: RunSettings, clock: _Clock) -> Corpus:
    n_rows = 0

    def count(rows: int, _bytes: int) -> None:
        nonlocal n_rows
        n_rows += rows
        clock.tell("read logs", n_rows, None, "rows")

    return build_corpus(paths, columns=dict(settings.columns), on_batch=count)


def _write_tables(
    corpus: Corpus, encoder: Encoder, folder: Path, settings: RunSettings, clock: _Clock
) -> None:
    """Every stage from the corpus to the map, each table written as soon as it is known."""
    cache = VectorCache(default_cache_dir() / "vectors")

    def embed_texts(stage: str) -> Callable[[pl.Series], NDArray[np.float32]]:
        def vectors_of(texts: pl.Series) -> NDArray[np.float32]:
            return embed(
                texts.to_list(),
                None,
                encoder,
                cache=cache,
                on_progress=lambda done, total: clock.tell(stage, done, total, "texts"),
            )

        return vectors_of

    def embed_rows(stage: str) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        return lambda rows: embed_texts(stage)(views.whole[rows])

    corpus.rejected.cast(dict(REJECTED)).write_parquet(folder / "rejected.parquet")
    with clock.stage("views"):
        views = build_views(corpus.prompts, corpus.requests, min_texts=max(2, settings.min_family // 2))
    with clock.stage("families"):
        family_settings = FamilySettings(settings.min_family, settings.seed, settings.threads)
        families = find_families(corpus.prompts, views, embed_rows("families"), settings=family_settings)
        assignments_table(corpus, families).write_parquet(folder / "assignments.parquet")
        prompts_table(corpus, views, families).write_parquet(folder / "prompts.parquet")
        save_assigner(folder, views, families)
    with clock.stage("templates"):
        templates = _templates(views, families, clock)
        slots_table(corpus, families, templates).write_parquet(folder / "slots.parquet")
    with clock.stage("signals"):
        evidence = _evidence(
            corpus,
            families,
            templates,
            (_payloads(views.whole, families, templates), embed_texts("signals")),
            ordinary=views.rule.ordinary_words,
            seed=settings.seed,
        )
        families_table(corpus, families, templates, evidence).write_parquet(folder / "families.parquet")
    with clock.stage("map"):
        projection: Projection = project(
            families.labels, embed_rows("map"), seed=settings.seed, threads=settings.threads
        )
        map_table(corpus, families, projection).write_parquet(folder / "map.parquet")


def _templates(views: Views, families: Families, clock: _Clock) -> list[Template]:
    order = np.argsort(families.labels, kind="stable")
    edges = np.searchsorted(families.labels[order], np.arange(len(families.ids) + 1))
    templates = []
    for label, medoid in enumerate(families.medoids):
        members = np.sort(order[edges[label] : edges[label + 1]])
        templates.append(family_template(views.whole, members, int(medoid)))
        clock.tell("templates", label + 1, len(families.ids), "families")
    return templates


def _evidence(
    corpus: Corpus,
    families: Families,
    templates: list[Template],
    payloads: tuple[pl.Series, Callable[[pl.Series], NDArray[np.float32]]],
    *,
    ordinary: int,
    seed: int,
) -> Evidence:
    requests = corpus.requests
    prompts = requests["prompt_row"].to_numpy().astype(np.int64)
    hours = requests["timestamp"].dt.epoch("us").cast(pl.Float64).fill_null(np.nan).to_numpy() / 3.6e9
    traffic = Traffic(
        prompts,
        requests["principal_row"].to_numpy().astype(np.int64),
        hours,
        families.labels[prompts],
        len(families.ids),
    )
    fillers = [[_frequencies(slot) for slot in template.fillers] for template in templates]
    return weigh(
        traffic,
        fillers,
        payloads,
        akin=variants_of(templates, ordinary),
        templated=families.views == 0,
        seed=seed,
    )


def _payloads(whole: pl.Series, families: Families, templates: list[Template]) -> pl.Series:
    """What each prompt says beyond its family's template; the whole text outside of families, null if not read."""
    texts = whole.to_frame("text").select(pl.when(pl.lit(pl.Series(families.labels < 0))).then("text"))
    filled = pl.DataFrame(
        [
            (int(row), "\n".join(slot[place] for slot in template.fillers))
            for template in templates
            for place, row in enumerate(template.rows)
        ],
        schema={"row": pl.Int64, "filled": pl.String},
        orient="row",
    )
    rows = pl.DataFrame({"row": np.arange(len(whole))}).join(
        filled, on="row", how="left", maintain_order="left"
    )
    return texts.to_series().zip_with(pl.Series(families.labels < 0), rows["filled"])


def _frequencies(fillers: list[str]) -> NDArray[np.int64]:
    return np.unique([filler for filler in fillers if filler], return_counts=True)[1]


def _fingerprint(corpus: Corpus, settings: RunSettings, encoder: Encoder) -> str:
    """Hash of what decides the result: the requests, the settings and the encoder; not where they lie."""
    digest = hashlib.blake2b(digest_size=16)
    decisive = {key: value for key, value in asdict(settings).items() if key not in ("force", "threads")}
    digest.update(json.dumps([SCHEMA_VERSION, version("covey"), encoder.fingerprint, decisive]).encode())
    for part in (corpus.prompts["prompt_id"], corpus.requests["request_id"], corpus.accounts["account_id"]):
        digest.update("\n".join(part.to_list()).encode())
    times = corpus.requests["timestamp"].dt.epoch("us").fill_null(-1)
    for column in (corpus.requests["prompt_row"], corpus.requests["account_row"], times):
        digest.update(column.to_numpy().tobytes())
    return digest.hexdigest()


def _finished(out: Path, fingerprint: str, *, force: bool) -> Run | None:
    """The run that is there already; None when it is to be made."""
    if not out.exists():
        return None
    if not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise RunError(f"{out}: exists and is not a run directory; give another --out")
    if force or not any(out.iterdir()):
        return None
    if json.loads((out / MANIFEST).read_text(encoding="utf-8")).get("fingerprint") == fingerprint:
        return load_run(out)
    raise RunError(f"{out}: holds a run of other logs or settings; give another --out, or --force")


def _fresh_partial(out: Path) -> Path:
    """An empty private folder beside the run directory; what a killed run left there goes."""
    partial = out.with_name(out.name + ".partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700)
    except OSError as error:
        raise RunError(f"{partial}: cannot be written ({error.strerror}); give another --out") from None
    return partial


def _manifest(
    corpus: Corpus, settings: RunSettings, facts: dict[str, str], clock: _Clock, seconds: float
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        **facts,
        "settings": {**asdict(settings), "columns": dict(settings.columns)},
        "versions": {name: version(name) for name in _VERSIONS},
        "inputs": [asdict(record) for record in corpus.files],
        "counts": {
            "rows_read": corpus.n_rows_read,
            "requests": corpus.requests.height,
            "rejected": corpus.rejected.height,
            "prompts": corpus.prompts.height,
            "accounts": corpus.accounts.height,
            "principals": corpus.principals.height,
        },
        "stages": clock.stages,
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _peak_memory_mib() -> int | None:
    """Largest resident size of the process so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    import sys

    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
