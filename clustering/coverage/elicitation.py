"""I1, elicitation: does the text of a family ask for training material?

Reasoning traces in tags, grades, preferences, rewritten refusals, new tasks, tool trajectories, outputs of a
fixed form. What these look like is told by the examples of ``elicitations.toml``; what counts as much of it
is told by the log's own ordinary prompts. Intent never flags alone: "step by step" is common, so is JSON.

Of the bundled examples, each left out in turn, 49 % fall to their own of nine classes (chance: 11 %). The
packaged encoder knows little but English; in other languages the kind may show, but hardly beyond what is
ordinary. Which kind it is, the fixed text as one vector says better than its sentences.

Tried and dropped: twice as many examples. More of them, left out, fall to their own kind (57 %), but what is
asked for and what is ordinary are told apart worse: of a labelled log's campaign requests 94 % were flagged
instead of 99, and in simulated ones a product more. And the tokens of the answer over the length of the
prompt: a wrapper makes prompts long, so that the ratio of most campaigns lies below that of ordinary prompts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from clustering.coverage.examples import Encode, ExampleSpace
from clustering.coverage.sampling import FamilyVectors, mean_rows, sentences_of
from clustering.signals.traffic import Signal

N_ORDINARY = 2_000  # prompts that show what is ordinary
_FEWEST_ORDINARY = 50
_CONTRACTS = (
    re.compile(r"[<\[{]{1,2}\s*/\s*[\w -]{2,30}[>\]}]{1,2}"),  # a closing tag
    re.compile(r"[\"'“`][\w -]{2,30}[\"'”`]\s*:"),  # a key
    re.compile(r"\b\d{1,3}\s*(?:-|–|/|to|bis|до|a|à|から|到)\s*\d{1,3}\b"),  # a scale
    re.compile(r"\b(?:json|xml|yaml|csv|markdown)\b", re.IGNORECASE),
    re.compile(r"^\s*#{1,3}\s*\w+[^\n]{0,40}:?\s*$", re.MULTILINE),  # a headed section
)


@dataclass(frozen=True, eq=False)
class Ordinary:
    """What n ordinary prompts of a log ask for.

    Attributes
    ----------
    scores : (n,) float64, ascending
        As in ``elicitation``.
    contracts : (n,) float64, ascending
        Ways in which each fixes the answer's form.
    """

    scores: NDArray[np.float64]
    contracts: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Elicitation:
    """What f families ask for.

    Attributes
    ----------
    signal : Signal
        Effect in [0, 1]: how surely the text asks for training material, by its plainer half. p: see
        ``elicitation``.
    kinds : tuple of K str
        Of the examples, the rest among them.
    shares : (f, K) float64
        How much of each kind its whole fixed text is; rows sum to 1, NaN for a group without families.
    contract_p : (f,) float64
        Of the contract of form, which is told by form and no kind of the examples; NaN where not measured.
    """

    signal: Signal
    kinds: tuple[str, ...]
    shares: NDArray[np.float64]
    contract_p: NDArray[np.float64]


def ordinary_prompts(prompts: Sequence[str], space: ExampleSpace, encode: Encode) -> Ordinary:
    """Measure what ordinary prompts ask for.

    Parameters
    ----------
    prompts : n str
        Whole texts of prompts in no family, some ``N_ORDINARY``, sampled without looking at them.
    space, encode
        As in ``elicitation``.
    """
    split = [sentences_of(prompt) for prompt in prompts]
    of = np.repeat(np.arange(len(split)), [len(each) for each in split])
    scores = _scores(encode([s for each in split for s in each]), of, len(split), space=space)
    contracts = np.array([_n_contracts(prompt) for prompt in prompts], np.float64)
    return Ordinary(np.sort(scores), np.sort(contracts))


def elicitation(vectors: FamilyVectors, space: ExampleSpace, ordinary: Ordinary) -> Elicitation:
    """What each family or group asks for, and how unusual that is.

    Score of a text: mean log odds "asks for training material" of that half of its sentences that ask most
    plainly (the larger half), so that neither length nor a list of rules around the request decides.

    Null model: the family's fixed text is drawn as the ordinary prompts of this log were. p is its rank among
    them, (1 + #{theirs >= its}) / (1 + n): exact, whatever the examples or the encoder are (Davison and
    Hinkley 1997, eq. 4.11). A product's system prompt is no ordinary prompt; it may well ask for a fixed
    form, so that contracts are a kind of their own and not part of the signal.

    Tried and dropped: the plainest sentence alone, which grows with the length of a text; with Bonferroni
    over the sentences, which finds fewer; the text as one vector, in which a request drowns among rules
    (which kind it is still shows there).

    Parameters
    ----------
    vectors : FamilyVectors
    space, ordinary
        From ``example_space`` and ``ordinary_prompts``, with the same encoder.
    """
    n = vectors.n_families
    scores = _scores(vectors.sentences, vectors.sentence_of, n, space=space)
    p = _ranks(scores, ordinary.scores)
    contracts = np.full(n, np.nan)
    known = vectors.fixed_of >= 0
    found = np.array([_n_contracts(text) for text in vectors.fixed], np.float64)
    np.fmax.at(contracts, vectors.fixed_of[known], found[known])
    effect = expit(scores)
    effect[np.isnan(p)] = np.nan
    shares = mean_rows(space.memberships(vectors.wholes), vectors.fixed_of, n)
    return Elicitation(Signal(effect, p), space.names, shares, _ranks(contracts, ordinary.contracts))


def _scores(
    vectors: NDArray[np.float32], text_of: NDArray[np.int64], n: int, *, space: ExampleSpace
) -> NDArray[np.float64]:
    """Mean log odds of any kind in the plainer half of each text's sentences, (n,)."""
    logs = np.delete(space.log_memberships(vectors), space.rest, axis=1)
    # A zero vector asks for nothing: its log odds are those of one in a million.
    chances = np.clip(np.exp(np.logaddexp.reduce(logs, axis=1)), 1e-6, 1 - 1e-6)
    return _plainer_half(logit(chances), text_of, n)


def _plainer_half(odds: NDArray[np.float64], text_of: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Mean of the larger half of the values of each text; NaN for a text without any or of number -1."""
    inside = np.flatnonzero(text_of >= 0)
    order = inside[np.lexsort((-odds[inside], text_of[inside]))]
    texts = text_of[order]
    counts = np.bincount(texts, minlength=n)
    place = np.arange(len(order)) - (np.cumsum(counts) - counts)[texts]
    kept = 2 * place < counts[texts]
    sums = np.bincount(texts[kept], odds[order][kept], minlength=n)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.bincount(texts[kept], minlength=n))


def _ranks(values: NDArray[np.float64], null: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper-tail ranks of values among an ascending null; NaN for a missing value or too small a null."""
    if len(null) < _FEWEST_ORDINARY:
        return np.full(len(values), np.nan)
    at_least = len(null) - np.searchsorted(null, values, side="left")
    return np.where(np.isnan(values), np.nan, (1 + at_least) / (1 + len(null)))


def _n_contracts(text: str) -> int:
    """In how many ways a text fixes the answer's form."""
    return sum(bool(contract.search(text)) for contract in _CONTRACTS)
