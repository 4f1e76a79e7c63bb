"""Which campaigns a log has, and their habits: drawn from the seed, each campaign with a stream of its own.

What is drawn, and how often, says what operators may do, not what anybody can find. No habit depends on
another, so that twenty seeds are twenty worlds: a round-robin dispatcher in Chinese that greets before each
prompt, office workers with a third of bare instructions, a pool that is replaced twice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .grammar import LANGUAGES
from .plans import DISGUISES, LOADS, SCHEDULES, CampaignPlan
from .presets import CAMPAIGNS, PRESETS
from .settings import SimulationSettings

MOST_MIXING = 0.7  # of a drawn plan; a plan of one's own may mix more

_SCHEDULE_ODDS = (0.28, 0.15, 0.13, 0.1, 0.22, 0.12)
_LOAD_ODDS = (0.35, 0.3, 0.35)
_LANGUAGE_ODDS = {"en": 0.55, "zh": 0.21, "es": 0.12, "de": 0.12}
_POOL_ODDS = {1: 0.7, 2: 0.22, 3: 0.08}
_DISGUISE_ODDS = dict(zip(DISGUISES, (0.15, 0.1, 0.1, 0.08, 0.08, 0.3, 0.12), strict=True))
_CAMPAIGNS_A_LOG = (4, 6)


def part_generator(seed: int, part: str, name: str) -> np.random.Generator:
    """A generator of one part of the log; parts have streams of their own, whatever else is switched on."""
    return np.random.default_rng([seed, *f"{part}/{name}".encode()])


def drawn_plans(settings: SimulationSettings, *, seed: int) -> tuple[CampaignPlan, ...]:
    """The campaigns of a log, at the sizes that they have in it.

    Plans are taken as they are, presets as reported, and recipes with the habits that the seed gives them; no
    names at all are four to six of the recipes. ``campaign_share`` rescales all in proportion; those that get
    no request are left out.
    """
    names = settings.campaigns
    if names is None:
        rng = part_generator(seed, "plan", "names")
        n = int(rng.integers(_CAMPAIGNS_A_LOG[0], _CAMPAIGNS_A_LOG[1] + 1))
        drawn = rng.choice(list(CAMPAIGNS), size=n, replace=False).tolist()
        names = tuple(name for name in CAMPAIGNS if name in drawn)
    plans = [item if isinstance(item, CampaignPlan) else _plan(item, seed=seed) for item in names]
    if settings.campaign_share is None:
        return tuple(plans)
    total = round(settings.campaign_share * settings.n_requests)
    sizes = divided(total, [plan.n_requests for plan in plans])
    return tuple(plan.scaled(n) for plan, n in zip(plans, sizes, strict=True) if n)


def _plan(name: str, *, seed: int) -> CampaignPlan:
    if name in PRESETS:
        return PRESETS[name]
    return draw_plan(CAMPAIGNS[name], rng=part_generator(seed, "plan", name))


def draw_plan(plan: CampaignPlan, *, rng: np.random.Generator) -> CampaignPlan:
    """Draw all habits of a campaign, and a size around that of `plan`.

    Requests an account are log-normal around that of `plan`, between about 1.5 and 60.
    """
    n_requests = max(20, round(plan.n_requests * rng.lognormal(0.0, 0.45)))
    per_account = np.clip(plan.n_requests / plan.n_accounts * rng.lognormal(0.0, 0.8), 1.5, 60.0)
    ordinary = rng.random() < 0.55
    bare, relayed = rng.random(2) < (0.3, 0.15)
    language = str(rng.choice(list(_LANGUAGE_ODDS), p=list(_LANGUAGE_ODDS.values())))
    elsewhere = rng.random()
    anywhere = "en" if elsewhere < 0.75 else str(rng.choice(list(LANGUAGES)))
    worn = rng.random(len(DISGUISES)) < list(_DISGUISE_ODDS.values())
    return replace(
        plan,
        n_requests=n_requests,
        n_accounts=max(5, round(n_requests / per_account)),
        schedule=str(rng.choice(SCHEDULES, p=_SCHEDULE_ODDS)),
        loads=str(rng.choice(LOADS, p=_LOAD_ODDS)),
        mixing=float(ordinary * MOST_MIXING * rng.beta(1.2, 1.5)),
        relays=bool(rng.random() < 0.35),
        pivots=bool(rng.random() < 0.2),
        pools=int(rng.choice(list(_POOL_ODDS), p=list(_POOL_ODDS.values()))),
        shards=bool(rng.random() < 0.18),
        disguises=tuple(name for name, on in zip(DISGUISES, worn, strict=True) if on),
        language=language,
        payload_language=None if elsewhere < 0.6 else anywhere,
        plain=float(bare * rng.uniform(0.05, 0.4)),
        relayed=float(relayed * rng.uniform(0.05, 0.3)),
    )  # fmt: skip


def divided(total: int, weights: list[int] | list[float]) -> list[int]:
    """Whole numbers in proportion to `weights` that add up to `total`."""
    ends = np.round(np.cumsum(weights) / max(sum(weights), 1e-9) * total).astype(np.int64)
    return [int(n) for n in np.diff(ends, prepend=0)]
