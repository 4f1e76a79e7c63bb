"""Look-alikes made by many people: templates that spread, menus, greetings, questions of the day, odd texts.

Each function writes `n` requests of one look-alike, by members of the crowd (the ordinary accounts, who also
send ordinary requests) or by new accounts, and returns one frame per group. How many accounts, how heavy
their loads and which words is drawn from `rng`: another seed is another world.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World
from .adopters import between, loads_of, members, n_of, parts
from .filling import fill
from .grammar import Texts, read_phrases
from .lookalike_texts import draw_template, from_menus, from_subjects, record_grammar
from .organic import benign, fill_own, in_manner, make_requests
from .schedule import inside, people_times


def viral_templates(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Templates that spread, filled with everybody's own subjects.

    Like a campaign: one long wrapper to the letter, hundreds of accounts, hardly a repeat. Unlike: adopted
    over days, mostly once or twice a head, by people with other things to ask; some rewrite its end.
    """
    blocks = []
    for place, size in enumerate(parts(n, 900, rng=rng)):
        who = loads_of(size, (1.1, 6.0), rng=rng)
        adopters = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.0, 0.3))
        # Adoption is logistic around one day, in hours after a newsletter or over the whole log.
        middle, spread = rng.uniform(0.1, 0.8) * world.settings.days, between(0.1, 4.0, rng=rng)
        adopted = np.clip(rng.logistic(middle, spread, len(adopters)), 0, world.settings.days - 0.5)
        adopters = replace(adopters, joined=np.maximum(adopters.joined, adopted))
        prompts = from_subjects(world, adopters, who, draw_template("viral", rng=rng), rng=rng)
        changed = np.flatnonzero(rng.random(size) < rng.uniform(0.0, 0.35))
        extra = fill_own(world, adopters, who[changed], "limit", rng=rng)
        prompts[changed] = prompts[changed] + " " + extra
        times = people_times(world, adopters, who, rng=rng)
        label = benign("viral_templates", f"viral_{place}")
        blocks.append(
            make_requests(
                world, adopters, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=420.0
            )
        )
    return blocks


def marketplace(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Bought templates with menus, filled in by hand.

    Like a campaign: fills say nothing of the person, the menus' grid fills up, many a day for some. Unlike:
    people's loads and hours, favourites among the menu entries, entries of very unequal popularity.
    """
    blocks = []
    for place, size in enumerate(parts(n, 1_500, rng=rng)):
        who = loads_of(size, (2.0, 40.0), rng=rng, heavy=0.7)
        buyers = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.0, 0.6))
        fond = rng.random(len(buyers)) < rng.uniform(0.0, 0.8)
        prompts = from_menus(draw_template("menu", rng=rng), (buyers.shift * fond)[who], rng=rng)
        times = people_times(world, buyers, who, rng=rng)
        label = benign("marketplace", f"marketplace_{place}")
        blocks.append(
            make_requests(
                world, buyers, who, prompts=prompts, times=times, label=label, rng=rng, output_tokens=160.0
            )
        )
    return blocks


def small_talk(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Greetings and other first words.

    Like a campaign: the same text from thousands of accounts. Unlike: a few words, of no use for training,
    from people at their hours, repeated as popularity has it.
    """
    who = loads_of(n, (1.1, 4.0), rng=rng)
    people = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.0, 0.4))
    chat = fill_own(world, people, who, "chat", rng=rng, favourites=0.0)
    prompts = in_manner(people, who, chat, rng=rng)
    times = people_times(world, people, who, rng=rng)
    label = benign("small_talk")
    return [make_requests(world, people, who, prompts=prompts, times=times, label=label, rng=rng)]


def popular_question(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """What everybody asks at once: a riddle from the news, an event, a holiday.

    Like a campaign: one question in few wordings by all accounts, within days of each other. Unlike: once a
    head, in each one's spelling and language, dying away (news) or rising to a day (holiday).
    """
    riddles = np.array(read_phrases("lookalikes")["single"]["riddle"], dtype=object)
    blocks = []
    for place, size in enumerate(parts(n, 500, rng=rng)):
        who = loads_of(size, (1.0, 1.6), rng=rng, heavy=0.1)
        people = members(world, crowd, n_of(who), rng=rng, new=rng.uniform(0.0, 0.2))
        slot = ("riddle", "news", "season")[place % 3]
        texts = riddles if slot == "riddle" else _wordings(slot, rng=rng)
        chosen = (len(texts) * rng.random(size) ** 2).astype(np.int64)
        prompts = in_manner(people, who, texts[chosen], rng=rng)
        day = rng.uniform(0.15, 0.9) * world.window_us
        wait = rng.exponential(between(0.2, 3.0, rng=rng) * DAY_US, size)
        moment = np.floor((day - wait if slot == "season" else day + wait) / DAY_US) * DAY_US
        hour = rng.triangular(6, 19, 25, size) - people.zone[who]
        times = inside(world, (moment + hour * HOUR_US).astype(np.int64))
        label = benign("popular_question", f"{slot}_{place}")
        blocks.append(make_requests(world, people, who, prompts=prompts, times=times, label=label, rng=rng))
    return blocks


def _wordings(slot: str, *, rng: np.random.Generator) -> Texts:
    """Ways to ask about one event: all phrases of a slot, turned to the same event."""
    grammar = record_grammar()
    inner = {"news": "w_event", "season": "f_feast"}[slot]
    event = str(fill(grammar, inner, 1, rng=rng, shift=rng.integers(0, 99, 1))[0])
    return np.array([event.join(phrase.literals) for phrase in grammar.alternatives[slot]], dtype=object)


def hostile_samples(world: World, crowd: People, n: int, *, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Developers who ask about markup, formulas and control codes, and paste them.

    Like a campaign: odd pieces that recur across accounts. Unlike: no wrapper, few a head, people's hours.
    """
    who = loads_of(n, (2.0, 12.0), rng=rng)
    askers = members(world, crowd, n_of(who), rng=rng)
    nobody: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
    prompts = from_menus("<hostile>", nobody, rng=rng)
    times = people_times(world, askers, who, rng=rng)
    label = benign("hostile_samples")
    return [make_requests(world, askers, who, prompts=prompts, times=times, label=label, rng=rng)]
