"""Which pattern is shown of which truth: a confusion table, and how often what is shown is right.

What is right is in ``expected_patterns.toml``. A found family is a campaign's where at least half of its
requests are; of its kind is then the true family of most of them, else the look-alike.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from clustering.judgement import judgement

from .counting import Counted
from .intervals import share_interval, spread
from .section import Section, table_of

NAME = "patterns"
_EXPECTED = Path(__file__).with_name("expected_patterns.toml")
_GROUPS = ("flagged campaign families", "campaign families that are not flagged", "look-alikes")
_NONE = "none clearly"


@dataclass(frozen=True)
class _Told:
    """A found family: of which group and truth it is, what is shown of it, and whether that is right."""

    group: str
    truth: str
    shown: str | None
    right: bool


def pattern_sections(worlds: Sequence[Counted]) -> list[Section]:
    """How often the shown pattern is right, and the confusion table."""
    told = [each for world in worlds for each in _families_of(world)]
    return [_accuracy(told), _confusion(told)]


def expected_patterns(truth: str, *, campaign: bool) -> tuple[str, ...]:
    """The patterns of a true family ("trace/tags_head#2") or kind of look-alike; () where none is judged."""
    said = _expected()["campaigns" if campaign else "lookalikes"]
    family = truth.split("#")[0]
    return tuple(said.get(family, said.get(family.split("/")[0], ())))


@cache
def _expected() -> Mapping[str, Mapping[str, Sequence[str]]]:
    return tomllib.loads(_EXPECTED.read_text(encoding="utf-8"))


def _families_of(world: Counted) -> list[_Told]:
    listed = world.families.select("family_id", "flagged", "pattern")
    judged = listed.join(judgement(world.pieces), on="family_id", how="left", maintain_order="left")
    told = []
    for row in judged.iter_rows(named=True):
        campaign = (row["share"] or 0.0) >= 0.5
        truth = row["hit"] if campaign else (row["top_kind"] or "organic").removeprefix("benign:")
        expected = expected_patterns(truth, campaign=campaign)
        if not expected:
            continue
        group = _GROUPS[1 - row["flagged"]] if campaign else _GROUPS[2]
        told.append(_Told(group, truth.split("#")[0], row["pattern"], row["pattern"] in expected))
    return told


def _accuracy(told: Sequence[_Told]) -> Section:
    rows = []
    for group in _GROUPS:
        own = [each for each in told if each.group == group]
        shown = [each for each in own if each.shown is not None]
        n_right = sum(each.right for each in shown)
        share = n_right / len(shown) if shown else None
        rows.append(
            (group, len(own), len(shown), n_right, share, spread(*share_interval(n_right, len(shown))))
        )
    return Section(
        NAME,
        "Patterns shown, and right",
        "Found families whose truth the library has a pattern for. No pattern is shown where several are "
        "about as close. The interval takes families as independent.",
        table_of(rows, ("Of", "Families", "Shown", "Right", "Share right", "95 %")),
    )


def _confusion(told: Sequence[_Told]) -> Section:
    frame = pl.DataFrame(
        [(each.group, each.truth, each.shown or _NONE, each.right) for each in told],
        schema={"group": pl.String, "truth": pl.String, "shown": pl.String, "right": pl.Boolean},
        orient="row",
    )
    counted = frame.group_by("group", "truth", "shown").agg(n=pl.len(), right=pl.col("right").any())
    order = {group: place for place, group in enumerate(_GROUPS)}
    rows = sorted(counted.iter_rows(), key=lambda row: (order[row[0]], row[1], -row[3], row[2]))
    marked = [(*row[:4], "yes" if row[4] else "\u2013" if row[2] == _NONE else "no") for row in rows]
    return Section(
        NAME,
        "Truth and pattern shown",
        "",
        table_of(marked, ("Of", "Truth", "Pattern shown", "Families", "Right")),
    )
