"""The drill: a run over the log alone, then one per share over the log with plants, then ``drill.json``.

Contract
--------
- The logs are read, never written or copied: plants lie in a file of their own that is read with them.
- ``out`` is complete or absent. Work happens in ``out.partial``, readable by its owner alone, and is renamed
  at the end. What a killed drill finished there is not done again.
- The same logs (in any order, split or format), settings and versions give the same findings, seconds apart.
- With several campaigns to a run they stand beside each other in one queue, as they would in traffic. That
  can help (flags are given at a false discovery rate, which more true families relax) or hide (two campaigns
  with a text in common become one); ``apart`` says what it did, for as many runs more.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from clustering import pipeline
from clustering.coverage import read_library
from clustering.drill.findings import Planting, baseline_of, planting_of
from clustering.drill.place import BASELINE, PLANTING, check_place, log_files, publish
from clustering.drill.planting import plant, write_planted
from clustering.drill.profile import LogProfile, log_profile, ordinary_prompts
from clustering.drill.results import (
    RESULT,
    Drill,
    kept_planting,
    load_drill,
    mark_of,
    write_drill,
    write_planting,
)
from clustering.drill.settings import SHARES, DrillSettings, possible_shares, sized
from clustering.inputs import read_corpus
from clustering.manifest import fingerprint
from clustering.registry import load_registry
from clustering.results import Run, RunError
from clustering.run_directory import exclusive, resolved, work_folder
from clustering.simulation import CampaignPlan
from clustering.stages import Progress, Stage
from embedder import Encoder, load_encoder

RECIPE = 1  # raise it when the same drill plants or counts otherwise
_RUN = "run"


def drill(
    logs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    settings: DrillSettings | None = None,
    encoder: Encoder | None = None,
    progress: Progress | None = None,
) -> Drill:
    """Plant campaigns into logs, run, and compare.

    Parameters
    ----------
    logs
        Files, folders or globs, as of ``clustering.run``.
    out
        Directory to make; it holds ``drill.json`` and, with ``settings.keep``, ``baseline`` (a run directory)
        and a folder for each planting: ``planted.parquet``, ``truth.parquet`` and ``run``.
    settings
    encoder
        Instead of ``settings.run.encoder``.
    progress
        Told of each run, with its stages as notes.

    Raises
    ------
    embedder.LogError
        A log that cannot be read.
    RunError
        ``out`` is in the way, or lies among the logs.
    ValueError
        A share at which the log holds too few requests of a campaign; a setting that does not exist.
    """
    settings = settings or DrillSettings()
    place = resolved(Path(out))
    paths = log_files([logs] if isinstance(logs, str | Path) else logs, place)
    check_place(place, force=settings.run.force)
    with exclusive(place):
        made = _made(paths, place, settings, encoder, progress)
    return replace(made, path=Path(out))


def _made(
    paths: list[str],
    place: Path,
    settings: DrillSettings,
    encoder: Encoder | None,
    progress: Progress | None,
) -> Drill:
    """The drill of this place, made where it is not there yet."""
    registry, library = load_registry(settings.run.registry), read_library(settings.run.patterns)
    unforced = replace(settings.run, force=False)
    encoder = encoder or load_encoder(settings.run.encoder, threads=settings.run.threads)
    _tell(progress, "read logs")
    corpus = read_corpus(paths, settings.run)
    profile, n_rejected = log_profile(corpus), corpus.rejected.height
    log_mark = _hash([RECIPE, fingerprint(corpus, unforced, encoder, registry=registry, library=library)])
    del corpus  # each run reads the logs again: two at once are what memory would run out for
    _tell(progress, "read logs", ended=True)
    plan = _planned(settings, profile, log_mark)
    if (place / RESULT).is_file() and not settings.run.force:
        if mark_of(place) != plan.mark:
            raise RunError(
                f"{place}: holds a drill of other logs or settings; give another --out, or --force"
            )
        return replace(load_drill(place), was_complete=True)
    work = _Work(paths, work_folder(place), settings, encoder, progress)
    made = _drilled(work, plan, profile, n_rejected=n_rejected)
    publish(work.folder, place, keep=settings.keep)
    return made


@dataclass(frozen=True)
class _Plan:
    """What is to be done: the plants of each run, and a hash of all that decides the findings."""

    plantings: tuple[tuple[float, tuple[CampaignPlan, ...]], ...]
    plans: tuple[CampaignPlan, ...]
    notes: tuple[str, ...]
    log_mark: str

    @property
    def mark(self) -> str:
        return _hash([self.log_mark, [_planting_mark(self.log_mark, *each) for each in self.plantings]])


@dataclass(frozen=True, eq=False)
class _Work:
    paths: list[str]
    folder: Path
    settings: DrillSettings
    encoder: Encoder
    progress: Progress | None

    def run(self, folder: Path, name: str, *extra: Path) -> Run:
        """The finished run in a folder, made where it is not there yet, is broken or is of another log."""
        told = _relayed(self.progress, name)
        run_settings = replace(self.settings.run, force=False)
        logs: list[str | Path] = [*self.paths, *extra]
        try:
            made = pipeline.run(logs, folder, settings=run_settings, encoder=self.encoder, progress=told)
        except RunError:
            shutil.rmtree(folder, ignore_errors=True)
            made = pipeline.run(logs, folder, settings=run_settings, encoder=self.encoder, progress=told)
        _tell(self.progress, name, ended=True)
        return made


def _planned(settings: DrillSettings, profile: LogProfile, log_mark: str) -> _Plan:
    plans, n = settings.plans, profile.n_requests
    groups = [(plan,) for plan in plans] if settings.apart else [plans]
    shares = possible_shares(settings, groups, n)
    notes = []
    if left := [share for share in SHARES if settings.shares is None and share not in shares]:
        notes.append(
            f"Left out: {', '.join(f'{share:g}' for share in left)}. {n:,} requests hold too few of a "
            "campaign at it, or the campaigns would be more than half of all."
        )
    if profile.first is None:
        notes.append("The log has no times, so the plants have none: nothing can be told by schedules.")
    plantings = tuple((share, sized(group, share, n)) for share in shares for group in groups)
    return _Plan(plantings, plans, tuple(notes), log_mark)


def _drilled(work: _Work, plan: _Plan, profile: LogProfile, *, n_rejected: int) -> Drill:
    alone = work.run(work.folder / BASELINE, "log alone")
    prompts, found = ordinary_prompts(alone), []
    for share, plans in plan.plantings:
        name = _planting_name(share, plans if work.settings.apart else ())
        mark = _planting_mark(plan.log_mark, share, plans)
        made = kept_planting(work.folder, name, mark)
        if made is None or (work.settings.keep and not (work.folder / name / _RUN).is_dir()):
            made = _one_planting(work, name, profile, prompts, share=share, plans=plans)
            write_planting(work.folder, name, mark, made)
        found.append(made)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    result = Drill(work.folder, created, baseline_of(alone), tuple(found), plan.plans, plan.notes, n_rejected)
    write_drill(result, plan.mark)
    return result


def _one_planting(
    work: _Work,
    name: str,
    profile: LogProfile,
    prompts: Sequence[str],
    *,
    share: float,
    plans: tuple[CampaignPlan, ...],
) -> Planting:
    folder = work.folder / name
    folder.mkdir(mode=0o700, exist_ok=True)
    planted = plant(profile, prompts, plans, seed=work.settings.run.seed)
    file = write_planted(planted, folder, columns=dict(work.settings.run.columns))
    made = planting_of(work.run(folder / _RUN, name.replace("_", " "), file), planted, share=share)
    if not work.settings.keep:
        shutil.rmtree(folder)
    return made


def _planting_name(share: float, plans: tuple[CampaignPlan, ...]) -> str:
    return "_".join([f"{PLANTING}{share:g}", *(plan.label for plan in plans)])


def _planting_mark(log_mark: str, share: float, plans: tuple[CampaignPlan, ...]) -> str:
    return _hash([log_mark, share, [asdict(plan) for plan in plans]])


def _hash(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def _tell(progress: Progress | None, name: str, *, note: str = "", ended: bool = False) -> None:
    if progress is not None:
        progress(Stage(name, int(ended), 1 if ended else None, "", note, ended))


def _relayed(progress: Progress | None, name: str) -> Progress:
    """Tells of a run's stages as notes of one stage of the drill."""
    return lambda stage: _tell(progress, name, note=stage.name)
