"""Look-alikes around conversations and frameworks: shared wrappers, shared histories, resellers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, People, World, make_people
from .adopters import between, loads_of, members, n_of, parts
from .conversations import History, Talks, messages_of, places_in_runs, write_replies
from .lookalike_texts import around, customers_texts, draw_template, record_kinds, write_records
from .organic import benign, make_requests, organic_requests, own_cells, write_prompts, write_turns
from .schedule import FLAT, inside, people_times
from .unattended import program_times


def framework_default(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Frameworks' default prompts around their users' own work; some users are heavy or never sleep.

    Like a campaign: a long wrapper to the letter around arbitrary payloads, hundreds of accounts, part of
    them unattended. Unlike: each account keeps to its own subjects, loads are heavy-tailed, all the time.
    """
    blocks = []
    for place, size in enumerate(parts(n, 1_200, rng=rng)):
        who = loads_of(size, (2.0, 60.0), rng=rng, heavy=0.8)
        users = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.0, 0.7))
        flat = rng.random(len(users)) < rng.uniform(0.0, 0.6)
        users = replace(users, hours=np.where(flat, FLAT, users.hours))
        prompts = write_prompts(world, users, who, rng=rng, again=0.02)
        if rng.random() < 0.6:
            prompts = around(draw_template("request", rng=rng), prompts)
        else:
            system = np.full(len(users), draw_template("system", rng=rng), dtype=object)
            users = replace(users, system_prompt=system)
        times = people_times(world, users, who, rng=rng)
        label = benign("framework_default", f"framework_{place}")
        blocks.append(
            make_requests(
                world, users, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=380.0
            )
        )
    return blocks


def few_shot_chat(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A tutorial's chat template with canned examples, around separate customers' own records.

    Like a relay: many accounts go on from one shared history, assistant turns to the letter. Unlike: the
    history is always the same few canned turns from the very beginning, and nobody ever said them live.
    """
    blocks = []
    for place, size in enumerate(parts(n, 800, rng=rng)):
        who = loads_of(size, (2.0, 50.0), rng=rng, heavy=0.8)
        users = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.3, 1.0))
        records = customers_texts(world, users, who, rng=rng)
        n_shots = int(rng.integers(1, 5))
        shots = write_records(rng.integers(0, len(record_kinds()), n_shots), np.zeros(n_shots, int), rng=rng)
        canned = write_replies(world, np.zeros(n_shots, dtype=np.int64), rng=rng)
        talks = _runs_of(np.full(size, n_shots + 1))
        said = np.full(len(talks.turn), None, dtype=object)
        replies = np.full(len(talks.turn), "", dtype=object)
        for shot in range(n_shots):
            said[talks.turn == shot], replies[talks.turn == shot] = shots[shot], canned[shot]
        last = talks.turn == n_shots
        said[last] = records
        history = History(
            np.full(size, None, dtype=object), messages_of(talks, said, replies).filter(pl.Series(last))
        )
        times = program_times(world, users, who, rng=rng)
        label = benign("few_shot_chat", f"few_shot_{place}")
        blocks.append(
            make_requests(
                world, users, who, prompts=records, times=times, label=label, rng=rng, history=history
            )
        )
    return blocks


def shared_links(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Conversations that their owner published, opened by others who go on from where it stopped.

    Like a relay: another account continues a history, assistant turns to the letter. Unlike: rare; all
    readers start from the same last turn and none from another's; the owner's account stays one person's.
    """
    # A block of turns for each owner and each reader; a reader's block begins with the owner's turns.
    shared = np.minimum(rng.geometric(0.35, n + 1) + 1, 6)
    n_readers = np.minimum(np.floor(rng.pareto(1.1, n + 1)) + 1, 400).astype(np.int64)
    link = np.repeat(np.arange(n + 1), n_readers + 1)[: n + 1]
    owner = np.searchsorted(link, link)
    own = np.where(owner == np.arange(n + 1), 0, np.minimum(rng.geometric(0.6, n + 1), 4))
    sent = np.where(own == 0, shared[link], own)
    link, owner, own = (column[np.cumsum(sent) - sent < n] for column in (link, owner, own))
    talks = _runs_of(shared[link] + own)
    block = talks.talk
    people = members(world, crowd, len(owner), rng=rng)
    cells = own_cells(people, owner, rng=rng)[block]
    said = write_turns(world, people, block, cells=cells, talks=talks, rng=rng, again=0.0)
    replies = write_replies(world, cells, rng=rng)
    copied = (talks.turn < shared[link[block]]) & (own[block] > 0)
    source = np.flatnonzero(talks.turn == 0)[owner[block[copied]]] + talks.turn[copied]
    said[copied], replies[copied] = said[source], replies[source]
    rows = np.flatnonzero(~copied)[:n]
    history = History(np.full(len(rows), None, dtype=object), messages_of(talks, said, replies)[rows])
    times = _link_times(world, talks, owner, rng=rng)[rows]
    label = benign("shared_links")
    return [
        make_requests(
            world, people, block[rows], prompts=said[rows], times=times, label=label, rng=rng, history=history
        )
    ]


def reseller(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A reseller that opens an account for every end customer and puts its own lines before their words.

    Like a campaign: accounts made in batches by one hand, a common system prompt, one model, one address.
    Unlike: behind each account is one person with subjects, hours and conversations of their own.
    """
    blocks = []
    for place, size in enumerate(parts(n, 2_500, rng=rng)):
        customers = make_people(world, max(1, round(size / between(3, 40, rng=rng))), rng=rng)
        batches = np.sort(rng.random(int(rng.integers(1, 9)))) * world.settings.days * 0.8
        nothing = np.full(len(customers), None, dtype=object)
        customers = replace(
            customers,
            org_id=nothing,
            system_prompt=np.full(len(customers), draw_template("preamble", rng=rng), dtype=object),
            joined=rng.choice(np.concatenate([[0.0], batches]), len(customers)),
            model=np.full(len(customers), rng.integers(0, 3)),
            in_app=np.zeros(len(customers), dtype=np.bool_),
        )
        label = benign("reseller", f"reseller_{place}")
        blocks.append(organic_requests(world, customers, size, rng=rng, label=label))
    return blocks


def gateway(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A company's gateway: a few keys of one organisation carry the traffic of all its people and programs.

    Like a campaign: enormous loads, requests of every subject, day and night, keys used in rotation. Unlike:
    one principal, and no common text.
    """
    blocks = []
    for place, size in enumerate(parts(n, 5_000, rng=rng)):
        keys = members(world, crowd, int(rng.integers(1, 7)), rng=rng, new=1.0)
        org = make_people(world, 1, rng=rng).account_id[0].replace("acct", "org")
        staff = make_people(world, max(1, size // int(rng.integers(3, 30))), rng=rng)
        key = rng.integers(0, len(keys), len(staff))
        staff = replace(
            staff,
            account_id=keys.account_id[key],
            org_id=np.full(len(staff), org, dtype=object),
            in_app=np.zeros(len(staff), dtype=np.bool_),
        )
        label = benign("gateway", f"gateway_{place}")
        blocks.append(organic_requests(world, staff, size, rng=rng, label=label))
    return blocks


def _runs_of(lengths: NDArray[np.int64]) -> Talks:
    """Conversations of the given numbers of turns, one after the other."""
    talk = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.ones(len(talk), dtype=np.bool_)
    starts[1:] = talk[1:] != talk[:-1]
    return Talks(talk, places_in_runs(starts))


def _link_times(
    world: World, talks: Talks, owner: NDArray[np.int64], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Minutes between turns; a reader opens the link hours to days after the owner's last turn."""
    n_blocks = len(owner)
    begin = rng.random(n_blocks) * world.window_us * 0.8
    wait = rng.lognormal(np.log(0.5 * DAY_US), 1.2, n_blocks)
    opened = begin[owner] + np.where(owner == np.arange(n_blocks), 0, DAY_US / 24 + wait)
    gaps = rng.lognormal(np.log(90e6), 0.9, len(talks.turn))
    elapsed = np.cumsum(gaps)
    moment = opened[talks.talk] + elapsed - elapsed[talks.first]
    return inside(world, moment.astype(np.int64))
