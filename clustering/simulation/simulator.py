"""Whole logs with their truth: ordinary people, look-alikes and campaigns, in the order of time.

Everything random comes from one ``numpy`` generator per part, spawned from the seed, so that a look-alike or
campaign that is switched off leaves the others' names and prompts alone. The same settings and seed give the
same frames. Time and memory are linear in the number of requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from clustering.results import MANIFEST

from . import lookalikes_crowd as crowds
from . import lookalikes_machines as machines
from .accounts import People, World, make_people, make_world
from .campaigns import campaign_requests
from .organic import organic_requests
from .settings import LOOKALIKES, SimulationSettings

_FILES = ("requests.parquet", "truth.parquet")
_TRUTH = ("request_id", "kind", "group", "family")
_REQUESTS = (
    "request_id", "timestamp", "account_id", "org_id", "system_prompt", "prompt", "model", "output_tokens",
)  # fmt: skip

Writer = Callable[..., list[pl.DataFrame]]
_WRITERS: dict[str, Writer] = {
    name: getattr(crowds if hasattr(crowds, name) else machines, name) for name in LOOKALIKES
}


@dataclass(frozen=True)
class Simulation:
    """A simulated log.

    Parameters
    ----------
    requests : a request a row, by time: ``request_id``, ``timestamp`` (UTC, microseconds), ``account_id``,
        ``org_id`` and ``system_prompt`` (null for most), ``prompt``, ``model``, ``output_tokens``.
    truth : the same rows: ``request_id``, ``kind`` ("organic", "benign:<look-alike>" or "campaign"),
        ``group`` (a look-alike or campaign; null for ordinary accounts) and ``family``
        ("campaign/template"; null for all that is not of a campaign).
    """

    requests: pl.DataFrame
    truth: pl.DataFrame


def simulate(settings: SimulationSettings | None = None, *, seed: int) -> Simulation:
    """Simulate a log of exactly ``settings.n_requests`` requests.

    Raises
    ------
    ValueError
        Campaigns (with their accounts' ordinary requests) and look-alikes leave no room for the log's size.
    """
    settings = settings or SimulationSettings()
    world = make_world(settings)
    blocks: list[pl.DataFrame] = []
    n_left = settings.n_requests
    for plan, n in zip(settings.plans, _campaign_sizes(settings), strict=True):
        if n:
            block = campaign_requests(world, plan, n, rng=_generator(seed, "campaign", plan.name))
            blocks.append(block)
            n_left -= len(block)
    sizes = _lookalike_sizes(settings)
    n_left -= sum(sizes.values())
    if n_left < 0:
        raise ValueError(
            f"campaigns with their ordinary requests and look-alikes need {settings.n_requests - n_left} "
            f"requests, n_requests={settings.n_requests}; raise it, or lower the shares"
        )
    crowd = _crowd(world, n_left, seed=seed)
    for name, n in sizes.items():
        if n:
            blocks += _WRITERS[name](world, crowd, n, rng=_generator(seed, "lookalike", name))
    blocks.append(organic_requests(world, crowd, n_left, rng=_generator(seed, "organic", "requests")))
    return _in_order(pl.concat(blocks), settings)


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


def _campaign_sizes(settings: SimulationSettings) -> list[int]:
    """Extraction requests of each campaign: the plans' own, or rescaled to the wanted share."""
    wanted = [plan.n_requests for plan in settings.plans]
    if settings.campaign_share is None or not wanted:
        return wanted
    return _divided(round(settings.campaign_share * settings.n_requests), wanted)


def _lookalike_sizes(settings: SimulationSettings) -> dict[str, int]:
    total = round(settings.lookalike_share * settings.n_requests) if settings.lookalikes else 0
    weights = [LOOKALIKES[name] for name in settings.lookalikes]
    return dict(zip(settings.lookalikes, _divided(total, weights), strict=True))


def _divided(total: int, weights: list[int] | list[float]) -> list[int]:
    """Whole numbers in proportion to `weights` that add up to `total`."""
    ends = np.round(np.cumsum(weights) / max(sum(weights), 1e-9) * total).astype(np.int64)
    return [int(n) for n in np.diff(ends, prepend=0)]


def _crowd(world: World, n_requests: int, *, seed: int) -> People:
    n_accounts = max(1, round(n_requests / world.settings.requests_per_account))
    return make_people(world, n_accounts, rng=_generator(seed, "organic", "people"))


def _generator(seed: int, part: str, name: str) -> np.random.Generator:
    """A generator of one part of the log; parts have streams of their own, whatever else is switched on."""
    return np.random.default_rng([seed, *f"{part}/{name}".encode()])


def _in_order(blocks: pl.DataFrame, settings: SimulationSettings) -> Simulation:
    """Order by time and number the requests."""
    start = int(settings.start.timestamp() * 1_000_000)
    ordered = blocks.sort("time", "account_id", "prompt", maintain_order=True).with_columns(
        request_id=pl.format("req_{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(9)),
        timestamp=(pl.col("time") + start).cast(pl.Datetime("us", "UTC")),
    )
    return Simulation(requests=ordered.select(_REQUESTS), truth=ordered.select(_TRUTH))
