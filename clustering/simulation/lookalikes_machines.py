"""Look-alikes made by programs of one customer or few: batches, farms, tests of software, retries, bots.

As in ``lookalikes_crowd``, each function writes `n` requests of one look-alike, one frame per group.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from .accounts import DAY_US, HOUR_US, People, World, make_people, organisation_ids
from .adopters import between, loads_of, members, n_of, parts
from .grammar import Texts
from .lookalike_texts import (
    around,
    customers_texts,
    draw_template,
    from_menus,
    record_grammar,
    record_kinds,
    write_records,
)
from .organic import benign, in_manner, make_requests, write_prompts
from .schedule import inside, people_times
from .unattended import program_times


def batch_job(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A customer that works off a catalogue on a few nights, from one account.

    Like a campaign: one wrapper around thousands of distinct payloads at machine pace. Unlike: one account.
    """
    blocks = []
    for place, size in enumerate(parts(n, 12_000, rng=rng)):
        owner = make_people(world, 1, rng=rng)
        nobody = np.zeros(size, dtype=np.int64)
        kind = np.full(size, rng.integers(0, len(record_kinds())))
        records = write_records(kind, nobody + owner.shift, rng=rng)
        prompts = around(draw_template("translation", rng=rng), records)
        every = int(rng.integers(1, 8))
        nights = np.sort(rng.integers(0, world.settings.days, size)) // every * every
        length = between(0.5, 14.0, rng=rng)
        times = inside(world, nights * DAY_US + (rng.random(size) * length * HOUR_US).astype(np.int64))
        label = benign("batch_job", f"batch_{place}")
        blocks.append(make_requests(world, owner, nobody, prompts=prompts, times=times, label=label, rng=rng))
    return blocks


def translation_batch(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A few customers whose batches translate or sum up their own texts with the same popular instruction.

    Like a campaign: one wrapper, several accounts, machine pace, no repeats. Unlike: few accounts, each with
    its own subject matter, volume and nights, most with an organisation.
    """
    blocks = []
    for place, size in enumerate(parts(n, 6_000, rng=rng)):
        n_customers = int(rng.integers(2, 10))
        who = loads_of(size, (size / n_customers, size / n_customers * 1.01), rng=rng, heavy=0.8)
        customers = _program_accounts(world, n_of(who), owned=rng.uniform(0.3, 1.0), rng=rng)
        texts = customers_texts(world, customers, who, rng=rng)
        prompts = around(draw_template("translation", rng=rng), texts)
        times = program_times(world, customers, who, rng=rng)
        label = benign("translation_batch", f"translation_{place}")
        blocks.append(
            make_requests(world, customers, who, prompts=prompts, times=times, label=label, rng=rng)
        )
    return blocks


def seo_farm(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """One customer that has pages written for every service in every town: a true grid.

    Like a campaign: a swept grid in order, even fillers, synthetic text in bulk. Unlike: one to three
    accounts, of one organisation or none. A case for policy, not for this detector.
    """
    blocks = []
    for place, size in enumerate(parts(n, 4_000, rng=rng)):
        owner = _program_accounts(world, int(rng.integers(1, 4)), owned=0.0, rng=rng)
        if rng.random() < 0.7:
            owner = replace(owner, org_id=np.repeat(organisation_ids(1, rng=rng), len(owner)))
        prompts = _sweep(size, rng=rng)
        who = np.sort(rng.integers(0, len(owner), size))
        begin = rng.uniform(0.0, 0.6)
        end = rng.uniform(begin + 0.05, 1.0)
        times = np.sort(((begin + (end - begin) * rng.random(size)) * world.window_us).astype(np.int64))
        label = benign("seo_farm", f"seo_farm_{place}")
        blocks.append(
            make_requests(
                world, owner, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=1200.0
            )
        )
    return blocks


def ci_prompts(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Continuous integration: a project's prompt suite runs on every change, also with its forks' keys.

    Like a campaign: the same list of tasks from several accounts by machine, round the clock. Unlike: the
    list is fixed and repeated hundreds of times; a few keys; runs follow office hours or a nightly build.
    """
    blocks = []
    for place, size in enumerate(parts(n, 1_500, rng=rng)):
        suite = int(between(8, 150, rng=rng))
        runs = -(-size // suite)
        n_keys = int(np.clip(rng.geometric(0.25), 1, max(runs // 3, 1)))
        keys = _program_accounts(world, n_keys, owned=rng.uniform(0.0, 0.6), rng=rng)
        listed = from_menus("<payload>", np.zeros(suite, dtype=np.int64), rng=rng)
        if rng.random() < 0.7:
            listed = around(draw_template("request", rng=rng), listed)
        weights = rng.lognormal(0.0, 1.2, n_keys)
        key = np.sort(rng.choice(n_keys, size=runs, p=weights / weights.sum()))
        begins = program_times(world, keys, key, rng=rng)
        order = np.arange(size)
        times = inside(world, begins[order // suite] + (order % suite) * int(between(2e5, 8e6, rng=rng)))
        label = benign("ci_prompts", f"ci_{place}")
        blocks.append(
            make_requests(
                world, keys, key[order // suite], prompts=listed[order % suite], times=times, label=label,
                rng=rng, output_tokens=120.0,
            )
        )  # fmt: skip
    return blocks


def retry_storm(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Clients without back-off, or with little, during an outage: the same prompt again and again.

    Like a campaign: many equal prompts at once. Unlike: each prompt from one account, seconds apart, answers
    empty; the accounts have nothing in common but the outage.
    """
    blocks = []
    for place, size in enumerate(parts(n, 600, rng=rng)):
        which = loads_of(size, (4.0, 60.0), rng=rng)
        n_prompts = n_of(which)
        clients = members(world, crowd, n_prompts, rng=rng)
        sender = np.arange(n_prompts)
        texts = write_prompts(world, clients, sender, rng=rng, again=0.0)
        outage = rng.uniform(0.02, 0.95) * world.window_us
        begins = outage + rng.random(n_prompts) * between(0.1, 5.0, rng=rng) * HOUR_US
        tries = np.arange(size) - np.searchsorted(which, which)
        pace = rng.lognormal(np.log(3e6), 0.8, n_prompts).clip(2e5, 5e7)
        power = np.where(rng.random(n_prompts) < 0.4, 1.4, 1.0)
        wait = np.minimum(pace[which] * tries ** power[which], 0.4 * DAY_US)
        times = inside(world, (begins[which] + wait + rng.exponential(5e5, size)).astype(np.int64))
        label = benign("retry_storm", f"retry_storm_{place}")
        blocks.append(
            make_requests(
                world, clients, sender[which], prompts=texts[which], times=times, label=label, rng=rng,
                output_tokens=2.0,
            )
        )  # fmt: skip
    return blocks


def support_bot(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """An account behind a help desk: many strangers' short questions, by day.

    Like a campaign: one system prompt, no subject of its own, thousands of short payloads. Unlike: one
    account, its visitors' hours, questions as popular as questions are.
    """
    blocks = []
    for place, size in enumerate(parts(n, 8_000, rng=rng)):
        bot = make_people(world, 1, rng=rng)
        system = draw_template("product", rng=rng)
        bot = replace(bot, system_prompt=np.full(1, system, dtype=object))
        who = loads_of(size, (1.0, 4.0), rng=rng)
        visitors = make_people(world, n_of(who), rng=rng)
        slot = str(rng.choice(["<rider>", "<message>", "<p_issue>", "<tenant>"]))
        nobody = np.zeros(size, dtype=np.int64)
        prompts = in_manner(visitors, who, from_menus(slot, nobody, rng=rng), rng=rng)
        near = replace(visitors, zone=np.full(len(visitors), float(rng.integers(-8, 11))))
        times = people_times(world, near, who, rng=rng)
        label = benign("support_bot", f"support_{place}")
        blocks.append(make_requests(world, bot, nobody, prompts=prompts, times=times, label=label, rng=rng))
    return blocks


def _program_accounts(world: World, n: int, *, owned: float, rng: np.random.Generator) -> People:
    """New accounts of programs: no system prompt; a share `owned` has an organisation of its own."""
    people = make_people(world, n, rng=rng)
    nothing = np.full(n, None, dtype=object)
    org_id = np.where(rng.random(n) < owned, organisation_ids(n, rng=rng), nothing)
    return replace(people, org_id=org_id, system_prompt=nothing)


def _sweep(n: int, *, rng: np.random.Generator) -> Texts:
    """Combinations of services, towns and angles, in the order of the customer; then another template."""
    plain = record_grammar().plain
    names = ("e_service", "e_town", "e_angle")
    axes = [plain[name][rng.permutation(len(plain[name]))] for name in names]
    lengths = [len(axis) for axis in axes]
    total = int(np.prod(lengths))
    places = np.unravel_index(np.arange(n) % total, lengths)
    columns = [axis[place].tolist() for axis, place in zip(axes, places, strict=True)]
    templates = [draw_template("farm", rng=rng) for _ in range(-(-n // total))]
    out = np.empty(n, dtype=object)
    out[:] = [
        templates[row // total].replace("<e_service>", a).replace("<e_town>", b).replace("<e_angle>", c)
        for row, (a, b, c) in enumerate(zip(*columns, strict=True))
    ]
    return out
