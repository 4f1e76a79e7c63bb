"""What a planted campaign carries: half of it what the log's own people ask, half the simulator's exercises.

A campaign extracts what a model is used for, so its payloads have to be about what the log is about; and an
operator has exercises that nobody in this log asks. The simulator writes a wrapper around an exercise; here,
where the wrapper stands to the letter, the exercise gives way to somebody's prompt. Under letter disguises
and shuffled parts it does not stand so, and all payloads stay exercises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from clustering.drill.profile import as_cells
from clustering.simulation import CampaignPlan
from clustering.simulation.accounts import World
from clustering.simulation.grammar import Grammar
from clustering.simulation.recipes import recipes_of, wordings_of

_OWN = 0.5  # share of the distinct prompts that carry one of the log's
_N_CELLS = 32
_PAYLOAD = "{payload}"

Edges = tuple[str, str]  # the texts directly before and after a payload


def inhabited(world: World, prompts: Sequence[str]) -> World:
    """The world whose people ask `prompts` (neighbours belong together); () leaves it as it is.

    The ordinary requests of a campaign's accounts, relayed conversations and wrapped ordinary prompts are
    then the log's own. Small talk, remarks and the assistant's turns stay the simulator's.
    """
    if not prompts:
        return world
    cells = as_cells(prompts, _N_CELLS)
    model = world.grammars[0]
    grammars = tuple(
        Grammar(model.alternatives, {**model.plain, "prompt": texts}, model.skew) for texts in cells
    )
    taste = replace(world.taste, popularity=np.ones(len(cells)), spoken=np.ones(1))
    return replace(world, grammars=grammars, cell_language=np.zeros(len(cells), dtype=np.int64), taste=taste)


def with_own_payloads(
    requests: pl.DataFrame, plan: CampaignPlan, prompts: Sequence[str], *, rng: np.random.Generator
) -> pl.DataFrame:
    """Put some of `prompts` in place of the payloads of a half of the campaign's distinct prompts.

    Equal prompts of one family stay equal. A campaign whose accounts keep to a subject each stays as it is.

    Parameters
    ----------
    requests : as ``campaign_requests`` makes them.
    """
    if not prompts or plan.shards:
        return requests
    changed = []
    for name, edges in _edges_of(plan).items():
        family = pl.col("family").str.replace(r"#\d+$", "") == f"{plan.label}/{name}"
        texts = requests.filter(family)["prompt"].unique(maintain_order=True)
        chosen = texts.filter(rng.random(len(texts)) < _OWN)
        own = rng.integers(0, len(prompts), len(chosen)).tolist()
        new = [carrying(text, prompts[row], edges) for text, row in zip(chosen.to_list(), own, strict=True)]
        changed.append(
            pl.DataFrame(
                {"template": name, "prompt": chosen, "new": new},
                schema={"template": pl.String, "prompt": pl.String, "new": pl.String},
            )
        )
    template = pl.col("family").str.strip_prefix(f"{plan.label}/").str.replace(r"#\d+$", "")
    joined = requests.with_columns(template=template).join(
        pl.concat(changed), on=["template", "prompt"], how="left", maintain_order="left"
    )
    return joined.with_columns(prompt=pl.coalesce("new", "prompt")).select(requests.columns)


def carrying(text: str, payload: str, edges: Sequence[Edges]) -> str:
    """The text with `payload` between the first of `edges` that it has; as it is where it has none."""
    for before, after in edges:
        at = text.find(before)
        start = at + len(before)
        end = text.find(after, start) if after else len(text)
        if at >= 0 and end >= 0:
            return text[:start] + payload + text[end:]
    return text


def _edges_of(plan: CampaignPlan) -> dict[str, list[Edges]]:
    """By template, what stands around the payload in each wording; a bare payload has no edge.

    Under a system prompt all of the prompt is payload.
    """
    found: dict[str, list[Edges]] = {}
    for recipe in recipes_of(plan.name):
        if recipe.system:
            found[recipe.template] = [("", "")]
            continue
        wordings = [text for text in wordings_of(plan.name, recipe, plan.language) if _PAYLOAD in text]
        around = [text.split(_PAYLOAD, 1) for text in wordings if text != _PAYLOAD]
        pairs = [(before.rpartition("}")[2], after.partition("{")[0]) for before, after in around]
        # With a slot directly before it, nobody can tell where the payload begins.
        found[recipe.template] = [(before, after) for before, after in pairs if before]
    return found
