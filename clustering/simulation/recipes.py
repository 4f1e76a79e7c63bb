"""Recipes: the families of a campaign, and the queue of prompts that each sends.

What a campaign sends is in ``phrases/campaigns.toml`` (its families) and ``campaigns_<language>.toml`` (their
texts): wrappers around payloads, grids, personas, operators, one prompt again and again. A queue is written
without regard to accounts, apart from the subject that each keeps to where the plan wants that. It can be
written in slices: what a campaign settles once (its wording, the shares of several, the items that it
samples, where a sweep stands) is drawn with the first and kept for the others in a dict, `once`, per recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .accounts import World
from .disguises import disguised, shuffled_phrases
from .filling import fill_phrase, weave
from .grammar import Grammar, Texts, read_phrases, slots_of
from .payloads import anybodys_prompts, campaign_grammar, has_payloads, prompts_in
from .plans import CampaignPlan

_ASKED = "\ue000"  # stands for somebody's ordinary prompt while the rest of a phrase is filled


@dataclass(frozen=True)
class Recipe:
    """One family as its table in ``phrases/campaigns.toml`` has it; its texts are found by `template`."""

    template: str
    weight: float
    system: bool = False
    samples: int = 1
    items: int = 0
    sweep: bool = False
    work: tuple[str, ...] = ()
    after: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Whether its prompts have no text in common."""
        return self.template.startswith("plain:")


@dataclass(frozen=True)
class Queue:
    """Prompts of one family in the order in which they are handed out.

    ``system`` is None where accounts keep their own; ``family`` is the name in the truth without the group,
    one per text that is shared to the letter. All (n,) object.
    """

    prompts: Texts
    system: Texts | None
    family: Texts


PLAIN, RELAYED = "plain:payloads", "plain:relayed"


@cache
def recipes_of(name: str) -> tuple[Recipe, ...]:
    """The families of a campaign."""
    tables = read_phrases("campaigns")[name]
    return tuple(Recipe(**{**table, "work": tuple(table.get("work", ()))}) for table in tables)


def wordings_of(name: str, recipe: Recipe, language: str) -> list[str]:
    """The texts of a family in a language, one per wording."""
    if recipe.is_plain:
        return ["{payload}"]
    listed: list[str] = read_phrases(f"campaigns_{language}")[name][recipe.template]
    return listed


def queue_of(
    world: World,
    plan: CampaignPlan,
    recipe: Recipe,
    shards: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    once: dict[str, Any],
) -> Queue:
    """One prompt for each of `shards` ((n,) int64: the subject of the row's account; −1: any).

    With ``samples`` each prompt is there so often in a row; with ``items`` there are only so many of each
    wording, in turns. `once` is empty for the first slice of a recipe's queue, and handed on to the others.
    """
    wordings = wordings_of(plan.name, recipe, plan.language)
    if "paraphrases" not in plan.disguises:
        wordings = [wordings[once.setdefault("wording", int(rng.integers(0, len(wordings))))]]
    rows, wording = _items(recipe, len(wordings), len(shards), rng=rng, once=once)
    of_item = np.full(len(wording), -1)
    of_item[rows[::-1]] = shards[::-1]  # an item is on the subject of the first account that sends it
    phrases, pick = _phrases(wordings, wording, shuffled="shuffled" in plan.disguises, rng=rng, once=once)
    written = _written(world, plan, recipe, phrases, pick, of_item, rng=rng, once=once)
    prompts, system = once.setdefault("items", written) if recipe.items and len(rows) else written
    numbers = [f"#{k + 1}" for k in range(len(wordings))] if len(wordings) > 1 else [""]
    family = np.array([recipe.template + number for number in numbers], dtype=object)[wording]
    if recipe.items > 1:
        family[:] = [f"{recipe.template}#{k + 1}" for k in range(len(family))]
    grammar = _grammar(plan, recipe)
    apart = rng.spawn(1)[0]  # so that the same campaign without its disguise says the same
    worn = once.setdefault("disguise", {})
    prompts = disguised(prompts[rows], plan.disguises, grammar, rng=apart, once=worn)
    if system is not None:
        worn = once.setdefault("disguise of the system prompt", {})
        system = disguised(system[rows], plan.disguises, grammar, rng=apart, once=worn, before=False)
    return Queue(prompts, system, family[rows])


def _items(
    recipe: Recipe, n_wordings: int, n: int, *, rng: np.random.Generator, once: dict[str, Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The item of each of `n` requests ((n,) int64), and the wording of each item ((items,) int64)."""
    if recipe.items:
        n_items = once.setdefault("n_items", min(n, recipe.items * n_wordings)) if n else 1
        rows = rng.permutation(np.arange(n) % n_items)
        return rows, np.arange(rows.max(initial=-1) + 1) % n_wordings
    rows = np.arange(n) // recipe.samples
    odds = once.setdefault("odds", rng.dirichlet(np.full(n_wordings, 3.0)))
    return rows, rng.choice(n_wordings, size=rows.max(initial=-1) + 1, p=odds)


def _phrases(
    wordings: list[str],
    wording: NDArray[np.int64],
    *,
    shuffled: bool,
    rng: np.random.Generator,
    once: dict[str, Any],
) -> tuple[list[str], NDArray[np.int64]]:
    """The phrases to fill, and which of them each row of `wording` takes: other orders are other phrases."""
    if not shuffled:
        return wordings, wording
    orders = once.setdefault("orders", [shuffled_phrases(text, rng=rng) for text in wordings])
    counts = np.array([len(listed) for listed in orders])
    begins = np.cumsum(counts) - counts
    pick = begins[wording] + (rng.random(len(wording)) * counts[wording]).astype(np.int64)
    return [text for listed in orders for text in listed], pick


def _written(
    world: World,
    plan: CampaignPlan,
    recipe: Recipe,
    phrases: list[str],
    pick: NDArray[np.int64],
    shards: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    once: dict[str, Any],
) -> tuple[Texts, Texts | None]:
    """Fill the phrases; those of a system prompt stand as they are before bare work."""
    system = np.array(phrases, dtype=object)[pick] if recipe.system else None
    if recipe.system:
        phrases, pick = ["{payload}"], np.zeros_like(pick)
    if not has_payloads(plan.payload_language or plan.language):
        phrases = [phrase.replace("{payload}", "{asked}") for phrase in phrases]
    phrases = [phrase.replace("{asked}", _ASKED) for phrase in phrases]
    out = np.empty(len(pick), dtype=object)
    for shard in np.unique(shards):
        rows = np.flatnonzero(shards == shard)
        grammar = _grammar(plan, recipe, shard=int(shard))
        values = None
        if recipe.sweep:
            stood = once.get(f"sweep {shard}", 0)
            values = _sweep(grammar, phrases[0], np.arange(stood, stood + len(rows)))
            once[f"sweep {shard}"] = stood + len(rows)
        for place in np.unique(pick[rows]):
            own = pick[rows] == place
            if values is None:
                nobody = np.zeros(int(own.sum()), dtype=np.int64)
                out[rows[own]] = fill_phrase(grammar, phrases[place], nobody, rng=rng)
            else:
                out[rows[own]] = _inserted(phrases[place], {name: v[own] for name, v in values.items()})
    if _ASKED in "".join(phrases):
        asked = _asked(world, plan, shards, rng=rng).tolist()
        out[:] = [text.replace(_ASKED, words) for text, words in zip(out.tolist(), asked, strict=True)]
    return out, system


def _grammar(plan: CampaignPlan, recipe: Recipe, *, shard: int = -1) -> Grammar:
    payload_language = plan.payload_language or plan.language
    if not has_payloads(payload_language):
        payload_language = plan.language
    return campaign_grammar(plan.language, payload_language, recipe.work, shard)


def _sweep(grammar: Grammar, phrase: str, turns: NDArray[np.int64]) -> dict[str, Texts]:
    """Combinations of a phrase's plain slots by number, the last slot turning fastest; then again."""
    names = list(dict.fromkeys(slots_of(phrase)))
    sizes = [len(grammar.plain[name]) for name in names]
    places = np.unravel_index(turns % int(np.prod(sizes)), sizes)
    return {name: grammar.plain[name][place] for name, place in zip(names, places, strict=True)}


def _inserted(phrase: str, values: dict[str, Texts]) -> Texts:
    """A phrase with given values in its slots; (n,) object."""
    names = slots_of(phrase)
    literals, rest = [], phrase
    for name in names:
        before, rest = rest.split("{" + name + "}", 1)
        literals.append(before)
    columns = [values[name].tolist() for name in names]
    return weave((*literals, rest), columns, len(values[names[0]]))


def _asked(world: World, plan: CampaignPlan, shards: NDArray[np.int64], *, rng: np.random.Generator) -> Texts:
    """Ordinary prompts, of anybody unless the plan has a language or subjects for them."""
    if plan.payload_language is None and plan.language == "en" and not plan.shards:
        return anybodys_prompts(world, len(shards), rng=rng)
    return prompts_in(plan.payload_language or plan.language, shards, rng=rng)
