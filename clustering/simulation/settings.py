"""What a simulated log contains: how much of everything, and which campaigns and look-alikes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from .grammar import LANGUAGES
from .plans import CampaignPlan, at_least, one_of, within
from .presets import CAMPAIGNS, PRESETS

LOOKALIKES = {
    "product_seats": 3.0,
    "open_product": 2.0,
    "api_pipelines": 2.5,
    "cron_digests": 2.0,
    "batch_job": 2.0,
    "translation_batch": 1.0,
    "support_bot": 2.0,
    "seo_farm": 1.5,
    "ci_prompts": 1.0,
    "retry_storm": 0.8,
    "viral_templates": 3.0,
    "marketplace": 2.0,
    "small_talk": 1.5,
    "popular_question": 1.0,
    "hostile_samples": 0.5,
    "framework_default": 3.0,
    "few_shot_chat": 1.5,
    "shared_links": 0.4,
    "reseller": 2.0,
    "gateway": 2.0,
    "benchmark": 3.0,
    "release_benchmarking": 1.0,
    "classroom": 2.0,
    "hackathon": 1.0,
    "sample_code": 2.0,
    "try_frameworks": 1.0,
}
"""The benign look-alikes and their relative sizes."""


@dataclass(frozen=True)
class SimulationSettings:
    """Settings of :func:`simulate`; every field has a default that makes a small, complete log.

    Parameters
    ----------
    n_requests : rows of the log, exactly.
    days : length of the log; the first day starts at `start`, midnight UTC.
    campaigns : names from ``CAMPAIGNS`` (the seed draws their habits) or ``PRESETS``, or plans of one's own;
        no two of one name in the truth. None: four to six of ``CAMPAIGNS``, drawn from the seed.
    lookalikes : names from ``LOOKALIKES``.
    campaign_share : share of the requests that belong to campaigns, divided among them by their plans' sizes;
        None takes the plans' sizes as they are.
    lookalike_share : share of the requests that belong to look-alikes, divided among them by ``LOOKALIKES``.
    languages : people's languages, most spoken first; the first has most of the people.
    requests_per_account : mean over the ordinary accounts; the spread is heavy-tailed.
    repeats : share of people's requests that repeat their previous one: regenerated, or sent twice.
    release_day : day on which a new model comes out; None = never.
    start : the log's first moment, time zone UTC.
    """

    n_requests: int = 20_000
    days: int = 14
    campaigns: tuple[str | CampaignPlan, ...] | None = None
    lookalikes: tuple[str, ...] = tuple(LOOKALIKES)
    campaign_share: float | None = 0.06
    lookalike_share: float = 0.22
    languages: tuple[str, ...] = tuple(LANGUAGES)
    requests_per_account: float = 7.0
    repeats: float = 0.035
    release_day: float | None = 8.0
    start: datetime = datetime(2026, 3, 2, tzinfo=UTC)

    def __post_init__(self) -> None:
        at_least("n_requests", self.n_requests, 0)
        at_least("days", self.days, 1)
        within("lookalike_share", self.lookalike_share, 0.0, 0.9)
        within("campaign_share", self.campaign_share or 0.0, 0.0, 0.9)
        within("repeats", self.repeats, 0.0, 0.9)
        within("requests_per_account", self.requests_per_account, 1.0, 10_000.0)
        plans = [CampaignPlan(item) if isinstance(item, str) else item for item in self.campaigns or ()]
        one_of("campaigns", dict.fromkeys(plan.name for plan in plans), (*CAMPAIGNS, *PRESETS))
        labels = [plan.label for plan in plans]
        one_of("campaigns", labels, labels)
        one_of("lookalikes", self.lookalikes, LOOKALIKES)
        one_of("languages", self.languages, LANGUAGES)
        if not self.languages:
            raise ValueError(f"languages is empty; name at least one of {', '.join(LANGUAGES)}")
        if self.start.tzinfo is None:
            raise ValueError(f"start={self.start} has no time zone; give it tzinfo=UTC")
