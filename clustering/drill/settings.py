"""What a drill can be told, and how large what it plants becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from clustering.run_settings import RunSettings
from clustering.simulation import PRESETS, CampaignPlan, SimulationSettings, drawn_plans

SHARES = (0.05, 0.01, 0.005, 0.001)
MOST_PLANTED = 0.5  # of the requests of a drill's run: beyond, the log is no background any more


@dataclass(frozen=True)
class DrillSettings:
    """What a drill can be told.

    Parameters
    ----------
    campaigns
        Names of recipes (their habits are drawn from the seed) or of public campaigns, or plans of one's own;
        their sizes do not count, their ratio of accounts to requests does.
    shares
        Of the requests of log and plants together that each campaign's extraction has. None: those of
        ``SHARES`` at which the log can hold a campaign.
    apart
        A run for each campaign and share, instead of one for all campaigns of a share.
    keep
        Keep what was planted, its truth, and the runs.
    run
        Settings of the runs; its seed is also that of what is planted, its ``force`` replaces a drill.

    Raises
    ------
    ValueError
        No or an unknown campaign, or a share outside of (0, 0.5].
    """

    campaigns: tuple[str | CampaignPlan, ...] = tuple(PRESETS)
    shares: tuple[float, ...] | None = None
    apart: bool = False
    keep: bool = False
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        if not self.campaigns:
            raise ValueError("campaigns: there is none to plant; name at least one")
        SimulationSettings(campaigns=self.campaigns)  # refuses unknown names and two of one
        for share in self.shares or ():
            if not 0.0 < share <= MOST_PLANTED:
                raise ValueError(f"share={share:g}: give more than 0 and at most {MOST_PLANTED:g}")
        if self.shares is not None and (not self.shares or len(set(self.shares)) < len(self.shares)):
            raise ValueError(f"shares={self.shares}: name at least one, and each once")

    @property
    def plans(self) -> tuple[CampaignPlan, ...]:
        """The campaigns with the habits that they have in this drill."""
        chosen = SimulationSettings(campaigns=self.campaigns, campaign_share=None)
        return drawn_plans(chosen, seed=self.run.seed)


def possible_shares(
    settings: DrillSettings, groups: Sequence[Sequence[CampaignPlan]], n_requests: int
) -> tuple[float, ...]:
    """The shares to plant at, largest first; `groups` are the plans of one run each.

    Raises
    ------
    ValueError
        At one that was asked for, a campaign has fewer requests than a family, or more than half of all would
        be planted; or none of ``SHARES`` is possible.
    """
    least = max(_least_share(group, n_requests, settings.run.min_family) for group in groups)
    most = min(MOST_PLANTED / _weight(group) for group in groups)
    for share in settings.shares or ():
        if share < least:
            raise ValueError(
                f"share {share:g}: {n_requests:,} requests are too few, a campaign has to have "
                f"{settings.run.min_family} to be a family; give at least {least:.2g}, or a longer log"
            )
        if share > most:
            raise ValueError(
                f"share {share:g}: the campaigns of a run, with their accounts' ordinary requests, would be "
                f"more than half of all; give at most {most:.2g}, fewer campaigns, or each apart"
            )
    shares = settings.shares or tuple(share for share in SHARES if least <= share <= most)
    if not shares:
        raise ValueError(
            f"{n_requests:,} requests: none of the shares {', '.join(f'{share:g}' for share in SHARES)} is "
            f"possible for these campaigns; give one from {least:.2g} to {most:.2g}, or a longer log"
        )
    return tuple(sorted(shares, reverse=True))


def sized(plans: Sequence[CampaignPlan], share: float, n_requests: int) -> tuple[CampaignPlan, ...]:
    """The plans at the size at which each one's extraction has `share` of all requests.

    With N requests of the log, n of each campaign, and the ordinary ones of its accounts beside them (of a
    share m of what they send), n = s (N + Σ n / (1 − m)), hence n = s N / (1 − s Σ 1 / (1 − m)).
    """
    n = round(share * n_requests / (1.0 - share * _weight(plans)))
    return tuple(plan.scaled(n) for plan in plans)


def _weight(plans: Sequence[CampaignPlan]) -> float:
    """What is planted for one extraction request of each campaign."""
    return sum(1.0 / (1.0 - plan.mixing) for plan in plans)


def _least_share(plans: Sequence[CampaignPlan], n_requests: int, min_family: int) -> float:
    """The smallest share at which each campaign has `min_family` requests: fewer cannot be a family."""
    return min_family / (n_requests + min_family * _weight(plans))
