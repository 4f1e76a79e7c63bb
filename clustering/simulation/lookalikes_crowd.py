"""Look-alikes made by many people: templates that spread, shared tools, a class, a hackathon, a riddle.

Each function writes `n` requests of one look-alike by members of the crowd (the ordinary accounts, who also
send ordinary requests) or by new accounts, and returns one frame per group.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World, joined_people, make_people
from .grammar import fill, fill_phrase
from .organic import benign, fill_own, in_manner, make_requests, own_phrase
from .payloads import lookalike_grammar, lookalike_phrases
from .schedule import FLAT, inside, people_times


def viral_templates(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Three templates that spread through the crowd, two filled with one's own subjects, one from a menu."""
    blocks = []
    parts = rng.multinomial(n, (0.4, 0.3, 0.3))
    for (name, phrase), size in zip(lookalike_phrases("viral").items(), parts.tolist(), strict=True):
        adopters = members(world, crowd, round(size / 2.2), rng=rng)
        # Adoption is logistic around one day; before it, nobody knows the template.
        middle, spread = rng.uniform(0.25, 0.7) * world.settings.days, rng.uniform(0.5, 2.5)
        adopted = np.clip(rng.logistic(middle, spread, len(adopters)), 0, world.settings.days - 0.5)
        adopters = replace(adopters, joined=np.maximum(adopters.joined, adopted))
        who = uses(len(adopters), size, spread=0.9, rng=rng)
        if "{thing}" in phrase:
            prompts = own_phrase(world, adopters, who, phrase, rng=rng)
        else:
            prompts = fill_phrase(lookalike_grammar(), phrase, np.zeros(size, dtype=np.int64), rng=rng)
        times = people_times(world, adopters, who, rng=rng)
        label = benign("viral_templates", f"viral_{name}")
        blocks.append(
            make_requests(
                world, adopters, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=420.0
            )
        )
    return blocks


def framework_default(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Two frameworks' default prompts around their users' own work; some users are heavy or never sleep."""
    blocks = []
    for (name, phrase), size in zip(
        lookalike_phrases("framework").items(), (n // 2, n - n // 2), strict=True
    ):
        n_users = max(1, round(size / 11))
        users = members(world, crowd, n_users, rng=rng, new=0.4)
        flat = rng.random(len(users)) < 0.3
        users = replace(users, hours=np.where(flat, FLAT, users.hours))
        who = uses(len(users), size, spread=1.3, rng=rng)
        prompts = fill_own(world, users, who, "prompt", rng=rng)
        if "{request}" in phrase:
            head, tail = phrase.split("{request}")
            prompts[:] = [head + prompt + tail for prompt in prompts.tolist()]
        else:
            users = replace(users, system_prompt=np.full(len(users), phrase, dtype=object))
        times = people_times(world, users, who, rng=rng)
        label = benign("framework_default", f"framework_{name}")
        blocks.append(
            make_requests(
                world, users, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=380.0
            )
        )
    return blocks


def marketplace(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A bought template with menus: fills say nothing of the person, hardly a repeat, many a day for some."""
    buyers = members(world, crowd, round(n / 9), rng=rng)
    who = uses(len(buyers), n, spread=0.8, rng=rng)
    phrase = lookalike_phrases("single")["marketplace"]
    prompts = fill_phrase(lookalike_grammar(), phrase, np.zeros(n, dtype=np.int64), rng=rng)
    times = people_times(world, buyers, who, rng=rng)
    label = benign("marketplace", "marketplace_images")
    return [
        make_requests(
            world, buyers, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=160.0
        )
    ]


def classroom(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Twenty exercises, copied from one sheet by a whole class, most of them just before the deadline."""
    sheet = fill(lookalike_grammar(), "payload", 20, rng=rng)
    pupils = members(world, crowd, round(n / 8), rng=rng, new=0.5)
    pupils = replace(pupils, zone=np.full(len(pupils), 1.0))
    who = np.sort(rng.integers(0, len(pupils), n))
    prompts = in_manner(pupils, who, sheet[rng.integers(0, len(sheet), n)], rng=rng)
    deadline = int(rng.uniform(0.5, 0.95) * world.settings.days) * DAY_US + 22 * HOUR_US
    before = rng.exponential(1.2, n) * DAY_US
    local = np.floor((deadline - before) / DAY_US) * DAY_US + rng.triangular(13, 19, 23, n) * HOUR_US
    times = inside(world, np.minimum(local, deadline).astype(np.int64) - HOUR_US)
    label = benign("classroom")
    return [
        make_requests(
            world, pupils, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=400.0
        )
    ]


def cron_digests(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """A well-known recipe for a daily digest: every account at its own minute, each day, equal loads."""
    days = world.settings.days
    users = members(world, crowd, -(-n // days), rng=rng, new=0.3)
    who, day = np.arange(n) // days, np.arange(n) % days
    minute = rng.choice(24 * 4, len(users)) * HOUR_US // 4
    times = inside(world, day * DAY_US + minute[who] + rng.integers(0, 20_000_000, n))
    grammar = lookalike_grammar()
    headlines = fill(grammar, "headlines", n, rng=rng, shift=users.shift[who])
    start = np.datetime64(world.settings.start.replace(tzinfo=None), "D")
    dates = np.datetime_as_string(start + day).tolist()
    phrase = lookalike_phrases("single")["cron"]
    prompts = np.empty(n, dtype=object)
    prompts[:] = [
        phrase.replace("{date}", date).replace("{headlines}", lines)
        for date, lines in zip(dates, headlines.tolist(), strict=True)
    ]
    label = benign("cron_digests")
    return [
        make_requests(
            world, users, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=180.0
        )
    ]


def hackathon(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Teams with new accounts, one starter kit, one weekend day and night, nothing else in their traffic."""
    teams = members(world, crowd, round(n / 8), rng=rng, new=1.0)
    weekday = (world.settings.start.weekday() + np.arange(world.settings.days)) % 7
    saturdays = np.flatnonzero(weekday == 5)
    first = int(rng.choice(saturdays)) if len(saturdays) else world.settings.days - 1
    who = uses(len(teams), n, spread=0.5, rng=rng)
    prompts = own_phrase(world, teams, who, lookalike_phrases("single")["hackathon"], rng=rng)
    times = inside(world, first * DAY_US + (rng.uniform(0.3, 1.6, n) * DAY_US).astype(np.int64))
    label = benign("hackathon")
    return [
        make_requests(
            world, teams, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=600.0
        )
    ]


def small_talk(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Greetings, and a riddle that everybody puts to the machine once it has been in the news."""
    n_riddles = n // 3
    label = benign("small_talk")
    people = members(world, crowd, n - n_riddles, rng=rng)
    who = uses(len(people), n - n_riddles, spread=0.5, rng=rng)
    chat = fill_own(world, people, who, "chat", rng=rng, favourites=0.0)
    prompts = in_manner(people, who, chat, rng=rng)
    times = people_times(world, people, who, rng=rng)
    greetings = make_requests(world, people, who, prompts=prompts, times=times, label=label, rng=rng)
    asking = members(world, crowd, n_riddles, rng=rng)
    who = np.arange(n_riddles) % max(len(asking), 1)
    listed = np.array(lookalike_phrases("single")["riddle"], dtype=object)
    prompts = in_manner(
        asking, who, listed[(len(listed) * rng.random(n_riddles) ** 2).astype(np.int64)], rng=rng
    )
    news = rng.uniform(0.2, 0.8) * world.window_us
    times = inside(world, (news + rng.exponential(0.8 * DAY_US, n_riddles)).astype(np.int64))
    label = benign("small_talk", "riddle")
    return [greetings, make_requests(world, asking, who, prompts=prompts, times=times, label=label, rng=rng)]


def members(world: World, crowd: People, n: int, *, rng: np.random.Generator, new: float = 0.0) -> People:
    """`n` people, at least one: a share `new` with new accounts, the others from the crowd while it lasts."""
    n = max(n, 1)
    known = crowd.take(rng.permutation(len(crowd))[: n - round(new * n)])
    return joined_people(known, make_people(world, n - len(known), rng=rng))


def uses(n_people: int, n: int, *, spread: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Who is behind each of `n` uses: everybody once if there are enough, the rest by log-normal weights."""
    weights = rng.lognormal(0.0, spread, n_people)
    rest = rng.choice(n_people, size=max(n - n_people, 0), p=weights / weights.sum())
    return np.sort(np.concatenate([np.arange(min(n, n_people)), rest]))
