"""Campaigns: one hand behind many accounts, asking for what a model can do.

A dispatcher (``dispatch``) decides which account sends when; each request is then of one family of the
campaign's recipe (``recipes``), in the disguises of its plan. The accounts send ordinary requests beside.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, MODELS, People, World, make_people
from .dispatch import dispatch
from .organic import Label, draw_people, make_requests, organic_requests
from .payloads import N_SHARDS
from .plans import CampaignPlan
from .recipes import PLAIN, RELAYED, Recipe, queue_of, recipes_of
from .sessions import relayed_requests


def campaign_requests(world: World, plan: CampaignPlan, *, rng: np.random.Generator) -> pl.DataFrame:
    """A campaign's ``plan.n_requests`` requests, then ``plan.n_ordinary`` ordinary ones of its accounts.

    The ordinary ones have ``kind`` "organic" and, as all its requests, ``group`` the campaign's name.
    """
    people = _pool(world, plan, rng=rng)
    who, times = dispatch(world, plan, people, plan.n_requests, rng=rng)
    subject = rng.integers(0, N_SHARDS, len(people)) if plan.shards else np.full(len(people), -1)
    recipes = _recipes(plan)
    family = _families(recipes, times, rng=rng)
    tokens = float(rng.lognormal(np.log(450.0), 0.35))
    blocks = []
    for place, recipe in enumerate(recipes):
        rows = np.flatnonzero(family == place)
        label = Label("campaign", plan.label, f"{plan.label}/{recipe.template}")
        if recipe.template == RELAYED:
            blocks.append(relayed_requests(world, people, who[rows], times=times[rows], label=label, rng=rng))
            continue
        queue = queue_of(world, plan, recipe, subject[who[rows]], rng=rng)
        senders = people.take(who[rows])
        if queue.system is not None:
            senders = replace(senders, system_prompt=queue.system)
        block = make_requests(
            world, senders, np.arange(len(rows)), prompts=queue.prompts, times=times[rows], label=label,
            rng=rng, output_tokens=tokens,
        )  # fmt: skip
        names = pl.Series(queue.family.tolist(), dtype=pl.String)
        blocks.append(block.with_columns(family=f"{plan.label}/" + names))
    if plan.n_ordinary:
        blocks.append(_ordinary(world, plan, people, who, rng=rng))
        if plan.pools > 1:
            blocks[-1] = _while_active(world, blocks[-1], pl.concat(blocks[:-1]))
    return pl.concat(blocks)


def _pool(world: World, plan: CampaignPlan, *, rng: np.random.Generator) -> People:
    """The accounts: of nobody's organisation; some operators want one model for all of them."""
    people = make_people(world, min(plan.n_accounts, plan.n_requests), rng=rng)
    nothing = np.full(len(people), None, dtype=object)
    people = replace(people, org_id=nothing, system_prompt=nothing)
    if rng.random() < 0.6:
        people = replace(people, model=np.full(len(people), rng.integers(0, len(MODELS))))
    if plan.pivots:
        soon = world.release_us + rng.integers(0, 24 * HOUR_US, len(people))
        stays = rng.permutation(len(people)) < len(people) // 2
        people = replace(people, adopts_us=np.where(stays, 2 * world.window_us, soon))
    return people


def _recipes(plan: CampaignPlan) -> list[Recipe]:
    """The campaign's families with their shares of it, those without a wrapper at the end."""
    recipes = recipes_of(plan.name)
    wrapped = (1.0 - plan.plain - plan.relayed) / sum(recipe.weight for recipe in recipes)
    listed = [replace(recipe, weight=recipe.weight * wrapped) for recipe in recipes]
    work = recipes[0].work
    return [*listed, Recipe(PLAIN, plan.plain, work=work), Recipe(RELAYED, plan.relayed)]


def _families(
    recipes: list[Recipe], times: NDArray[np.int64], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The family of each request, by weight; one that begins later takes its part of the later requests."""
    weights = np.array([recipe.weight for recipe in recipes])
    begins = np.array([recipe.after for recipe in recipes])
    moment = np.empty(len(times))
    moment[np.argsort(times, kind="stable")] = np.arange(len(times)) / max(len(times), 1)
    # A family that has a share (1 - after) of the time needs that much more of it.
    odds = weights / (1.0 - begins) * (begins <= moment[:, None])
    level = np.cumsum(odds, axis=1)
    drawn = (rng.random(len(times)) * level[:, -1])[:, None] >= level
    places: NDArray[np.int64] = np.minimum(drawn.sum(axis=1), len(recipes) - 1)
    return places


def _ordinary(
    world: World, plan: CampaignPlan, people: People, who: NDArray[np.int64], *, rng: np.random.Generator
) -> pl.DataFrame:
    """The accounts' ordinary requests: of one person an account, or of a reseller's many customers."""
    label = Label("organic", plan.label)
    loads = np.bincount(who, minlength=len(people)) + 0.2
    people = replace(people, volume=loads * rng.lognormal(0.0, 0.6, len(people)))
    if not plan.relays:
        return organic_requests(world, people, plan.n_ordinary, rng=rng, label=label)
    customers = make_people(world, max(plan.n_ordinary // 2, 1), rng=rng)
    behind = people.take(draw_people(people, len(customers), rng=rng))
    customers = replace(
        customers,
        volume=np.ones(len(customers)),
        account_id=behind.account_id,
        org_id=behind.org_id,
        system_prompt=behind.system_prompt,
    )
    return organic_requests(world, customers, plan.n_ordinary, rng=rng, label=label)


def _while_active(world: World, ordinary: pl.DataFrame, extraction: pl.DataFrame) -> pl.DataFrame:
    """Move ordinary requests by whole days into the days between an account's first request and its ban."""
    active = extraction.group_by("account_id").agg(
        first=pl.col("time").min(), span=(pl.col("time").max() - pl.col("time").min()) // DAY_US * DAY_US
    )
    moved = pl.col("first") + (pl.col("time") - pl.col("first")) % pl.max_horizontal("span", DAY_US)
    moved = pl.when(moved < world.window_us).then(moved).otherwise(moved - DAY_US)
    joined = ordinary.join(active, on="account_id", how="left", maintain_order="left")
    return joined.with_columns(time=pl.coalesce(moved, "time")).select(ordinary.columns)
