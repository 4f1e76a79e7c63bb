"""Campaigns written into a log: requests in its period, its columns, its models and its spelling of ids.

Each campaign is written by ``clustering.simulation`` in a world of the log's length and comes out of a random
stream of its own, so that it does not depend on which others are planted beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from clustering.drill.payloads import inhabited, with_own_payloads
from clustering.drill.profile import LogProfile
from clustering.simulation import CampaignPlan, SimulationSettings
from clustering.simulation.accounts import DAY_US, MODELS, NEW_MODEL, World, make_world
from clustering.simulation.campaigns import campaign_requests
from clustering.tables import TIME
from embedder.reading import LOG_COLUMNS

_ORDINARY_TOKENS = 240.0  # median of the simulator's ordinary requests
_SOMEDAY = datetime(2026, 3, 2, tzinfo=UTC)  # for a log without times, whose plants lose theirs again
_BY_USE = (1, 0, 2)  # the simulator's models, the most used one first
_TRUTH = ("request_id", "account_id", "kind", "group", "family")


@dataclass(frozen=True, eq=False)
class Planted:
    """What is planted.

    Parameters
    ----------
    requests : a request a row, columns ``LOG_COLUMNS``; null where the log has no such column.
    truth : the same rows: ``request_id``, ``account_id``, ``kind`` ("campaign", or "organic" for the ordinary
        requests of a campaign's accounts), ``group`` (the campaign) and ``family``.
    plans : the campaigns at their sizes.
    """

    requests: pl.DataFrame
    truth: pl.DataFrame
    plans: tuple[CampaignPlan, ...]


def plant(
    profile: LogProfile, prompts: Sequence[str], plans: Sequence[CampaignPlan], *, seed: int
) -> Planted:
    """Write campaigns of exactly ``plan.n_requests`` requests each for a log.

    Parameters
    ----------
    profile : of the log.
    prompts : what its people ask, see ``profile.ordinary_prompts``; () takes the simulator's.
    plans : at their sizes; each has accounts of its own.
    seed : the same arguments give the same rows.
    """
    world = inhabited(_world(profile, seed=seed), prompts)
    blocks = []
    for plan in plans:
        rng = _stream(seed, "campaign", plan.label)
        block = campaign_requests(world, plan, rng=rng)
        blocks.append(with_own_payloads(block, plan, prompts, rng=_stream(seed, "payloads", plan.label)))
    rows = pl.concat(blocks).sort("time", "group", "account_id", "prompt", maintain_order=True)
    rows = _named(rows, profile, rng=_stream(seed, "names", ""))
    rows = _as_logged(rows, world, profile, rng=_stream(seed, "columns", ""))
    return Planted(rows.select(LOG_COLUMNS), rows.select(_TRUTH), tuple(plans))


def write_planted(planted: Planted, folder: Path, *, columns: Mapping[str, str]) -> Path:
    """Write ``planted.parquet``, under the names that the log has for its columns, and ``truth.parquet``.

    Returns
    -------
    Path
        Of the former, to be read together with the log.
    """
    named = {columns.get(name, name): planted.requests[name] for name in reversed(LOG_COLUMNS)}
    pl.DataFrame(named).write_parquet(folder / "planted.parquet")
    planted.truth.write_parquet(folder / "truth.parquet")
    return folder / "planted.parquet"


def _stream(seed: int, part: str, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, *f"drill/{part}/{name}".encode()])


def _midnight(profile: LogProfile) -> datetime:
    first = profile.first or _SOMEDAY
    return first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _world(profile: LogProfile, *, seed: int) -> World:
    """The simulator's world on the days of the log, by the calendar: people keep hours and weekends."""
    start, last = _midnight(profile), profile.last or _SOMEDAY + timedelta(days=13)
    released = profile.released
    settings = SimulationSettings(
        n_requests=profile.n_requests,
        days=(last - start).days + 1,
        campaigns=(),
        lookalikes=(),
        campaign_share=None,
        languages=("en",),
        release_day=None if released is None else (released - start) / timedelta(days=1),
        start=start,
    )
    return make_world(settings, seed=seed)


def _named(rows: pl.DataFrame, profile: LogProfile, *, rng: np.random.Generator) -> pl.DataFrame:
    """New identifiers in the log's style; each account of each campaign is one of its own."""
    rows = rows.with_columns(request_id=profile.styles["request_id"].draw(rows.height, rng=rng))
    accounts = rows.select("group", "account_id").unique(maintain_order=True)
    named = accounts.with_columns(
        new=profile.styles["account_id"].draw(accounts.height, rng=rng),
        # Where accounts belong to organisations, so do these; no two to one, or the log would give them away.
        org=profile.styles["org_id"].draw(accounts.height, rng=rng),
        organised=pl.Series(rng.random(accounts.height) < profile.filled["org_id"]),
    )
    sessions = rows.select("session_id").drop_nulls().unique(maintain_order=True)
    spoken = sessions.with_columns(session=profile.styles["session_id"].draw(sessions.height, rng=rng))
    joined = rows.join(named, on=["group", "account_id"], how="left", maintain_order="left")
    return joined.join(spoken, on="session_id", how="left", maintain_order="left").with_columns(
        account_id="new", org_id=pl.when("organised").then("org"), session_id="session"
    )


def _as_logged(
    rows: pl.DataFrame, world: World, profile: LogProfile, *, rng: np.random.Generator
) -> pl.DataFrame:
    """Times, models and token counts as the log has them; what it lacks, or has now and then, likewise."""
    micros = _in_period(rows["time"], world, profile) + int(world.settings.start.timestamp()) * 1_000_000
    models = {NEW_MODEL: profile.new_model} if profile.new_model else {}
    for place, used in enumerate(_BY_USE):
        if profile.models:
            models[MODELS[used]] = profile.models[min(place, len(profile.models) - 1)]
    scale = profile.median_tokens / _ORDINARY_TOKENS
    tokens = (pl.col("output_tokens") * (0.0 if np.isnan(scale) else scale)).round().cast(pl.Int64)
    rows = rows.with_columns(
        timestamp=micros.cast(TIME),
        model=pl.col("model").replace_strict(models, default=None, return_dtype=pl.String),
        output_tokens=tokens.clip(1),
    )
    gaps = {
        name: pl.Series(rng.random(rows.height) < profile.filled[name])
        for name in ("timestamp", "model", "output_tokens")
    }
    # Sessions are only some clients'; the simulator leaves them out for the others.
    gaps |= {
        name: pl.repeat(profile.filled[name] > 0, rows.height, dtype=pl.Boolean, eager=True)
        for name in ("session_id", "system_prompt", "messages")
    }
    return rows.with_columns(pl.when(kept).then(pl.col(name)).alias(name) for name, kept in gaps.items())


def _in_period(times: pl.Series, world: World, profile: LogProfile) -> pl.Series:
    """Microseconds after midnight of the first day, inside the log's period.

    What lies before its first request or after its last moves by a day; in a log of less than a day, time
    runs faster instead.
    """
    if profile.first is None or profile.last is None:
        return times
    begin, end = (
        (moment - world.settings.start) // timedelta(microseconds=1)
        for moment in (profile.first, profile.last)
    )
    if end - begin < DAY_US:
        return (times * ((end - begin) / world.window_us)).cast(pl.Int64) + begin
    moments = times.to_numpy()
    moments = np.where(moments < begin, moments + DAY_US, moments)
    return pl.Series(np.where(moments > end, moments - DAY_US, moments))
