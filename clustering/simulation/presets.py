"""Campaigns by name: recipes whose habits each seed draws, and the public ones as they were reported."""

from __future__ import annotations

from dataclasses import replace

from .plans import CampaignPlan

CAMPAIGNS = {
    plan.name: plan
    for plan in (
        CampaignPlan("trace", 340, 90),
        CampaignPlan("rubric", 190, 40),
        CampaignPlan("grid", 180, 36),
        CampaignPlan("roles", 160, 36),
        CampaignPlan("personas", 190, 48),
        CampaignPlan("operators", 240, 48),
        CampaignPlan("instructions", 220, 60),
        CampaignPlan("resample", 120, 30),
        CampaignPlan("relay", 300, 60),
    )
}
"""The recipes with their middle sizes. All else is drawn from a simulation's seed, see ``habits``."""

# Requests and accounts from public reports of 2026: Anthropic (February, June and September), Google GTIG
# (February), CISA/NSA/FBI AA26-251A. Where a report only says "hundreds" or "groups", the number is a guess.
PRESETS = {
    plan.name: plan
    for plan in (
        CampaignPlan("qwen", 28_800_000, 25_000, loads="poisson", pools=2),
        CampaignPlan("minimax", 13_000_000, 20_000, loads="poisson", pivots=True, mixing=0.1, relays=True),
        CampaignPlan("moonshot", 3_400_000, 600, loads="skewed", schedule="people", mixing=0.2),
        CampaignPlan("deepseek", 150_000, 150, schedule="groups"),
    )
}
"""The public campaigns at their full size; ``CampaignPlan.scaled`` makes them smaller."""

PRESET_REQUESTS = 100_000
PRESET_SHARE = 0.01


def preset_in(name: str, n_requests: int, share: float) -> CampaignPlan:
    """A preset for a log of `n_requests`, of which it is to be a `share`.

    In a log of as many requests as were reported, or more, it has the accounts that were reported, however
    small its share (but two requests an account); in smaller ones its requests decide, by
    ``CampaignPlan.scaled``.
    """
    plan = PRESETS[name]
    if n_requests < plan.n_requests:
        return plan
    n = max(round(share * n_requests), 1)
    return replace(plan, n_requests=n, n_accounts=min(plan.n_accounts, max(n // 2, 1)))
