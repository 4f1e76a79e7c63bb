"""What a report says about each family: plain values taken from the tables, not yet a page.

Nothing here is escaped; the page and the terminal each do that in their own way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np
import polars as pl

from clustering.report.activity import Activity, activity_of, log_span
from clustering.report.aspects import AspectFigure, aspect_figures, other_reasons
from clustering.report.signals import SignalFigure, signal_figures
from clustering.report.verdict import Verdict, verdict
from clustering.template_text import Part, fixes_words, parse_template


class RunTables(Protocol):
    """A run's tables, as `clustering.tables` describes them, and its manifest.

    ``assignments`` and ``prompts``, which grow with the log, are only read lazily.
    """

    @property
    def families(self) -> pl.DataFrame: ...

    @property
    def campaigns(self) -> pl.DataFrame: ...

    @property
    def accounts(self) -> pl.DataFrame: ...

    @property
    def slots(self) -> pl.DataFrame: ...

    @property
    def map(self) -> pl.DataFrame: ...

    def lazy(self, name: str) -> pl.LazyFrame: ...

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
class FamilyDetail:
    """All that is shown of one family.

    Attributes
    ----------
    row : row of FAMILIES
    verdict : Verdict
    aspects : tuple of AspectFigure
    reasons : tuple of str
        Those that stand beside no aspect.
    campaign : row of CAMPAIGNS, or None
    companions : tuple of int
        Ranks of the campaign's other families.
    """

    row: Mapping[str, object]
    verdict: Verdict
    aspects: tuple[AspectFigure, ...]
    reasons: tuple[str, ...]
    campaign: Mapping[str, object] | None
    companions: tuple[int, ...]
    template: tuple[Part, ...]
    slots: tuple[SlotFillers, ...]
    signals: tuple[SignalFigure, ...]
    examples: tuple[Example, ...]
    activity: Activity

    @property
    def measured(self) -> bool:
        """Whether the log could tell any aspect."""
        return any(aspect.deviate is not None for aspect in self.aspects)


class _Judged(TypedDict):
    verdict: Verdict
    aspects: tuple[AspectFigure, ...]
    reasons: tuple[str, ...]
    campaign: Mapping[str, object] | None
    companions: tuple[int, ...]


def family_details(
    tables: RunTables, family_ids: list[str], *, n_examples: int, n_fillers: int, n_accounts: int = 5
) -> list[FamilyDetail]:
    """Details of the named families, in the order of their names.

    Ties go by text: examples and fillers of equal count are in alphabetical order of id or filler.
    """
    chosen = pl.col("family_id").is_in(family_ids)
    rows = {str(row["family_id"]): row for row in tables.families.filter(chosen).iter_rows(named=True)}
    examples = _examples(tables, family_ids, n_examples)
    slots = _by_family(tables.slots.filter(chosen))
    assignments = tables.lazy("assignments")
    sent = assignments.filter(chosen).select("family_id", "account_id", "timestamp").collect()
    requests, none = _by_family(sent), sent.head(0)
    span, scores = log_span(assignments), tables.accounts.select("account_id", "score")
    judged = _judged(tables)
    return [
        FamilyDetail(
            row=rows[name],
            **judged(rows[name]),
            template=_template(rows[name]),
            slots=_slot_fillers(slots.get(name, tables.slots.head(0)), n_fillers),
            signals=signal_figures(rows[name]),
            examples=examples.get(name, ()),
            activity=activity_of(requests.get(name, none), span, scores, n_accounts=n_accounts),
        )
        for name in family_ids
    ]


def _judged(tables: RunTables) -> Callable[[Mapping[str, object]], _Judged]:
    """A function from a row of FAMILIES to what is said of it and of its campaign."""
    p_values = np.sort(tables.families["own_p_value"].drop_nulls().to_numpy())
    campaigns = {str(row["campaign_id"]): row for row in tables.campaigns.iter_rows(named=True)}
    ranks = dict(tables.families.select("family_id", "rank").iter_rows())

    def judge(row: Mapping[str, object]) -> _Judged:
        aspects = aspect_figures(row)
        campaign = campaigns.get(str(row["campaign_id"]))
        others = [name for name in campaign["family_ids"] if name != row["family_id"]] if campaign else []
        return {
            "verdict": verdict(row, aspects, p_values),
            "aspects": aspects,
            "reasons": other_reasons(row, aspects),
            "campaign": campaign,
            "companions": tuple(ranks[name] for name in others),
        }

    return judge


def _by_family(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = frame.partition_by("family_id", as_dict=True, maintain_order=True)
    return {str(key[0]): part for key, part in parts.items()}


def _examples(tables: RunTables, family_ids: list[str], n_examples: int) -> dict[str, tuple[Example, ...]]:
    """Some prompts of each family."""
    medoids = tables.families.select("family_id", medoid="medoid_prompt").lazy()
    listed = (
        tables.lazy("prompts")
        .filter(pl.col("family_id").is_in(family_ids))
        .join(medoids, on="family_id")
        .select("family_id", "prompt_id", "n_requests", is_medoid=pl.col("prompt") == pl.col("medoid"))
        .sort("n_requests", "prompt_id", descending=[True, False])
        .collect()
    )
    chosen = [listed.head(0), *(_chosen(part, n_examples) for part in _by_family(listed).values())]
    wanted = pl.concat(chosen)
    texts = tables.lazy("prompts").select("prompt_id", "prompt", "system_prompt")
    texts = texts.filter(pl.col("prompt_id").is_in(wanted["prompt_id"].to_list()))
    shown = wanted.join(texts.collect(), on="prompt_id", how="left", maintain_order="left")
    return {
        name: tuple(
            Example(row["prompt"], row["system_prompt"] or None, row["n_requests"], row["is_medoid"])
            for row in part.iter_rows(named=True)
        )
        for name, part in _by_family(shown).items()
    }


def _chosen(prompts: pl.DataFrame, n_examples: int) -> pl.DataFrame:
    """The medoid first, then the heaviest prompt, then an even spread over the rest by weight."""
    n = prompts.height
    first = prompts["is_medoid"].fill_null(value=False).arg_true().to_list()[:1]
    n_rest = min(n_examples, n) - len(first)
    spread = [round(i * (n - 1) / max(n_examples - 1, 1)) for i in range(n_examples)]
    others = [
        place for place in dict.fromkeys([*spread, *range(min(n, n_examples + 1))]) if place not in first
    ]
    chosen = prompts[first + sorted(others[:n_rest])]
    return chosen.with_columns(is_medoid=pl.int_range(pl.len()) < len(first))


def _template(row: Mapping[str, object]) -> tuple[Part, ...]:
    """The parts of the template; none where it fixes no word."""
    parts = parse_template(str(row["template"] or ""))
    return parts if fixes_words(parts) else ()


def _slot_fillers(slots: pl.DataFrame, n_fillers: int) -> tuple[SlotFillers, ...]:
    ordered = slots.sort("n_requests", "filler", descending=[True, False])
    found = []
    for key, part in ordered.partition_by("slot", as_dict=True, maintain_order=True).items():
        top = part.head(n_fillers).select("filler", "n_requests", "n_accounts")
        found.append(SlotFillers(str(key[0]), part.height, tuple(top.iter_rows())))
    return tuple(sorted(found, key=lambda slot: (len(slot.name), slot.name)))  # slot_2 before slot_10
