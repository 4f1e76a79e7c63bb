"""Campaigns: one hand behind many accounts, asking for what a model can do.

What a campaign sends is in ``phrases/campaigns.toml``: wrappers around payloads, grids, personas, operators,
one prompt again and again, relayed prompts. A queue of prompts is written first, without regard to accounts;
a dispatcher (``schedule.dispatch``) then decides which account sends what, and when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
import polars as pl

from .accounts import DAY_US, HOUR_US, People, World, make_people
from .grammar import Texts, fill_phrase, read_phrases, slots_of
from .organic import Label, draw_people, make_requests, organic_requests
from .payloads import anybodys_prompts, campaign_grammar
from .schedule import dispatch
from .settings import CampaignPlan

_ASKED = "\ue000"  # stands for somebody's ordinary prompt while the rest of a phrase is filled
_OUTPUT_TOKENS = 450.0


@dataclass(frozen=True)
class Recipe:
    """One family: the phrase that its prompts fill, or the system prompt before them."""

    template: str
    weight: float
    prompt: str
    system: str | None = None
    samples: int = 1
    sweep: bool = False


@cache
def recipes_of(campaign: str) -> tuple[Recipe, ...]:
    """The families of a campaign, as ``phrases/campaigns.toml`` has them."""
    return tuple(Recipe(**table) for table in read_phrases("campaigns")[campaign])


def campaign_requests(world: World, plan: CampaignPlan, n: int, *, rng: np.random.Generator) -> pl.DataFrame:
    """A campaign's `n` requests, then ``n * mixing / (1 - mixing)`` ordinary ones of its accounts.

    The ordinary ones have ``kind`` "organic" and, as all its requests, ``group`` the campaign's name.
    """
    n_accounts = max(3, round(plan.n_accounts * n / plan.n_requests))
    people = make_people(world, min(n_accounts, max(n, 1)), rng=rng)
    nothing = np.full(len(people), None, dtype=object)
    people = replace(people, org_id=nothing, system_prompt=nothing)
    if plan.pivots:
        soon = world.release_us + rng.integers(0, 24 * HOUR_US, len(people))
        people = replace(people, adopts_us=soon)
    who, times = dispatch(world, plan, people, n, rng=rng)
    recipes = recipes_of(plan.name)
    family = rng.choice(len(recipes), size=n, p=[r.weight / sum(r.weight for r in recipes) for r in recipes])
    blocks = []
    for place, recipe in enumerate(recipes):
        rows = np.flatnonzero(family == place)
        senders = people
        if recipe.system is not None:
            senders = replace(people, system_prompt=np.full(len(people), recipe.system, dtype=object))
        prompts = queue_of(world, recipe, len(rows), rng=rng)
        label = Label("campaign", plan.name, f"{plan.name}/{recipe.template}")
        blocks.append(
            make_requests(
                world, senders, who[rows], prompts=prompts, times=times[rows], label=label, rng=rng,
                output_tokens=_OUTPUT_TOKENS,
            )
        )  # fmt: skip
    n_ordinary = round(n * plan.mixing / (1.0 - plan.mixing))
    if n_ordinary:
        loads = np.bincount(who, minlength=len(people)) + 0.2
        people = replace(people, volume=loads * rng.lognormal(0.0, 0.6, len(people)))
        blocks.append(_ordinary(world, plan, people, n_ordinary, rng=rng))
        if plan.schedule == "replaced":
            blocks[-1] = _while_active(world, blocks[-1], pl.concat(blocks[:-1]))
    return pl.concat(blocks)


def queue_of(world: World, recipe: Recipe, n: int, *, rng: np.random.Generator) -> Texts:
    """`n` prompts of a family in the order of its queue, each ``samples`` times in a row; (n,) object."""
    n_items = -(-n // recipe.samples)
    if recipe.sweep:
        items = _sweep(recipe.prompt, n_items)
    else:
        phrase = recipe.prompt.replace("{asked}", _ASKED)
        items = fill_phrase(campaign_grammar(), phrase, np.zeros(n_items, dtype=np.int64), rng=rng)
    if "{asked}" in recipe.prompt:
        asked = anybodys_prompts(world, n_items, rng=rng).tolist()
        items[:] = [item.replace(_ASKED, text) for item, text in zip(items.tolist(), asked, strict=True)]
    queue: Texts = np.repeat(items, recipe.samples)[:n]
    return queue


def _sweep(phrase: str, n: int) -> Texts:
    """The first `n` combinations of a phrase's plain slots, the last slot turning fastest; then again."""
    names, grammar = slots_of(phrase), campaign_grammar()
    out = np.empty(n, dtype=object)
    combinations = list(product(*(grammar.plain[name].tolist() for name in names)))
    for row in range(n):
        text = phrase
        for name, value in zip(names, combinations[row % len(combinations)], strict=True):
            text = text.replace("{" + name + "}", value)
        out[row] = text
    return out


def _ordinary(
    world: World, plan: CampaignPlan, people: People, n: int, *, rng: np.random.Generator
) -> pl.DataFrame:
    """The accounts' ordinary requests: of one person an account, or of a reseller's many customers."""
    label = Label("organic", plan.name)
    if not plan.relays:
        return organic_requests(world, people, n, rng=rng, label=label)
    customers = make_people(world, max(n // 2, 1), rng=rng)
    behind = people.take(draw_people(people, len(customers), rng=rng))
    customers = replace(
        customers,
        volume=np.ones(len(customers)),
        account_id=behind.account_id,
        org_id=behind.org_id,
        system_prompt=behind.system_prompt,
    )
    return organic_requests(world, customers, n, rng=rng, label=label)


def _while_active(world: World, ordinary: pl.DataFrame, extraction: pl.DataFrame) -> pl.DataFrame:
    """Move ordinary requests by whole days into the days between an account's first request and its ban."""
    active = extraction.group_by("account_id").agg(
        first=pl.col("time").min(), span=(pl.col("time").max() - pl.col("time").min()) // DAY_US * DAY_US
    )
    moved = pl.col("first") + (pl.col("time") - pl.col("first")) % pl.max_horizontal("span", DAY_US)
    moved = pl.when(moved < world.window_us).then(moved).otherwise(moved - DAY_US)
    joined = ordinary.join(active, on="account_id", how="left", maintain_order="left")
    return joined.with_columns(time=pl.coalesce(moved, "time")).select(ordinary.columns)
