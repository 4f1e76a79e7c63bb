"""One campaign: what it asks for, through how many accounts, when, in what disguise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .grammar import LANGUAGES

SCHEDULES = ("round_the_clock", "slices", "bursts", "groups", "office", "people")
LOADS = ("equal", "poisson", "skewed")
DISGUISES = ("greetings", "nonces", "invisible", "homoglyphs", "case", "paraphrases", "shuffled")
WRAPPER_LANGUAGES = ("en", "zh", "es", "de")
LEAST_ACCOUNTS = 20


def at_least(name: str, value: int, low: int) -> None:
    """Raise ValueError when `value` is below `low`."""
    if value < low:
        raise ValueError(f"{name}={value} is too small; give at least {low}")


def within(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError when `value` is outside of [`low`, `high`]."""
    if not low <= value <= high:
        raise ValueError(f"{name}={value} is outside [{low}, {high}]")


def one_of(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError when one of `values` is not `known`, or there twice."""
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
    """One campaign. Every combination of the fields is possible.

    Parameters
    ----------
    name : the recipe in ``CAMPAIGNS`` or ``PRESETS`` that writes its prompts.
    n_requests : its extraction requests, before ``campaign_share`` rescales them.
    n_accounts : its accounts at that size; :meth:`scaled` says how many there are at another.
    schedule : when, one of ``SCHEDULES``: a dispatcher day and night; each account its slice of the queue in
        a few hours; bursts of the whole pool; groups of accounts that are active at the same moments; hidden
        operators in the office hours of several time zones; any hours, as people have them.
    loads : ``equal`` (round robin), ``poisson`` (any free account) or ``skewed`` (heavy-tailed, log-normal).
    mixing : share of the accounts' traffic that is ordinary, in [0, 0.95]; organic in the truth, and beside
        `n_requests`.
    relays : the ordinary requests come from unrelated people (a reseller's) instead of one person an account.
    pivots : half of the accounts take up a new model within a day of its release.
    pools : pools of accounts, each of which sends until it is banned; then the next one starts.
    shards : each account keeps to one subject.
    disguises : any of ``DISGUISES``: a greeting or a nonce before the prompt; zero-width characters; letters
        that look alike; odd capitals; several wordings of each wrapper; its parts in changing order.
    language : of the wrappers, one of ``WRAPPER_LANGUAGES``.
    payload_language : of what is wrapped, any language of people; None: that of the wrapper.
    plain : share of its requests that is bare work without any wrapper.
    relayed : share that is other people's conversations, continued by its accounts.
    group : its name in the truth; None: `name`.
    """

    name: str
    n_requests: int = 200
    n_accounts: int = 40
    schedule: str = "round_the_clock"
    loads: str = "equal"
    mixing: float = 0.0
    relays: bool = False
    pivots: bool = False
    pools: int = 1
    shards: bool = False
    disguises: tuple[str, ...] = ()
    language: str = "en"
    payload_language: str | None = None
    plain: float = 0.0
    relayed: float = 0.0
    group: str | None = None

    def __post_init__(self) -> None:
        at_least("n_requests", self.n_requests, 1)
        at_least("n_accounts", self.n_accounts, 1)
        at_least("pools", self.pools, 1)
        within("mixing", self.mixing, 0.0, 0.95)
        within("plain", self.plain, 0.0, 1.0)
        within("relayed", self.relayed, 0.0, 1.0)
        within("plain + relayed", self.plain + self.relayed, 0.0, 1.0)
        one_of("schedule", (self.schedule,), SCHEDULES)
        one_of("loads", (self.loads,), LOADS)
        one_of("disguises", self.disguises, DISGUISES)
        one_of("language", (self.language,), WRAPPER_LANGUAGES)
        one_of("payload_language", (self.payload_language or self.language,), LANGUAGES)
        if self.group is not None and (not self.group or "/" in self.group):
            raise ValueError(f"group={self.group!r} cannot name a campaign; give a word without a slash")

    @property
    def label(self) -> str:
        """Its name in the truth."""
        return self.group or self.name

    @property
    def n_ordinary(self) -> int:
        """The ordinary requests of its accounts."""
        return round(self.n_requests * self.mixing / (1.0 - self.mixing))

    def scaled(self, n_requests: int) -> CampaignPlan:
        """The same campaign at another size.

        The accounts grow as a power of the requests: n requests of a plan with N requests of A accounts have
        A ** (log n / log N), so that n = N gives A and n = 1 gives 1. In proportion, a campaign of millions
        at a thousandth of its size would be down to a few accounts, to which no operator trusts a queue.
        There are at least 20 (or A), and at least two requests an account (or N / A).
        """
        n, whole = max(n_requests, 1), self.n_requests
        exponent = float(np.log(n) / np.log(whole)) if whole > 1 else 1.0
        wanted = max(round(self.n_accounts**exponent), min(LEAST_ACCOUNTS, self.n_accounts))
        most = n if 2 * self.n_accounts > whole else max(n // 2, 1)
        return replace(self, n_requests=n, n_accounts=min(wanted, most))
