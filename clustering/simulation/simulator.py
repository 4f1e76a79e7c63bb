"""Whole logs with their truth: ordinary people, look-alikes and campaigns, in the order of time.

Everything random comes from one ``numpy`` generator per part, spawned from the seed, so that a look-alike or
campaign that is switched off leaves the others' names and prompts alone. The same settings and seed give the
same frames. Time is linear in the number of requests.

A log of more than ``PART_REQUESTS`` is made in parts of equal size: each has people and look-alikes of its
own, and a slice of every campaign, whose accounts, schedule and wordings are the same in all parts. So memory
is that of a part. Each part is in the order of time; the parts are not, and need not be: a run puts requests
into the order of their contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from .accounts import People, World, make_people, make_world
from .campaigns import campaign_slices
from .habits import divided, drawn_plans, part_generator
from .lookalikes import WRITERS
from .organic import organic_requests
from .plans import CampaignPlan
from .settings import LOOKALIKES, SimulationSettings

PART_REQUESTS = 1_000_000
_TRUTH = ("request_id", "kind", "group", "family")
_REQUESTS = (
    "request_id", "timestamp", "account_id", "org_id", "session_id", "system_prompt", "prompt", "messages",
    "model", "output_tokens",
)  # fmt: skip
_BATCH = 200_000  # ordinary requests that are written at a time: bounds the memory for texts in Python

Told = Callable[[int], None]


@dataclass(frozen=True)
class Simulation:
    """A simulated log, or a part of one.

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
        Look-alikes of the parts after the first are groups of their own, "product_0@1".
    plans : the campaigns that are in the log, with the habits and sizes that they have in all of it.
    """

    requests: pl.DataFrame
    truth: pl.DataFrame
    plans: tuple[CampaignPlan, ...] = ()


def simulate(settings: SimulationSettings | None = None, *, seed: int) -> Simulation:
    """Simulate a log of exactly ``settings.n_requests`` requests, in memory.

    Raises
    ------
    ValueError
        Campaigns (with their accounts' ordinary requests) and look-alikes leave no room for the log's size.
    """
    parts = list(simulated_parts(settings or SimulationSettings(), seed=seed))
    requests, truth = (
        pl.concat([getattr(part, name) for part in parts]) if len(parts) > 1 else getattr(parts[0], name)
        for name in ("requests", "truth")
    )
    return Simulation(requests, truth, parts[0].plans)


def simulated_parts(
    settings: SimulationSettings,
    *,
    seed: int,
    part_requests: int = PART_REQUESTS,
    told: Told | None = None,
) -> Iterator[Simulation]:
    """The parts of a log, of at most about `part_requests` requests each; at least one, if it has no row.

    ``request_id`` counts on from part to part. `told` hears of the requests that are written.

    Raises
    ------
    ValueError
        At once, as ``simulate``.
    """
    plans = drawn_plans(settings, seed=seed)
    sizes = _lookalike_sizes(settings)
    n_planned = sum(plan.n_requests + plan.n_ordinary for plan in plans) + sum(sizes.values())
    if n_planned > settings.n_requests:
        raise ValueError(
            f"campaigns with their ordinary requests and look-alikes need {n_planned} requests, "
            f"n_requests={settings.n_requests}; raise it, or lower the shares or the mixing"
        )
    n_parts = max(1, -(-settings.n_requests // part_requests))
    log = _Log(make_world(settings, seed=seed), plans, sizes, settings.n_requests - n_planned, seed, n_parts)
    return _parts(log, told or (lambda n: None))


@dataclass(frozen=True)
class _Log:
    """What a log is made of: `sizes` of the look-alikes, and `n_left` ordinary requests of the crowd."""

    world: World
    plans: tuple[CampaignPlan, ...]
    sizes: dict[str, int]
    n_left: int
    seed: int
    n_parts: int

    def share(self, n: int, part: int) -> int:
        """How many of `n` requests are in a part."""
        return divided(n, [1] * self.n_parts)[part]

    def generator(self, name: str, of: str, part: int) -> np.random.Generator:
        """A generator of its own for each part of the log; that of the first is that of a log of one."""
        return part_generator(self.seed, name, f"{of}@{part}" if part else of)


def _parts(log: _Log, told: Told) -> Iterator[Simulation]:
    campaigns = [
        campaign_slices(
            log.world, plan, rng=part_generator(log.seed, "campaign", plan.label), n_slices=log.n_parts
        )
        for plan in log.plans
    ]
    n_before = 0
    for part in range(log.n_parts):
        blocks = []
        for block in _blocks(log, campaigns, part):
            blocks.append(block)
            told(block.height)
        n_rows = sum(block.height for block in blocks)
        # No name here for what is handed out: it would be kept while the next part is made.
        yield Simulation(*_in_order(blocks, log.world.settings, n_before), log.plans)
        n_before += n_rows


def _blocks(log: _Log, campaigns: list[Iterator[list[pl.DataFrame]]], part: int) -> Iterator[pl.DataFrame]:
    """The frames of a part: the next slice of each campaign, its look-alikes, its ordinary people."""
    for campaign in campaigns:
        yield from next(campaign)
    n_left = log.share(log.n_left, part)
    n_accounts = max(1, round(n_left / log.world.settings.requests_per_account))
    crowd = make_people(log.world, n_accounts, rng=log.generator("organic", "people", part))
    for name, size in log.sizes.items():
        n = log.share(size, part)
        listed = WRITERS[name](log.world, crowd, n, rng=log.generator("lookalike", name, part)) if n else []
        for block in listed:
            yield block.with_columns(pl.col("group") + f"@{part}") if part else block
    yield from _ordinary(log, crowd, n_left, part)


def _lookalike_sizes(settings: SimulationSettings) -> dict[str, int]:
    total = round(settings.lookalike_share * settings.n_requests) if settings.lookalikes else 0
    weights = [LOOKALIKES[name] for name in settings.lookalikes]
    return dict(zip(settings.lookalikes, divided(total, weights), strict=True))


def _ordinary(log: _Log, crowd: People, n: int, part: int) -> Iterator[pl.DataFrame]:
    """The crowd's ordinary requests, some people at a time."""
    n_batches = max(1, -(-n // _BATCH))
    ends = np.linspace(0, len(crowd), n_batches + 1).round().astype(np.int64)
    batches = [crowd.take(np.arange(begin, end)) for begin, end in pairwise(ends.tolist())]
    volumes = np.array([batch.volume.sum() for batch in batches])
    rng = log.generator("organic", "parts", part)
    sizes = rng.multinomial(n, volumes / volumes.sum()).tolist()
    for place, (batch, size) in enumerate(zip(batches, sizes, strict=True)):
        own = log.generator("organic", f"requests {place}", part)
        yield organic_requests(log.world, batch, size, rng=own)


def _in_order(
    blocks: list[pl.DataFrame], settings: SimulationSettings, n_before: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Order by time and number the requests; `blocks` is emptied, for memory."""
    start = int(settings.start.timestamp() * 1_000_000)
    rows = pl.concat(blocks)
    blocks.clear()
    ordered = rows.sort("time", "account_id", "prompt", maintain_order=True).with_columns(
        request_id=pl.format(
            "req_{}", pl.int_range(n_before, n_before + pl.len()).cast(pl.String).str.zfill(9)
        ),
        timestamp=(pl.col("time") + start).cast(pl.Datetime("us", "UTC")),
    )
    return ordered.select(_REQUESTS), ordered.select(_TRUTH)
