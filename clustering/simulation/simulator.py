"""Whole logs with their truth: ordinary people, look-alikes and campaigns, in the order of time.

Everything random comes from one ``numpy`` generator per part, spawned from the seed, so that a look-alike or
campaign that is switched off leaves the others' names and prompts alone. The same settings and seed give the
same frames. Time and memory are linear in the number of requests.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from clustering.results import MANIFEST

from .accounts import People, World, make_people, make_world
from .campaigns import campaign_requests
from .habits import divided, drawn_plans, part_generator
from .lookalikes import WRITERS
from .organic import organic_requests
from .plans import CampaignPlan
from .settings import LOOKALIKES, SimulationSettings

_FILES = ("requests.parquet", "truth.parquet")
_TRUTH = ("request_id", "kind", "group", "family")
_REQUESTS = (
    "request_id", "timestamp", "account_id", "org_id", "session_id", "system_prompt", "prompt", "messages",
    "model", "output_tokens",
)  # fmt: skip
_BATCH = 200_000  # ordinary requests that are written at a time: bounds the memory for texts in Python


@dataclass(frozen=True)
class Simulation:
    """A simulated log.

    Parameters
    ----------
    requests : a request a row, by time: ``request_id``, ``timestamp`` (UTC, microseconds), ``account_id``,
        ``org_id``, ``session_id`` and ``system_prompt`` (null for most), ``prompt``, ``messages`` (role and
        content of each turn so far, the prompt last; null for a single prompt), ``model``,
        ``output_tokens``.
    truth : the same rows: ``request_id``, ``kind`` ("organic", "benign:<look-alike>" or "campaign"),
        ``group`` (a look-alike or campaign; null for ordinary accounts) and ``family``
        ("campaign/template", "campaign/template#2" for the second of several wordings,
        "campaign/plain:…" for what has no text in common; null for all that is not of a campaign).
    plans : the campaigns that are in it, with the habits and sizes that they have here.
    """

    requests: pl.DataFrame
    truth: pl.DataFrame
    plans: tuple[CampaignPlan, ...] = ()


def simulate(settings: SimulationSettings | None = None, *, seed: int) -> Simulation:
    """Simulate a log of exactly ``settings.n_requests`` requests.

    Raises
    ------
    ValueError
        Campaigns (with their accounts' ordinary requests) and look-alikes leave no room for the log's size.
    """
    settings = settings or SimulationSettings()
    world = make_world(settings, seed=seed)
    plans = drawn_plans(settings, seed=seed)
    sizes = _lookalike_sizes(settings)
    n_planned = sum(plan.n_requests + plan.n_ordinary for plan in plans) + sum(sizes.values())
    n_left = settings.n_requests - n_planned
    if n_left < 0:
        raise ValueError(
            f"campaigns with their ordinary requests and look-alikes need {n_planned} requests, "
            f"n_requests={settings.n_requests}; raise it, or lower the shares or the mixing"
        )
    blocks = [
        campaign_requests(world, plan, rng=part_generator(seed, "campaign", plan.label)) for plan in plans
    ]
    crowd = _crowd(world, n_left, seed=seed)
    for name, n in sizes.items():
        if n:
            blocks += WRITERS[name](world, crowd, n, rng=part_generator(seed, "lookalike", name))
    blocks += _ordinary(world, crowd, n_left, seed=seed)
    requests, truth = _in_order(pl.concat(blocks), settings)
    return Simulation(requests, truth, plans)


def check_folder(folder: Path | str, *, force: bool = False) -> None:
    """Refuse, before the work, a folder that ``write_simulation`` would refuse.

    Raises
    ------
    ValueError
        `folder` is a file; or it holds a log, its truth or a run, and not `force`.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for requests.parquet and truth.parquet")
    for name in (*_FILES, MANIFEST):
        if not force and (folder / name).exists():
            raise ValueError(f"{folder}: holds {name} already; give another --out, or --force")


def write_simulation(simulation: Simulation, folder: Path | str, *, force: bool = False) -> None:
    """Write ``requests.parquet`` and ``truth.parquet`` into a folder, which is made when it is not there.

    Each file is complete or absent: it is written under another name and then renamed. `force` replaces
    those that are there.

    Raises
    ------
    ValueError
        `folder` is a file; or it holds a log, its truth or a run, and not `force`.
    """
    check_folder(folder, force=force)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("truth", "requests"):
        partial = folder / f".{name}.parquet.{os.getpid()}.partial"
        try:
            getattr(simulation, name).write_parquet(partial, compression="zstd")
            partial.replace(folder / f"{name}.parquet")
        finally:
            partial.unlink(missing_ok=True)


def _lookalike_sizes(settings: SimulationSettings) -> dict[str, int]:
    total = round(settings.lookalike_share * settings.n_requests) if settings.lookalikes else 0
    weights = [LOOKALIKES[name] for name in settings.lookalikes]
    return dict(zip(settings.lookalikes, divided(total, weights), strict=True))


def _crowd(world: World, n_requests: int, *, seed: int) -> People:
    n_accounts = max(1, round(n_requests / world.settings.requests_per_account))
    return make_people(world, n_accounts, rng=part_generator(seed, "organic", "people"))


def _ordinary(world: World, crowd: People, n: int, *, seed: int) -> list[pl.DataFrame]:
    """The crowd's ordinary requests, some people at a time."""
    n_parts = max(1, -(-n // _BATCH))
    ends = np.linspace(0, len(crowd), n_parts + 1).round().astype(np.int64)
    parts = [crowd.take(np.arange(begin, end)) for begin, end in pairwise(ends.tolist())]
    volumes = np.array([part.volume.sum() for part in parts])
    sizes = part_generator(seed, "organic", "parts").multinomial(n, volumes / volumes.sum()).tolist()
    return [
        organic_requests(world, part, size, rng=part_generator(seed, "organic", f"requests {place}"))
        for place, (part, size) in enumerate(zip(parts, sizes, strict=True))
    ]


def _in_order(blocks: pl.DataFrame, settings: SimulationSettings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Order by time and number the requests."""
    start = int(settings.start.timestamp() * 1_000_000)
    ordered = blocks.sort("time", "account_id", "prompt", maintain_order=True).with_columns(
        request_id=pl.format("req_{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(9)),
        timestamp=(pl.col("time") + start).cast(pl.Datetime("us", "UTC")),
    )
    return ordered.select(_REQUESTS), ordered.select(_TRUTH)
