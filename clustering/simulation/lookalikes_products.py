"""Look-alikes of separate customers and users: products with many seats, unattended pipelines, digests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World, make_people, organisation_ids
from .adopters import loads_of, members, n_of, parts
from .conversations import open_talks, write_history
from .filling import fill
from .grammar import Texts
from .lookalike_texts import (
    around,
    customers_texts,
    draw_template,
    record_grammar,
    record_kinds,
    write_records,
)
from .organic import Label, benign, fill_own, in_manner, make_requests, own_cells
from .schedule import OFFICE, inside, people_times
from .unattended import program_times

Rows = NDArray[np.int64]


def product_seats(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Companies' products: a system prompt, an organisation, many seats in office hours.

    Like a campaign: one wrapper, dozens of accounts that do nothing else, one line of work. Unlike: one
    verified organisation, so one principal; seats have favourites, office hours, unequal loads.
    """
    blocks = []
    for place, size in enumerate(parts(n, 4_000, rng=rng)):
        who = loads_of(size, (4.0, 60.0), rng=rng)
        seats = _seats(world, n_of(who), rng=rng)
        seats = replace(
            seats,
            org_id=np.repeat(organisation_ids(1, rng=rng), len(seats)),
            hours=np.full(len(seats), OFFICE),
            zone=np.full(len(seats), float(rng.integers(-8, 11))),
        )
        kinds = rng.choice(len(record_kinds()), size=3, replace=False)
        kind = kinds[(3 * rng.random(size) ** 2).astype(np.int64)]
        prompts = _staff_prompts(seats, who, kind, rng=rng)
        label = benign("product_seats", f"product_{place}")
        blocks.append(_chats(world, seats, who, prompts=prompts, label=label, rng=rng))
    return blocks


def open_product(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A consumer product that opens an account for each of its users, without organisations.

    Like a campaign: one system prompt, thousands of accounts that do nothing else, no organisation. Unlike:
    they arrive over the whole log, keep to their subjects, hours and manner, most of them send little.
    """
    blocks = []
    for place, size in enumerate(parts(n, 5_000, rng=rng)):
        who = loads_of(size, (1.5, 15.0), rng=rng, heavy=0.9)
        users = _seats(world, n_of(who), rng=rng)
        if rng.random() < 0.5:
            prompts = in_manner(users, who, fill_own(world, users, who, "prompt", rng=rng), rng=rng)
        else:  # a product for one purpose: everybody's subjects are the same
            kind = np.full(size, rng.integers(0, len(record_kinds())))
            prompts = _staff_prompts(users, who, kind, rng=rng)
        label = benign("open_product", f"app_{place}")
        blocks.append(_chats(world, users, who, prompts=prompts, label=label, rng=rng))
    return blocks


def api_pipelines(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Separate customers who kept the documentation's sample prompt around their own data, unattended.

    Like a campaign: one wrapper to the letter, hundreds of accounts devoted to it, machine pace, no nights.
    Unlike: each customer has its own subject matter and vocabulary, a volume of its own over orders of
    magnitude, its own schedule, first and last day. Part of them read the same kind of records.
    """
    blocks = []
    for place, size in enumerate(parts(n, 2_500, rng=rng)):
        who = loads_of(size, (3.0, 80.0), rng=rng, heavy=0.9)
        customers = _seats(world, n_of(who), rng=rng)
        owned = rng.random(len(customers)) < rng.uniform(0.0, 0.7)
        ids = organisation_ids(len(customers), rng=rng)
        customers = replace(
            customers,
            org_id=np.where(owned, ids, customers.org_id),
            system_prompt=np.full(len(customers), None, dtype=object),
        )
        records = customers_texts(world, customers, who, rng=rng)
        prompts = around(draw_template("pipeline", rng=rng), records)
        times = program_times(world, customers, who, rng=rng)
        label = benign("api_pipelines", f"pipeline_{place}")
        blocks.append(
            make_requests(
                world, customers, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=40.0
            )
        )
    return blocks


def cron_digests(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A well-known recipe for a digest: every account at its own minute, each day or weekday.

    Like a campaign: one wrapper, equal loads, the same pace day after day, unattended. Unlike: a minute and
    a first day of one's own, the day's text from one's own sources, days that fail, one a day.
    """
    blocks = []
    for place, size in enumerate(parts(n, 1_500, rng=rng)):
        who, day = _runs(world, size, rng=rng)
        users = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.1, 0.9))
        minute = np.floor(rng.random(len(users)) * 96) * HOUR_US / 4
        moment = minute[who] + rng.exponential(15e6, size)
        times = inside(world, (day * DAY_US + moment).astype(np.int64))
        prompts = _digests(world, users, who, day, draw_template("cron", rng=rng), rng)
        label = benign("cron_digests", f"digest_{place}")
        blocks.append(
            make_requests(
                world, users, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=180.0
            )
        )
    return blocks


def _seats(world: World, n: int, *, rng: np.random.Generator) -> People:
    """New accounts of no organisation behind one product's system prompt."""
    people = make_people(world, n, rng=rng)
    return replace(
        people,
        org_id=np.full(n, None, dtype=object),
        system_prompt=np.full(n, draw_template("product", rng=rng), dtype=object),
    )


def _staff_prompts(seats: People, who: Rows, kind: Rows, *, rng: np.random.Generator) -> Texts:
    """A task and the record it is about; each seat has tasks that it does more often than others."""
    tasks = np.array([draw_template("staff", rng=rng) for _ in range(int(rng.integers(3, 12)))], dtype=object)
    usual = (seats.shift[who] + (len(tasks) * rng.random(len(who)) ** 2).astype(np.int64)) % len(tasks)
    return in_manner(seats, who, tasks[usual] + write_records(kind, seats.shift[who], rng=rng), rng=rng)


def _chats(
    world: World, people: People, who: Rows, *, prompts: Texts, label: Label, rng: np.random.Generator
) -> pl.DataFrame:
    """Requests at people's hours; those of clients that talk carry their conversations."""
    times = people_times(world, people, who, rng=rng)
    times = times[np.lexsort((times, who))]
    talks = open_talks(people, who, times, rng=rng)
    cells = own_cells(people, who, rng=rng)
    logged = people.in_app[who]
    history = write_history(world, talks, prompts, cells=cells, rng=rng, logged=logged)
    return make_requests(
        world, people, who, prompts=prompts, times=times, label=label, rng=rng, history=history
    )


def _runs(world: World, n: int, *, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Account and day of `n` digests: from a first day on, daily or on weekdays, with days that fail."""
    days = world.settings.days
    n_users = max(1, -(-n // max(1, int(days * rng.uniform(0.3, 0.7)))))
    first = np.where(rng.random(n_users) < 0.5, 0, rng.integers(0, days, n_users))
    weekdays_only = rng.random(n_users) < rng.uniform(0.0, 0.6)
    who, day = np.divmod(np.arange(n_users * days), days)
    weekend = (world.settings.start.weekday() + day) % 7 >= 5
    idle = (day < first[who]) | (weekdays_only[who] & weekend)
    # Days off come last; so do, in no order, the days that fail.
    chosen = np.sort(np.lexsort((rng.random(len(who)), idle))[:n])
    renumbered = np.unique(who[chosen], return_inverse=True)[1]
    return renumbered, day[chosen]


def _digests(
    world: World,
    users: People,
    who: Rows,
    day: Rows,
    template: str,
    rng: np.random.Generator,
) -> Texts:
    """The template with the day's date and lines from each user's own sources; (n,) object."""
    lines = fill(record_grammar(), "headlines", len(who), rng=rng, shift=users.shift[who])
    start = np.datetime64(world.settings.start.replace(tzinfo=None), "D")
    dates = np.datetime_as_string(start + day).tolist()
    out = np.empty(len(who), dtype=object)
    out[:] = [
        template.replace("<date>", date).replace("<data>", text)
        for date, text in zip(dates, lines.tolist(), strict=True)
    ]
    return out
