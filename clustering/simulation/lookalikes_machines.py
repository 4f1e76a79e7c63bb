"""Look-alikes made by programs: products, batches, bots, harnesses, pipelines, retries.

As in ``lookalikes_crowd``, each function writes `n` requests of one look-alike, one frame per group.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from .accounts import DAY_US, HOUR_US, People, World, make_people, organisation_ids
from .grammar import fill, fill_phrase
from .lookalikes_crowd import members, uses
from .organic import benign, in_manner, make_requests, write_prompts
from .payloads import lookalike_grammar, lookalike_phrases
from .schedule import FLAT, OFFICE, even_times, inside, people_times


def product_seats(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """One company's product: a system prompt, an organisation, many seats in office hours."""
    seats = _without_crowd(
        world, max(2, round(n / 13)), rng=rng, system_prompt=lookalike_phrases("single")["seats"]
    )
    company = organisation_ids(1, rng=rng)[0]
    nobody = np.zeros(len(seats))
    seats = replace(
        seats,
        org_id=np.full(len(seats), company, dtype=object),
        hours=np.full(len(seats), OFFICE),
        zone=nobody,
        joined=nobody,
    )
    who = uses(len(seats), n, spread=0.6, rng=rng)
    prompts = in_manner(
        seats, who, fill(lookalike_grammar(), "tenant", n, rng=rng, shift=seats.shift[who]), rng=rng
    )
    times = people_times(world, seats, who, rng=rng)
    return [
        make_requests(world, seats, who, prompts=prompts, times=times, label=benign("product_seats"), rng=rng)
    ]


def batch_job(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """One account that works off a catalogue on a few nights."""
    owner = _without_crowd(world, 1, rng=rng)
    grammar, nobody = lookalike_grammar(), np.zeros(n, dtype=np.int64)
    prompts = fill_phrase(grammar, lookalike_phrases("single")["batch"], nobody, rng=rng)
    nights = np.sort(rng.integers(0, world.settings.days, n) // 3 * 3)
    times = inside(world, nights * DAY_US + (rng.random(n) * 6 * HOUR_US).astype(np.int64))
    return [
        make_requests(world, owner, nobody, prompts=prompts, times=times, label=benign("batch_job"), rng=rng)
    ]


def support_bot(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """One account behind an app's help desk: many strangers' short questions, by day."""
    bot = _without_crowd(world, 1, rng=rng, system_prompt=lookalike_phrases("single")["support"])
    riders = make_people(world, max(1, n // 2), rng=rng)
    who = uses(len(riders), n, spread=0.6, rng=rng)
    shift = np.zeros(n, dtype=np.int64)
    prompts = in_manner(riders, who, fill(lookalike_grammar(), "rider", n, rng=rng, shift=shift), rng=rng)
    times = people_times(world, replace(riders, zone=np.full(len(riders), 1.0)), who, rng=rng)
    return [
        make_requests(world, bot, shift, prompts=prompts, times=times, label=benign("support_bot"), rng=rng)
    ]


def benchmark(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A public harness: every laboratory sends the same items, each in runs of an hour or two."""
    n_labs = max(1, min(7, n // 40))
    n_items = -(-n // n_labs)
    grammar = lookalike_grammar()
    phrase = lookalike_phrases("single")["benchmark"]
    items = fill_phrase(grammar, phrase, np.zeros(n_items, dtype=np.int64), rng=rng)
    labs = members(world, crowd, n_labs, rng=rng, new=0.6)
    who, item = np.arange(n) // n_items, np.arange(n) % n_items
    begins = rng.random(len(labs)) * world.window_us * 0.97
    pace = rng.uniform(2e6, 30e6, len(labs))
    times = inside(world, (begins[who] + item * pace[who] + rng.exponential(1e6, n)).astype(np.int64))
    return [
        make_requests(
            world,
            labs,
            who,
            prompts=items[item],
            times=times,
            label=benign("benchmark"),
            rng=rng,
            output_tokens=4.0,
        )
    ]


def retry_storm(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Clients without back-off during an outage: the same prompt again every few seconds."""
    n_prompts = max(1, n // 25)
    clients = members(world, crowd, n_prompts, rng=rng)
    sender = np.arange(n_prompts) % len(clients)
    texts = write_prompts(world, clients, sender, rng=rng, again=0.0)
    which = np.sort(rng.integers(0, n_prompts, n))
    outage = rng.uniform(0.1, 0.9) * world.window_us
    begins = outage + rng.random(n_prompts) * 2 * HOUR_US
    tries = np.arange(n) - np.searchsorted(which, which)
    times = inside(world, (begins[which] + tries * 4e6 + rng.exponential(2e6, n)).astype(np.int64))
    return [
        make_requests(
            world,
            clients,
            sender[which],
            prompts=texts[which],
            times=times,
            label=benign("retry_storm"),
            rng=rng,
            output_tokens=2.0,
        )
    ]


def api_pipelines(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Separate customers who kept the documentation's sample prompt; unattended, even loads, flat hours."""
    n_customers = max(1, round(n / 22))
    customers = _without_crowd(world, n_customers, rng=rng)
    owned = rng.random(n_customers) < 0.25
    ids = organisation_ids(n_customers, rng=rng)
    customers = replace(
        customers, hours=np.full(n_customers, FLAT), org_id=np.where(owned, ids, customers.org_id)
    )
    who = rng.integers(0, n_customers, n)
    # Two of three read messages on their own goods; for the others any message may come.
    own = np.where(rng.random(n_customers) < 0.66, customers.shift, 0)
    message = fill(lookalike_grammar(), "message", n, rng=rng, shift=own[who]).tolist()
    head, tail = lookalike_phrases("single")["pipeline"].split("{message}")
    prompts = np.empty(n, dtype=object)
    prompts[:] = [head + text + tail for text in message]
    times = even_times(world, n, rng=rng)
    return [
        make_requests(
            world,
            customers,
            who,
            prompts=prompts,
            times=times,
            label=benign("api_pipelines"),
            rng=rng,
            output_tokens=40.0,
        )
    ]


def hostile_samples(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Developers who ask about markup, formulas and control codes, and paste them."""
    askers = members(world, crowd, max(1, n // 6), rng=rng)
    who = uses(len(askers), n, spread=0.6, rng=rng)
    prompts = fill(lookalike_grammar(), "hostile", n, rng=rng)
    times = people_times(world, askers, who, rng=rng)
    return [
        make_requests(
            world, askers, who, prompts=prompts, times=times, label=benign("hostile_samples"), rng=rng
        )
    ]


def _without_crowd(
    world: World, n: int, *, rng: np.random.Generator, system_prompt: str | None = None
) -> People:
    """New accounts of no organisation with one system prompt, or none."""
    people = make_people(world, n, rng=rng)
    return replace(
        people, org_id=np.full(n, None, dtype=object), system_prompt=np.full(n, system_prompt, dtype=object)
    )
