"""Campaigns: one hand behind many accounts, asking for what a model can do.

A dispatcher (``dispatch``) decides which account sends when; each request is then of one family of the
campaign's recipe (``recipes``), in the disguises of its plan. The accounts send ordinary requests beside.
Pool, schedule and families are drawn for the whole campaign; its texts can be written in slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, MODELS, People, World, make_people
from .dispatch import dispatch
from .habits import divided
from .organic import Label, draw_people, make_requests, organic_requests
from .payloads import N_SHARDS
from .plans import CampaignPlan
from .recipes import PLAIN, RELAYED, Recipe, queue_of, recipes_of
from .sessions import relayed_requests

_AT_ONCE = 1_000_000  # requests whose families are drawn together: bounds the memory for their odds


def campaign_requests(world: World, plan: CampaignPlan, *, rng: np.random.Generator) -> pl.DataFrame:
    """A campaign's ``plan.n_requests`` requests, then ``plan.n_ordinary`` ordinary ones of its accounts.

    The ordinary ones have ``kind`` "organic" and, as all its requests, ``group`` the campaign's name.
    """
    (blocks,) = campaign_slices(world, plan, rng=rng)
    return pl.concat(blocks)


def campaign_slices(
    world: World, plan: CampaignPlan, *, rng: np.random.Generator, n_slices: int = 1
) -> Iterator[list[pl.DataFrame]]:
    """The frames of ``campaign_requests``, in slices of nearly equal numbers of requests.

    The extraction comes first, a run of the dispatcher's queue a slice; then the ordinary requests, some of
    the accounts a slice. Pool, schedule, wordings, items and sweeps go on from slice to slice. Beside a
    slice's texts, memory has 17 bytes for each of the campaign's requests.
    """
    campaign = _begin(world, plan, rng=rng)
    sizes = divided(plan.n_requests + plan.n_ordinary, [1] * n_slices)
    for begin, end in pairwise(np.cumsum([0, *sizes]).tolist()):
        blocks = []
        if begin < plan.n_requests:
            blocks += _extraction(campaign, begin, min(end, plan.n_requests), rng=rng)
        if end > plan.n_requests:
            first = max(begin - plan.n_requests, 0)
            blocks.append(_ordinary(campaign, first, end - plan.n_requests, rng=rng))
        yield blocks


@dataclass
class _Campaign:
    """A campaign while its slices are written: what is settled, and what the slices so far have drawn.

    Parameters
    ----------
    who, times : (n,) int64, account and moment of each request, in the order of the queue.
    subject : (accounts,) int64, −1 where an account has none.
    family : (n,) int8, the place in `recipes` of each request.
    tokens : median length of the answers.
    once : of each recipe, see ``recipes.queue_of``.
    active : first and last moment of each account in each slice, for pools that are replaced.
    volume : (accounts,) float64, of ordinary requests; None until the first of them.
    """

    world: World
    plan: CampaignPlan
    people: People
    who: NDArray[np.int64]
    times: NDArray[np.int64]
    subject: NDArray[np.int64]
    recipes: list[Recipe]
    family: NDArray[np.int8]
    tokens: float
    once: list[dict[str, Any]]
    active: list[pl.DataFrame] = field(default_factory=list)
    volume: NDArray[np.float64] | None = None


def _begin(world: World, plan: CampaignPlan, *, rng: np.random.Generator) -> _Campaign:
    people = _pool(world, plan, rng=rng)
    who, times = dispatch(world, plan, people, plan.n_requests, rng=rng)
    subject = rng.integers(0, N_SHARDS, len(people)) if plan.shards else np.full(len(people), -1)
    recipes = _recipes(plan)
    family = _families(recipes, times, rng=rng)
    tokens = float(rng.lognormal(np.log(450.0), 0.35))
    once: list[dict[str, Any]] = [{} for _ in recipes]
    return _Campaign(world, plan, people, who, times, subject, recipes, family, tokens, once)


def _extraction(campaign: _Campaign, begin: int, end: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """The requests `begin` to `end` of the queue, a frame per recipe."""
    world, plan, people = campaign.world, campaign.plan, campaign.people
    who, times = campaign.who[begin:end], campaign.times[begin:end]
    blocks = []
    for place, recipe in enumerate(campaign.recipes):
        rows = np.flatnonzero(campaign.family[begin:end] == place)
        label = Label("campaign", plan.label, f"{plan.label}/{recipe.template}")
        if recipe.template == RELAYED:
            blocks.append(relayed_requests(world, people, who[rows], times=times[rows], label=label, rng=rng))
            continue
        shards = campaign.subject[who[rows]]
        queue = queue_of(world, plan, recipe, shards, rng=rng, once=campaign.once[place])
        senders = people.take(who[rows])
        if queue.system is not None:
            senders = replace(senders, system_prompt=queue.system)
        block = make_requests(
            world, senders, np.arange(len(rows)), prompts=queue.prompts, times=times[rows], label=label,
            rng=rng, output_tokens=campaign.tokens,
        )  # fmt: skip
        names = pl.Series(queue.family.tolist(), dtype=pl.String)
        blocks.append(block.with_columns(family=f"{plan.label}/" + names))
    if plan.n_ordinary and plan.pools > 1:
        spans = pl.concat(blocks).group_by("account_id")
        campaign.active.append(spans.agg(first=pl.col("time").min(), last=pl.col("time").max()))
    return blocks


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
) -> NDArray[np.int8]:
    """The family of each request, by weight; one that begins later takes its part of the later requests."""
    weights = np.array([recipe.weight for recipe in recipes])
    begins = np.array([recipe.after for recipe in recipes])
    moment = np.empty(len(times))
    moment[np.argsort(times, kind="stable")] = np.arange(len(times)) / max(len(times), 1)
    places = np.empty(len(times), dtype=np.int8)
    for begin in range(0, len(times), _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        # A family that has a share (1 - after) of the time needs that much more of it.
        odds = weights / (1.0 - begins) * (begins <= moment[rows, None])
        level = np.cumsum(odds, axis=1)
        drawn = (rng.random(len(level)) * level[:, -1])[:, None] >= level
        places[rows] = np.minimum(drawn.sum(axis=1), len(recipes) - 1)
    return places


def _ordinary(campaign: _Campaign, begin: int, end: int, *, rng: np.random.Generator) -> pl.DataFrame:
    """The accounts' ordinary requests `begin` to `end`, of those accounts whose turn it is by their volumes.

    They are of one person an account, or of a reseller's many customers.
    """
    world, plan, people = campaign.world, campaign.plan, campaign.people
    label = Label("organic", plan.label)
    if campaign.volume is None:
        loads = np.bincount(campaign.who, minlength=len(people)) + 0.2
        campaign.volume = loads * rng.lognormal(0.0, 0.6, len(people))
    level = np.concatenate([[0.0], np.cumsum(campaign.volume / campaign.volume.sum())])
    level[-1] = 1.0
    own = np.diff(level.clip(begin / plan.n_ordinary, end / plan.n_ordinary))
    people = replace(people, volume=own)
    if plan.relays:
        customers = make_people(world, max((end - begin) // 2, 1), rng=rng)
        behind = people.take(draw_people(people, len(customers), rng=rng))
        people = replace(
            customers,
            volume=np.ones(len(customers)),
            account_id=behind.account_id,
            org_id=behind.org_id,
            system_prompt=behind.system_prompt,
        )
    requests = organic_requests(world, people, end - begin, rng=rng, label=label)
    return _while_active(world, requests, campaign.active) if plan.pools > 1 else requests


def _while_active(world: World, ordinary: pl.DataFrame, spans: list[pl.DataFrame]) -> pl.DataFrame:
    """Move ordinary requests by whole days into the days between an account's first request and its ban."""
    first, last = pl.col("first").min(), pl.col("last").max()
    whole_days = (last - first) // DAY_US * DAY_US
    active = pl.concat(spans).group_by("account_id").agg(first.alias("first"), whole_days.alias("span"))
    moved = pl.col("first") + (pl.col("time") - pl.col("first")) % pl.max_horizontal("span", DAY_US)
    moved = pl.when(moved < world.window_us).then(moved).otherwise(moved - DAY_US)
    joined = ordinary.join(active, on="account_id", how="left", maintain_order="left")
    return joined.with_columns(time=pl.coalesce(moved, "time")).select(ordinary.columns)
