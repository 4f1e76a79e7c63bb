"""What a report says about each family: plain values taken from the tables, not yet a page.

Nothing here is escaped; the page and the terminal each do that in their own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from clustering.report.signals import SignalFigure, signal_figures
from clustering.template_text import Part, parse_template

N_BINS = 56  # of a family's timeline: six hours each over a fortnight


class RunTables(Protocol):
    """A run's tables, as `clustering.tables` describes them, and its manifest."""

    @property
    def families(self) -> pl.DataFrame: ...

    @property
    def assignments(self) -> pl.DataFrame: ...

    @property
    def prompts(self) -> pl.DataFrame: ...

    @property
    def slots(self) -> pl.DataFrame: ...

    @property
    def map(self) -> pl.DataFrame: ...

    @property
    def manifest(self) -> Mapping[str, object]: ...


@dataclass(frozen=True)
class Example:
    """A prompt of a family, `n_requests` times sent."""

    prompt: str
    system_prompt: str | None
    n_requests: int
    is_medoid: bool


@dataclass(frozen=True)
class SlotFillers:
    """A slot's number of listed fillers and the most frequent ones: (filler, n_requests, n_accounts)."""

    name: str
    n_fillers: int
    fillers: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Activity:
    """Requests per bin of the run's span, and requests of the family's accounts, busiest first."""

    timeline: tuple[int, ...]
    busiest: tuple[tuple[str, int], ...]
    median_load: float


@dataclass(frozen=True)
class FamilyDetail:
    """All that is shown of one family; `row` is its row of FAMILIES."""

    row: Mapping[str, object]
    template: tuple[Part, ...]
    slots: tuple[SlotFillers, ...]
    signals: tuple[SignalFigure, ...]
    examples: tuple[Example, ...]
    activity: Activity


def family_details(
    tables: RunTables, family_ids: list[str], *, n_examples: int, n_fillers: int, n_accounts: int = 5
) -> list[FamilyDetail]:
    """Details of the named families, in the order of their names.

    Ties go by text: examples and fillers of equal count are in alphabetical order of id or filler.
    """
    chosen = pl.col("family_id").is_in(family_ids)
    rows = {str(row["family_id"]): row for row in tables.families.filter(chosen).iter_rows(named=True)}
    prompts = _by_family(
        tables.prompts.filter(chosen).sort("n_requests", "prompt_id", descending=[True, False])
    )
    slots = _by_family(tables.slots.filter(chosen))
    requests = _by_family(tables.assignments.filter(chosen).select("family_id", "account_id", "timestamp"))
    span = _span(tables.assignments)
    return [
        FamilyDetail(
            row=rows[name],
            template=parse_template(str(rows[name]["template"] or "")),
            slots=_slot_fillers(slots.get(name, tables.slots.head(0)), n_fillers),
            signals=signal_figures(rows[name]),
            examples=_examples(
                prompts.get(name, tables.prompts.head(0)), rows[name]["medoid_prompt"], n_examples
            ),
            activity=_activity(requests.get(name, tables.assignments.head(0)), span, n_accounts),
        )
        for name in family_ids
    ]


def _by_family(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = frame.partition_by("family_id", as_dict=True, maintain_order=True)
    return {str(key[0]): part for key, part in parts.items()}


def _examples(prompts: pl.DataFrame, medoid: object, n_examples: int) -> tuple[Example, ...]:
    """The medoid first, then the heaviest prompt, then an even spread over the rest by weight."""
    n = prompts.height
    is_medoid = (prompts["prompt"] == str(medoid)).fill_null(value=False)
    first = is_medoid.arg_true().to_list()[:1]
    n_rest = min(n_examples, n) - len(first)
    spread = [round(i * (n - 1) / max(n_examples - 1, 1)) for i in range(n_examples)]
    others = [
        place for place in dict.fromkeys([*spread, *range(min(n, n_examples + 1))]) if place not in first
    ]
    chosen = prompts[first + sorted(others[:n_rest])]
    return tuple(
        Example(row["prompt"], row["system_prompt"] or None, row["n_requests"], place < len(first))
        for place, row in enumerate(chosen.iter_rows(named=True))
    )


def _slot_fillers(slots: pl.DataFrame, n_fillers: int) -> tuple[SlotFillers, ...]:
    ordered = slots.sort("n_requests", "filler", descending=[True, False])
    found = []
    for key, part in ordered.partition_by("slot", as_dict=True, maintain_order=True).items():
        top = part.head(n_fillers).select("filler", "n_requests", "n_accounts")
        found.append(SlotFillers(str(key[0]), part.height, tuple(top.iter_rows())))
    return tuple(sorted(found, key=lambda slot: (len(slot.name), slot.name)))  # slot_2 before slot_10


def _span(assignments: pl.DataFrame) -> tuple[int, int]:
    """First time of the log in microseconds and the length of a bin."""
    times = assignments["timestamp"].drop_nulls()
    if times.is_empty():
        return 0, 1
    ticks = times.to_physical().to_numpy()
    low, high = int(ticks.min()), int(ticks.max())
    return low, max((high - low) // N_BINS + 1, 1)


def _activity(requests: pl.DataFrame, span: tuple[int, int], n_accounts: int) -> Activity:
    times = requests["timestamp"].drop_nulls().to_physical()
    bins = ((times - span[0]) // span[1]).value_counts()
    counts = dict(bins.iter_rows())
    loads = requests.group_by("account_id").agg(n=pl.len()).sort("n", "account_id", descending=[True, False])
    median = loads["n"].median()
    return Activity(
        timeline=tuple(counts.get(place, 0) for place in range(N_BINS)) if counts else (),
        busiest=tuple(loads.head(n_accounts).iter_rows()),
        median_load=float(median) if isinstance(median, int | float) else 0.0,
    )
