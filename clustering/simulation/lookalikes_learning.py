"""Look-alikes of people who learn and compare: classes, hackathons, sample code, harnesses, a release."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World
from .adopters import between, loads_of, members, n_of, parts
from .filling import fill
from .grammar import Texts
from .lookalike_texts import draw_template, from_menus, from_subjects, record_grammar
from .organic import benign, fill_own, in_manner, make_requests, write_prompts
from .schedule import inside, people_times

_COURSES = ("maths", "code", "analysis", "knowledge", "logic", "payload")


def classroom(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Classes that copy the exercises of one sheet, most of them just before the deadline.

    Like a campaign: the same hard questions from dozens of accounts within hours, new accounts among them.
    Unlike: the union is one sheet, each pupil sends a part of it, by day, in one time zone.
    """
    blocks = []
    for place, size in enumerate(parts(n, 350, rng=rng)):
        who = loads_of(size, (3.0, 20.0), rng=rng, heavy=0.2)
        pupils = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.1, 0.9))
        zone = float(rng.integers(-8, 11))
        sheet = _distinct(str(rng.choice(_COURSES)), int(between(6, 60, rng=rng)), rng=rng)
        texts = sheet[_own_parts(who, len(sheet), rng=rng)]
        led = rng.random(len(pupils)) < rng.uniform(0.0, 0.6)
        lead = np.where(led, [draw_template("lead", rng=rng) for _ in range(len(pupils))], "")
        prompts = in_manner(pupils, who, lead.astype(object)[who] + texts, rng=rng)
        deadline = int(rng.uniform(0.3, 1.0) * (world.settings.days - 1)) * DAY_US + 22 * HOUR_US
        before = rng.exponential(between(0.2, 2.5, rng=rng), size) * DAY_US
        local = np.floor((deadline - before) / DAY_US) * DAY_US + rng.triangular(9, 19, 24, size) * HOUR_US
        times = inside(world, (np.minimum(local, deadline) - zone * HOUR_US).astype(np.int64))
        label = benign("classroom", f"classroom_{place}")
        blocks.append(
            make_requests(
                world, pupils, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=400.0
            )
        )
    return blocks


def hackathon(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Teams with new accounts and one starter kit, on one weekend, day and night.

    Like a campaign: new accounts that do nothing else, one wrapper, all at once, no nights. Unlike: each
    team keeps to its own project; it is over on Sunday; some teams ask ten times as much as others.
    """
    weekday = (world.settings.start.weekday() + np.arange(world.settings.days)) % 7
    saturdays = np.flatnonzero(weekday == 5)
    blocks = []
    for place, size in enumerate(parts(n, 900, rng=rng)):
        who = loads_of(size, (4.0, 60.0), rng=rng)
        teams = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.5, 1.0))
        teams = replace(teams, cell_cumulated=np.ones_like(teams.cell_cumulated))  # a team has one subject
        first = int(rng.choice(saturdays)) if len(saturdays) else world.settings.days - 1
        begin, length = rng.uniform(0.2, 0.45), rng.uniform(0.8, 1.5)
        prompts = _projects(world, teams, who, draw_template("hackathon", rng=rng), rng=rng)
        moment = first + begin + length * rng.beta(1.2, 1.0, size)
        times = inside(world, (moment * DAY_US).astype(np.int64))
        label = benign("hackathon", f"hackathon_{place}")
        blocks.append(
            make_requests(
                world, teams, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=600.0
            )
        )
    return blocks


def sample_code(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """The prompts of documentation samples and tutorials, run once or a few times as given.

    Like a campaign: one text from thousands of accounts, new ones above all, round the world and the clock.
    Unlike: a handful of toy prompts, once or twice a head, right after the account began; some change a word.
    """
    who = loads_of(n, (1.0, 3.0), rng=rng, heavy=0.3)
    users = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.5, 1.0))
    samples = np.array([draw_template("sample", rng=rng) for _ in range(rng.integers(3, 13))], dtype=object)
    weights = rng.pareto(1.2, len(samples)) + 0.1
    favourite = rng.choice(len(samples), size=len(users), p=weights / weights.sum())
    other = rng.random(n) < 0.2
    prompts = samples[np.where(other, rng.integers(0, len(samples), n), favourite[who])]
    changed = np.flatnonzero(rng.random(n) < rng.uniform(0.0, 0.25))
    nobody: NDArray[np.int64] = np.zeros(len(changed), dtype=np.int64)
    prompts[changed] = prompts[changed] + from_menus(" <t_thing>, <c_length>", nobody, rng=rng)
    began = rng.random(len(users)) * world.window_us
    times = inside(world, (began[who] + rng.exponential(0.05, n) * DAY_US).astype(np.int64))
    label = benign("sample_code")
    return [
        make_requests(
            world, users, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=60.0
        )
    ]


def benchmark(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Public harnesses: several laboratories run the same items, wholly or in part.

    Like a campaign: a wrapper around hard items, machine pace, accounts that do little else. Unlike: the
    items are one fixed list; runs are full, broken off, or on a laboratory's own subset, some three times.
    """
    blocks = []
    for place, size in enumerate(parts(n, 4_000, rng=rng)):
        n_labs = int(np.clip(round(between(4, 14, rng=rng) * (size / 500) ** 0.3), 2, max(size // 8, 2)))
        n_items = max(3, round(size / n_labs * between(1.0, 2.0, rng=rng)))
        who = loads_of(size, (size / n_labs, size / n_labs * 1.01), rng=rng, heavy=0.3)
        labs = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.3, 1.0))
        nobody: NDArray[np.int64] = np.zeros(n_items, dtype=np.int64)
        items = from_menus(draw_template("benchmark", rng=rng), nobody, rng=rng)
        prompts = items[_runs(who, n_items, rng=rng)]
        begins = rng.random(len(labs)) * world.window_us * 0.97
        pace = rng.lognormal(np.log(4e6), 1.2, len(labs)).clip(2e5, 6e7)
        order = np.arange(size) - np.searchsorted(who, who)
        times = inside(world, (begins[who] + order * pace[who] + rng.exponential(1e6, size)).astype(np.int64))
        label = benign("benchmark", f"benchmark_{place}")
        blocks.append(
            make_requests(
                world, labs, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=8.0
            )
        )
    return blocks


def release_benchmarking(
    world: World, crowd: People, n: int, *, rng: np.random.Generator
) -> list[pl.DataFrame]:
    """Everybody's favourite test questions on the day a new model comes out, ours or somebody else's.

    Like a campaign: a step in time, hard short questions, the new model from the first hour. Unlike: a list
    that everybody knows, a few of it each, by people of the crowd who go back to their own subjects.
    """
    who = loads_of(n, (2.0, 14.0), rng=rng)
    people = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.0, 0.3))
    known = world.settings.release_day is not None and world.release_us < world.window_us
    release = world.release_us if known else int(rng.uniform(0.1, 0.85) * world.window_us)
    if known:
        people = replace(people, adopts_us=np.full(len(people), release))
    listed = _distinct("taste", int(between(8, 60, rng=rng)), rng=rng)
    prompts = in_manner(people, who, listed[(len(listed) * rng.random(n) ** 1.6).astype(np.int64)], rng=rng)
    wait = rng.exponential(between(0.15, 1.5, rng=rng), len(people)) * DAY_US
    sitting = rng.exponential(0.6, n) * HOUR_US
    times = inside(world, (release + wait[who] + sitting).astype(np.int64))
    label = benign("release_benchmarking")
    return [
        make_requests(
            world, people, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=220.0
        )
    ]


def try_frameworks(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """People who try one framework after another with the tasks of its front page, then one of their own.

    Like a campaign: wrappers around the same tasks from many accounts. Unlike: a short evening each, the
    wrappers differ from person to person, and the people come from the crowd.
    """
    who = loads_of(n, (2.0, 9.0), rng=rng)
    people = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.0, 0.5))
    kits = [draw_template("request", rng=rng) for _ in range(int(rng.integers(3, 9)))]
    kit = (people.shift[who] + (rng.random(n) < 0.2)) % len(kits)
    tasks = _distinct("agentic", int(rng.integers(4, 20)), rng=rng)
    task = tasks[(len(tasks) * rng.random(n) ** 1.5).astype(np.int64)]
    own = np.flatnonzero(rng.random(n) < rng.uniform(0.2, 0.8))
    task[own] = write_prompts(world, people, who[own], rng=rng, again=0.0)
    prompts = np.array(
        [kits[k].replace("<data>", text) for k, text in zip(kit.tolist(), task.tolist(), strict=True)],
        dtype=object,
    )
    times = people_times(world, people, who, rng=rng)
    label = benign("try_frameworks")
    return [make_requests(world, people, who, prompts=prompts, times=times, label=label, rng=rng)]


def _projects(
    world: World, teams: People, who: NDArray[np.int64], template: str, *, rng: np.random.Generator
) -> Texts:
    """The kit with each team's project, the same for all its requests, and the question of the moment."""
    head, tail = template.split("<ask>")
    one_each = np.arange(len(teams))
    projects = from_subjects(world, teams, one_each, head, rng=rng)
    questions = fill_own(world, teams, who, "ask", rng=rng)
    prompts: Texts = projects[who] + questions + tail
    return prompts


def _distinct(slot: str, n: int, *, rng: np.random.Generator) -> Texts:
    """At most `n` distinct texts of a slot, in no order; at least one."""
    texts = np.unique(fill(record_grammar(), slot, max(n, 1), rng=rng).astype(str)).astype(object)
    return texts[rng.permutation(len(texts))]


def _own_parts(who: NDArray[np.int64], n_items: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Each user goes through the list from a place of their own near its start, with skips and repeats."""
    order = np.arange(len(who)) - np.searchsorted(who, who)
    start = (rng.random(n_of(who)) ** 3 * n_items).astype(np.int64)
    skips = rng.integers(0, 3, len(who))
    places: NDArray[np.int64] = (
        start[who] + order + np.where(rng.random(len(who)) < 0.3, skips, 0)
    ) % n_items
    return places


def _runs(who: NDArray[np.int64], n_items: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Item of each request: a laboratory runs the list, or a subset of its own, and then again."""
    order = np.arange(len(who)) - np.searchsorted(who, who)
    items = np.empty(len(who), dtype=np.int64)
    for lab in range(n_of(who)):
        rows = np.flatnonzero(who == lab)
        chosen = np.arange(n_items)
        way = rng.random()
        if way < 0.35:
            chosen = np.sort(rng.choice(n_items, max(1, int(n_items * rng.uniform(0.2, 0.9))), replace=False))
        elif way < 0.6:
            chosen = rng.permutation(n_items)
        items[rows] = chosen[order[rows] % len(chosen)]
    return items
