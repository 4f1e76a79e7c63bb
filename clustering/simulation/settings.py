"""What a simulated log contains: how much of everything, and which campaigns and look-alikes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from .grammar import LANGUAGES

SCHEDULES = ("round_the_clock", "slices", "bursts", "office", "replaced", "people")
LOADS = ("equal", "poisson", "skewed")


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise ValueError(f"{name}={value} is too small; give at least {low}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}={value} is outside [{low}, {high}]")


def _one_of(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    values, known = tuple(values), tuple(known)
    unknown = [value for value in values if value not in known]
    if unknown:
        raise ValueError(
            f"{name} has the unknown {', '.join(map(repr, unknown))}; there are {', '.join(known)}"
        )
    if len(set(values)) < len(values):
        raise ValueError(f"{name}={values} names something twice; name each once")


@dataclass(frozen=True)
class CampaignPlan:
    """One campaign.

    Parameters
    ----------
    name : the recipe in ``CAMPAIGNS`` that writes its prompts; also its group in the truth.
    n_requests : its extraction requests, before ``campaign_share`` rescales them.
    n_accounts : its accounts at that size; they are rescaled with the requests, at least three.
    schedule : one of ``SCHEDULES``: a dispatcher day and night; a slice of the queue per account; bursts of
        the whole pool; hidden operators in office hours; a pool that is replaced by another; people's hours.
    loads : ``equal`` (round robin), ``poisson`` (any free account) or ``skewed`` (log-normal).
    mixing : share of the accounts' traffic that is ordinary, in [0, 0.95]; organic in the truth.
    relays : the ordinary requests come from unrelated people (a reseller's) instead of one person an account.
    pivots : half of the requests wait for the new model, which the accounts take up within a day.
    """

    name: str
    n_requests: int = 200
    n_accounts: int = 40
    schedule: str = "round_the_clock"
    loads: str = "equal"
    mixing: float = 0.0
    relays: bool = False
    pivots: bool = False

    def __post_init__(self) -> None:
        _at_least("n_requests", self.n_requests, 1)
        _at_least("n_accounts", self.n_accounts, 1)
        _within("mixing", self.mixing, 0.0, 0.95)
        _one_of("schedule", (self.schedule,), SCHEDULES)
        _one_of("loads", (self.loads,), LOADS)


CAMPAIGNS = {
    plan.name: plan
    for plan in (
        CampaignPlan("trace", 340, 110, schedule="replaced", mixing=0.3, relays=True),
        CampaignPlan("rubric", 190, 24, schedule="bursts", loads="poisson"),
        CampaignPlan("grid", 180, 36, schedule="slices"),
        CampaignPlan("personas", 190, 48, schedule="office", loads="skewed", mixing=0.5),
        CampaignPlan("operators", 220, 44, loads="poisson", mixing=0.2, pivots=True),
        CampaignPlan("instructions", 200, 60, schedule="people", loads="skewed", mixing=0.8),
        CampaignPlan("resample", 120, 30),
        CampaignPlan("relay", 400, 90, loads="poisson"),
    )
}
"""The recipes and their default plans. ``relay`` (no common text) is left out of a simulation by default."""

LOOKALIKES = {
    "product_seats": 3.0,
    "batch_job": 2.0,
    "support_bot": 2.0,
    "viral_templates": 3.0,
    "framework_default": 3.0,
    "benchmark": 3.0,
    "classroom": 2.0,
    "cron_digests": 2.0,
    "retry_storm": 0.8,
    "api_pipelines": 2.5,
    "marketplace": 2.0,
    "hackathon": 1.0,
    "small_talk": 1.5,
    "hostile_samples": 0.5,
}
"""The benign look-alikes and their relative sizes."""


@dataclass(frozen=True)
class SimulationSettings:
    """Settings of :func:`simulate`; every field has a default that makes a small, complete log.

    Parameters
    ----------
    n_requests : rows of the log, exactly.
    days : length of the log; the first day starts at `start`, midnight UTC.
    campaigns : names from ``CAMPAIGNS`` or plans of one's own; no two of one name.
    lookalikes : names from ``LOOKALIKES``.
    campaign_share : share of the requests that belong to campaigns, divided among them by their plans' sizes;
        None takes the plans' sizes as they are.
    lookalike_share : share of the requests that belong to look-alikes, divided among them by ``LOOKALIKES``.
    languages : people's languages, most spoken first; the first has most of the people.
    requests_per_account : mean over the ordinary accounts; the spread is heavy-tailed.
    release_day : day on which a new model comes out; None = never.
    start : the log's first moment, time zone UTC.
    """

    n_requests: int = 20_000
    days: int = 14
    campaigns: tuple[str | CampaignPlan, ...] = tuple(name for name in CAMPAIGNS if name != "relay")
    lookalikes: tuple[str, ...] = tuple(LOOKALIKES)
    campaign_share: float | None = 0.06
    lookalike_share: float = 0.22
    languages: tuple[str, ...] = tuple(LANGUAGES)
    requests_per_account: float = 7.0
    release_day: float | None = 8.0
    start: datetime = datetime(2026, 3, 2, tzinfo=UTC)

    def __post_init__(self) -> None:
        _at_least("n_requests", self.n_requests, 0)
        _at_least("days", self.days, 1)
        _within("lookalike_share", self.lookalike_share, 0.0, 0.9)
        _within("campaign_share", self.campaign_share or 0.0, 0.0, 0.9)
        _within("requests_per_account", self.requests_per_account, 1.0, 10_000.0)
        _one_of("campaigns", (plan.name for plan in self.plans), CAMPAIGNS)
        _one_of("lookalikes", self.lookalikes, LOOKALIKES)
        _one_of("languages", self.languages, LANGUAGES)
        if not self.languages:
            raise ValueError(f"languages is empty; name at least one of {', '.join(LANGUAGES)}")
        if self.start.tzinfo is None:
            raise ValueError(f"start={self.start} has no time zone; give it tzinfo=UTC")

    @property
    def plans(self) -> tuple[CampaignPlan, ...]:
        """The campaigns as plans; a name stands for its plan in ``CAMPAIGNS``."""
        return tuple(
            CAMPAIGNS.get(item, CampaignPlan(item)) if isinstance(item, str) else item
            for item in self.campaigns
        )
