"""Which family of one run is which family of another: descent, told by prompts, the same in both directions.

1. A family is asked for by its first `N_SAMPLED` prompts in the order of their ids, which are hashes.
2. A prompt's place in the other run is the family that it has there (or none, as noise), where that log holds
   it; else the family where that run's ``assign`` puts it. A place that ``assign`` finds by meaning counts
   for families of view *whole* alone: a broad family of meaning takes in whatever is near, a new template
   too. Families of the views *pool* and *shared* are known to ``assign`` by no text, and are recognised by
   prompts that both logs hold alone.
3. A family's kin is the other run's family where most requests of its sample have their place; it has none
   where fewer than half of them have any. Ties go to the smaller id.
4. A family's partner is its kin. Without one, it is the family with most requests among those of the other
   run whose kin it is: a family that lost most of what it was is still where its remains are.

Two families that are each other's partners are one family in two runs. Exchanging the runs exchanges the
columns and nothing else. The work is that of ``assign`` for `N_SAMPLED` prompts of each family at most.
"""

from __future__ import annotations

import polars as pl

from clustering.results import Run

N_SAMPLED = 20
_MEANING = "whole"  # the view of families found by what their prompts say


def partners(old: Run, new: Run) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The partner in the other run of each family, null for none.

    Returns
    -------
    of_old, of_new : DataFrames, a row per family, by family_id
        ``old_family_id`` and ``new_family_id``, String. The own one is never null.

    Raises
    ------
    RunError
        A table of a run cannot be read.
    ValueError
        A run's encoder is not what it was made with, and prompts have to be placed in it.
    """
    old_kin, new_kin = kin(old, new), kin(new, old)
    of_old = _partners(old_kin, new_kin).rename({"family_id": "old_family_id", "kin": "new_family_id"})
    of_new = _partners(new_kin, old_kin).rename({"family_id": "new_family_id", "kin": "old_family_id"})
    return of_old, of_new.select(of_old.columns)


def kin(here: Run, there: Run) -> pl.DataFrame:
    """The family of `there` where most of each family of `here` has its place.

    Returns
    -------
    DataFrame, a row per family of `here`, by family_id
        ``family_id``; ``kin``, null where fewer than half of its sample's requests have a place; and its
        ``n_requests``.
    """
    placed = places(sample(here.prompts), there)
    weights = placed.group_by("family_id", "place").agg(n=pl.col("n_requests").sum())
    found = weights.with_columns(total=pl.col("n").sum().over("family_id")).drop_nulls("place")
    settled = found.filter(2 * pl.col("n").sum().over("family_id") >= pl.col("total"))
    best = settled.sort("n", "place", descending=[True, False]).unique("family_id", keep="first")
    families = here.families.select("family_id", "n_requests").sort("family_id")
    joined = families.join(best, on="family_id", how="left", maintain_order="left")
    return joined.select("family_id", "n_requests", kin="place")


def sample(prompts: pl.DataFrame) -> pl.DataFrame:
    """Rows of PROMPTS: of each family the first `N_SAMPLED` by prompt_id."""
    ordered = prompts.drop_nulls("family_id").sort("prompt_id")
    return ordered.group_by("family_id", maintain_order=True).head(N_SAMPLED)


def places(prompts: pl.DataFrame, run: Run) -> pl.DataFrame:
    """Rows of PROMPTS with ``place``: the family of `run` that each has or would have, null for none.

    Rows are by prompt_id.
    """
    held = run.prompts.select("prompt_id", place="family_id", held=pl.lit(True))
    looked_up = prompts.join(held, on="prompt_id", how="left")
    known = looked_up.filter("held").drop("held")
    unknown = looked_up.filter(pl.col("held").is_null()).drop("held").sort("prompt_id")
    if unknown.height and run.families.height:
        placed = run.assign(unknown["prompt"].to_list(), system_prompts=unknown["system_prompt"].to_list())
        by_meaning = (placed["view"] == _MEANING) & (unknown["view"] != _MEANING)
        unknown = unknown.with_columns(place=placed["family_id"].set(by_meaning, None))
    return pl.concat([known, unknown]).sort("prompt_id")


def _partners(own: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """``family_id`` and its partner as ``kin``."""
    largest = (
        others.drop_nulls("kin")
        .sort("n_requests", "family_id", descending=[True, False])
        .unique("kin", keep="first")
        .select(family_id="kin", remains="family_id")
    )
    joined = own.join(largest, on="family_id", how="left", maintain_order="left")
    return joined.select("family_id", kin=pl.coalesce("kin", "remains"))
