"""Which accounts of a campaign are run by its hand, and who strayed in?

A family holds requests of people, too: one who wrote what the campaign writes, or whose words lie near. Each
principal of a campaign gets the probability that it is one of the pool, from how much of its traffic the
campaign takes: the part of a campaign in the pool's traffic is one law, a stray comes by chance and returns
as people return to what they once used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from clustering.beta_binomial import BOUNDS, BetaBinomial, fit_law, law_at, tabled
from clustering.signals import Traffic

POOL_LEVEL = 0.5  # of a probability: a principal at or above is more likely of the pool than not


@dataclass(frozen=True, eq=False)
class CampaignAccounts:
    """The principals with a request in a campaign's families, by campaign, then principal.

    Attributes
    ----------
    campaigns : (m,) int64
    principals : (m,) int64
    n_requests : (m,) int64
        In the campaign's families.
    scores : (m,) float64
        Probability in [0, 1] of being one of its pool.
    """

    campaigns: NDArray[np.int64]
    principals: NDArray[np.int64]
    n_requests: NDArray[np.int64]
    scores: NDArray[np.float64]

    def pool(self, campaign: int) -> NDArray[np.int64]:
        """Principals of a campaign that are more likely of its pool than not, ascending."""
        pool: NDArray[np.int64] = self.principals[(self.campaigns == campaign) & (self.scores >= POOL_LEVEL)]
        return pool


def campaign_accounts(
    traffic: Traffic, campaign_of: NDArray[np.int64], *, people: NDArray[np.bool_]
) -> CampaignAccounts:
    """Score the principals of every campaign.

    Parameters
    ----------
    traffic : Traffic
        Grouped by family.
    campaign_of : (f,) int64
        Campaign of each family, 0..c-1; -1 for families of none.
    people : (f,) bool
        Families that show how people return to what they once sent: those not flagged.
    """
    law = revisit_law(traffic, people)
    n_campaigns = int(campaign_of.max(initial=-1)) + 1
    sent = traffic.regrouped(campaign_of, n_campaigns)
    inside = np.flatnonzero(sent.groups >= 0)
    keys, counts = np.unique(
        sent.groups[inside] * len(traffic.loads) + sent.principals[inside], return_counts=True
    )
    campaigns, principals = np.divmod(keys, max(1, len(traffic.loads)))
    scores = np.zeros(len(keys))
    for campaign in range(n_campaigns):
        rows = np.flatnonzero(campaigns == campaign)
        if len(rows):
            scores[rows] = pool_posterior(principals[rows], counts[rows], traffic.loads, law=law)
    return CampaignAccounts(campaigns, principals, counts.astype(np.int64), scores)


def revisit_law(traffic: Traffic, people: NDArray[np.bool_]) -> BetaBinomial:
    """How much of the rest of their traffic people give to a family, having sent it once.

    Over every (family, principal) of the families `people`; the first request is left out of both counts.
    """
    shown = np.flatnonzero((traffic.groups >= 0) & np.append(people, False)[traffic.groups])
    keys, counts = np.unique(
        traffic.groups[shown] * len(traffic.loads) + traffic.principals[shown], return_counts=True
    )
    return fit_law(counts.astype(np.int64) - 1, traffic.loads[keys % max(1, len(traffic.loads))] - 1)


def pool_posterior(
    principals: NDArray[np.int64], counts: NDArray[np.int64], loads: NDArray[np.int64], *, law: BetaBinomial
) -> NDArray[np.float64]:
    """Probability that each principal is of the pool rather than a stray.

    A mixture over *all* principals of the log, those without a request in the campaign included: they show
    how rare strays are. Of n requests, a principal of the pool sends a beta-binomial number to the campaign.
    Anyone else strays in with probability 1 - exp(-e n), and then sends 1 + beta-binomial(n - 1) by the law
    of people. The pool's share of the principals, its law and e are the likeliest ones; the score is Bayes'.
    A campaign is flagged because a pool sends it: half of its principals or more are expected of the pool, at
    most half strays, and the pool's mean share is at least half of what all of them show. Else the two could
    change places: everybody the pool of a campaign that nobody sends, its senders all strays.

    Tried and dropped: two free beta-binomials (one of them takes zeros and devoted accounts alike); binomial
    strays (a person who comes back is called pool); which of the campaign's families an account sends (a
    slice per account looks like a stray).

    Parameters
    ----------
    principals, counts : (m,) int64
        Those with a request in the campaign, and how many.
    loads : (P,) int64
        Requests of every principal in the log.
    law : BetaBinomial
        See ``revisit_law``.

    Returns
    -------
    (m,) float64
    """
    every = np.zeros(len(loads), np.int64)
    every[principals] = counts
    table, place, times = tabled(every, loads)

    def parts(t: NDArray[np.float64]) -> NDArray[np.float64]:
        pool = law_at(t[2:]).log_pmf(*table) + np.log(expit(t[1]))
        return np.stack([pool, _stray(table, float(np.exp(t[0])), law) + np.log(expit(-t[1]))])

    def surprise(t: NDArray[np.float64]) -> float:
        return float(-(times * logsumexp(parts(t), axis=0)).sum())

    share = counts.sum() / loads[principals].sum()
    touched = min(len(principals) / len(loads), 0.999)
    middle = [_logit(touched), _logit(min(share, 0.999)), -2.0]
    least = min(share, float((counts / loads[principals]).mean())) / 2
    most = float(np.log(len(principals) / (2 * loads.sum())))
    bounds = ((-20.0, most), (_logit(touched / 2), 8.0), (_logit(least), BOUNDS[0][1]), BOUNDS[1])
    tried = [
        minimize(surprise, np.array([rate, *middle]), method="L-BFGS-B", bounds=bounds)
        for rate in (most - 6, most - 1)
    ]
    logs = parts(min(tried, key=lambda fit: float(fit.fun)).x)
    posterior: NDArray[np.float64] = np.exp(logs[0] - logsumexp(logs, axis=0))[place[principals]]
    return posterior


def _stray(table: NDArray[np.float64], rate: float, law: BetaBinomial) -> NDArray[np.float64]:
    """Log probability of each (count, total) for somebody who is not of the pool."""
    counts, totals = table
    came = np.log(-np.expm1(-rate * totals))
    again = law.log_pmf(np.maximum(counts - 1, 0), np.maximum(totals - 1, 0))
    out: NDArray[np.float64] = np.where(counts > 0, came + again, -rate * totals)
    return out


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))
