"""The top and the foot of the report: counts of the run, its settings and versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from clustering.report.activity import N_BINS
from clustering.report.contents import RunTables


@dataclass(frozen=True)
class Tile:
    """A count in the head; `alarm` sets it off."""

    name: str
    value: int
    alarm: bool = False


@dataclass(frozen=True)
class Head:
    """What the page says of the whole run. `bin` is the length of a timeline's bar in seconds."""

    created: str | None
    seconds: float | None
    first_seen: datetime | None
    last_seen: datetime | None
    bin: float
    families: int
    flagged: int
    tiles: tuple[Tile, ...]
    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def page_head(tables: RunTables) -> Head:
    """Counts come from the tables; of the manifest, whatever it says is listed.

    ``created`` (ISO 8601) and ``seconds`` stand in the head when present; every entry but the files'
    checksums is listed at the foot, a mapping as a group of its own.
    """
    manifest = tables.manifest
    families = tables.families
    time = pl.col("timestamp")
    times = tables.lazy("assignments").select(low=time.min(), high=time.max()).collect().row(0)
    flagged = families.filter(pl.col("flagged"))
    seconds = manifest.get("seconds")
    created = manifest.get("created")
    return Head(
        created=str(created) if created is not None else None,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        first_seen=times[0],
        last_seen=times[1],
        bin=(times[1] - times[0]).total_seconds() / N_BINS if times[0] else 0.0,
        families=families.height,
        flagged=flagged.height,
        tiles=_tiles(tables, flagged),
        groups=_groups(manifest),
    )


def _tiles(tables: RunTables, flagged: pl.DataFrame) -> tuple[Tile, ...]:
    assignments = tables.lazy("assignments")
    counted = (pl.len(), pl.col("account_id").n_unique())
    in_flagged = assignments.filter(pl.col("family_id").is_in(flagged["family_id"].to_list()))
    n_requests, n_accounts = assignments.select(*counted).collect(engine="streaming").row(0)
    n_inside, n_senders = in_flagged.select(*counted).collect(engine="streaming").row(0)
    return (
        Tile("requests", n_requests),
        Tile("distinct prompts", tables.lazy("prompts").select(pl.len()).collect().item()),
        Tile("accounts", n_accounts),
        Tile("families", tables.families.height),
        Tile("flagged families", flagged.height, alarm=flagged.height > 0),
        Tile("campaigns", tables.campaigns.height, alarm=flagged.height > 0),
        Tile("requests in flagged families", n_inside),
        Tile("accounts in flagged families", n_senders),
    )


def _groups(manifest: Mapping[str, object]) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """The manifest as groups of (key, value): single entries first, then each mapping, flattened."""
    single = tuple(
        (key, _plain(value)) for key, value in manifest.items() if not isinstance(value, Mapping | list)
    )
    groups = [("Run", single)] if single else []
    for key, value in manifest.items():
        if isinstance(value, Mapping | list) and value and key != "files":
            groups.append((key.replace("_", " ").capitalize(), tuple(_flat(value))))
    return tuple(groups)


def _flat(value: object, prefix: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        items = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
        items = [(str(place + 1), part) for place, part in enumerate(value)]
    else:
        return [(prefix or "\u2013", _plain(value))]
    return [
        entry for key, part in items for entry in _flat(part, f"{prefix} {key}".strip().replace("_", " "))
    ]


def _plain(value: object) -> str:
    if value is None:
        return "\u2013"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "\u2013"
    return str(value)
