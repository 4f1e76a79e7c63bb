"""What a benign reference would say of look-alikes that it does not know.

Covey's nulls are models and the log's own people; nothing in it is fitted to look-alikes. The alternative is
an empirical null: the score of a family against the scores of benign families of other worlds, as a conformal
p-value (1 + #{reference >= score}) / (1 + N) (Vovk, Gammerman and Shafer 2005, eq. 2.2), then Benjamini and
Hochberg. A reference knows the look-alikes it was made of. Here it is made again without each kind, from the
other worlds, so that the table shows what happens with a kind that nobody thought of.

Campaigns are never in a reference, so to leave one of their recipes out would change nothing: they have one
row, which says what either way of flagging finds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.judgement import judgement
from clustering.scores import FLAG_LEVEL, q_values

from .counting import Counted
from .section import Section, table_of

NAME = "leave-out"
_CAMPAIGNS = "all campaigns"


def conformal_p_values(scores: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 + number of reference scores at least as large) / (1 + N), (f,) float64."""
    ordered = np.sort(reference)
    beyond = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return np.asarray((1 + beyond) / (1 + len(ordered)))


def judged_families(worlds: Sequence[Counted]) -> pl.DataFrame:
    """All families of the campaigns and quiet worlds: ``world``, ``kind``, ``score``, ``flagged``.

    ``kind`` is "campaign: <recipe>" for families at least half of which are campaigns', else that of most of
    their requests.
    """
    parts = [_judged(world) for world in worlds if world.world.kind in ("campaigns", "quiet")]
    return pl.concat(parts) if parts else pl.DataFrame(schema=_JUDGED)


def by_reference(families: pl.DataFrame, *, leave_kind_out: bool) -> pl.DataFrame:
    """``families`` with ``by_reference``: flagged against the benign families of the other worlds.

    With `leave_kind_out` each family is held against a reference without its own kind.
    """
    benign = ~families["kind"].str.starts_with("campaign: ").to_numpy()
    kinds, world = families["kind"].to_numpy(), families["world"].to_numpy()
    score = families["score"].to_numpy()
    p = np.ones(len(families))
    flagged = np.zeros(len(families), dtype=bool)
    for name in np.unique(world):
        here = world == name
        others = benign & ~here
        for kind in np.unique(kinds[here]):
            rows = here & (kinds == kind)
            kept = others & (kinds != kind) if leave_kind_out else others
            p[rows] = conformal_p_values(score[rows], score[kept])
        flagged[here] = q_values(p[here]) <= FLAG_LEVEL
    return families.with_columns(by_reference=pl.Series(flagged))


def leave_out_sections(worlds: Sequence[Counted]) -> list[Section]:
    """Flags of each kind: by Covey, by a reference of all look-alikes, and by one without the kind."""
    families = judged_families(worlds)
    is_campaign = pl.col("kind").str.starts_with("campaign: ")
    known = by_reference(families, leave_kind_out=False)["by_reference"]
    left = by_reference(families, leave_kind_out=True)["by_reference"]
    table = (
        families.with_columns(known=known, left=left)
        .with_columns(kind=pl.when(is_campaign).then(pl.lit(_CAMPAIGNS)).otherwise("kind"))
        .group_by("kind")
        .agg(pl.len(), *(pl.col(name).sum() for name in ("flagged", "known", "left")))
    )
    columns = ("Kind", "Families", "Flagged", "By a reference", "By a reference without the kind")
    note = (
        "Covey has no reference of benign families to leave a kind out of: its nulls are models, and its one "
        "fitted choice, where an aspect's deviate is cut, is flat in the ranking. The last two columns hold "
        "its score against the benign families of the other worlds, with and without the kind."
    )
    listed = table.sort(pl.col("kind") != _CAMPAIGNS, "kind").rows()
    return [Section(NAME, "Leave one look-alike out", note, table_of(listed, columns))]


_JUDGED = {"world": pl.String, "kind": pl.String, "score": pl.Float64, "flagged": pl.Boolean}


def _judged(world: Counted) -> pl.DataFrame:
    listed = world.families.join(judgement(world.pieces), on="family_id", how="left", maintain_order="left")
    recipe = "campaign: " + pl.col("hit").str.split("/").list.first()
    kind = pl.when(pl.col("share") >= 0.5).then(recipe).otherwise(pl.col("top_kind").fill_null("organic"))
    return listed.select(
        pl.lit(world.world.name).alias("world"),
        kind.str.strip_prefix("benign:").alias("kind"),
        pl.col("score").cast(pl.Float64),
        "flagged",
    )
