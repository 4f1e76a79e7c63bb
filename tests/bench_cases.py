"""Worlds of a bench that were never run: families and what is in them, as written down in a test."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from clustering.bench.counting import Counted
from clustering.bench.worlds import World
from clustering.simulation import SimulationSettings

# (family, q, {(kind, group, true family): requests}); a family of None is noise. In rank order.
Truth = tuple[str, str | None, str | None]
Found = tuple[str | None, float | None, dict[Truth, int]]

PEOPLE: Truth = ("organic", None, None)


def campaign(group: str, template: str = "t") -> Truth:
    return ("campaign", group, f"{group}/{template}")


def lookalike(kind: str) -> Truth:
    return (f"benign:{kind}", kind, None)


def world(
    kind: str,
    found: Sequence[Found],
    *,
    name: str = "w",
    seed: int = 0,
    what: str = "",
    share: float | None = None,
    **columns: list[object],
) -> Counted:
    """Columns are per listed family, noise not counted; scores fall from rank to rank."""
    rows, rank = [], 0
    texts = dict.fromkeys(("family_id", "kind", "group", "family"), pl.String)
    for family, q, parts in found:
        rank += family is not None
        listed = {column: values[rank - 1] if family else None for column, values in columns.items()}
        size = sum(parts.values())
        for (truth_kind, group, true), n in parts.items():
            rows.append(
                {
                    "family_id": family, "kind": truth_kind, "group": group, "family": true, "n": n,
                    "own_p_value": q, "q_value": q,
                    "flagged": None if q is None else q <= 0.05, "n_requests": size,
                    "rank": rank, "score": 10.0 / max(1, rank), "n_accounts": 10, "reasons": ["because"],
                    **listed,
                }
            )  # fmt: skip
    settings = SimulationSettings(campaign_share=share)
    return Counted(
        World(kind, name, seed, settings, what=what),
        {"pieces": pl.DataFrame(rows, schema_overrides=texts, infer_schema_length=None)},
    )
