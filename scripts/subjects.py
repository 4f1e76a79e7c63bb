"""What a name on the command line means: a family, a campaign or an account of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from clustering.report.contents import RunTables

KINDS = ("family", "campaign", "account")
_N_NAMED = 3  # ids that an error lists


def find_subject(run: RunTables, name: str) -> tuple[str, str]:
    """The kind and the id of what is meant by a rank, an id or the start of one.

    A rank goes first, then a whole id, then the start of one; each time families go before campaigns, and
    those before accounts. ``KIND:NAME`` looks at one kind alone: an account's id may be a number.

    Raises
    ------
    ValueError
        When nothing, or more than one, is meant.
    """
    wanted, sign, rest = name.partition(":")
    kinds, word = ((wanted,), rest) if sign and wanted in KINDS else (KINDS, name)
    if "family" in kinds and (ranked := _ranked(run.families, word)):
        return "family", ranked
    found = {kind: _starting(_ids(run, kind), word) for kind in kinds}
    for kind, ids in found.items():
        if word in ids:
            return kind, word
    for kind, ids in found.items():
        if ids:
            return kind, _only(kind, name, ids)
    raise ValueError(
        f"{name}: no family, campaign or account of that rank or id; "
        f"the run's ranks are 1 to {run.families.height}, listed by `covey show RUN`"
    )


def find_family(families: pl.DataFrame, name: str) -> str:
    """The id of the family meant by a rank, an id or the start of one.

    Raises
    ------
    ValueError
        When no family or more than one is meant.
    """
    if ranked := _ranked(families, name):
        return ranked
    ids = _starting(families["family_id"], name)
    if name in ids:
        return name
    if ids:
        return _only("family", name, ids)
    raise ValueError(
        f"family {name}: none of that rank or id; "
        f"the run's ranks are 1 to {families.height}, listed by `covey show RUN`"
    )


def _ranked(families: pl.DataFrame, name: str) -> str | None:
    if not (name.isascii() and name.isdigit()):
        return None
    ids = families.filter(pl.col("rank") == int(name))["family_id"].to_list()
    return str(ids[0]) if ids else None


def _ids(run: RunTables, kind: str) -> pl.Series:
    if kind == "account":
        return run.lazy("assignments").select(pl.col("account_id").unique()).collect().to_series()
    return run.families["family_id"] if kind == "family" else run.campaigns["campaign_id"]


def _starting(ids: pl.Series, start: str) -> list[str]:
    """Distinct ids that start so, ascending; none for an empty start."""
    return ids.filter(ids.str.starts_with(start)).unique().sort().to_list() if start else []


def _only(kind: str, name: str, ids: list[str]) -> str:
    if len(ids) == 1:
        return ids[0]
    some = ", ".join(ids[:_N_NAMED])
    raise ValueError(f"{kind} {name}: {len(ids)} ids start so ({some}, ...); give more of it")
