"""What the families' texts say: capabilities, what they ask for, patterns, and what they cover.

The examples and patterns are files that users extend (``clustering.coverage.library``); everything here only
carries them through a run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering import coverage as cover
from clustering.evenly import evenly
from clustering.observed import Encode, Observed
from clustering.signals import Signal
from clustering.templates import Template

_IDENTIFIER = re.compile(r"\S*\d\S*")
_NEARLY_ALL = 0.9  # of the values of a slot of identifiers are one word with a digit
_N_PAYLOADS = 64  # of a family that are offered; a sample of them is read


@dataclass(frozen=True, eq=False)
class Examples:
    """What asking for training material, fillers of slots and capabilities look like to an encoder."""

    elicitations: cover.ExampleSpace
    payloads: cover.ExampleSpace
    capabilities: cover.ExampleSpace


def read_examples(library: cover.Library, encode: Encode) -> Examples:
    """Encode a library's examples; once for all that is compared with them."""
    return Examples(
        cover.example_space(library.elicitations, encode),
        cover.example_space(library.payloads, encode),
        cover.example_space(library.capabilities, encode),
    )


@dataclass(frozen=True, eq=False)
class Wording:
    """Texts of f families as vectors, with what they ask for and their capabilities.

    Attributes
    ----------
    vectors : FamilyVectors
    elicited : Elicitation
    filled : Profile
        What fills the slots.
    profile : Profile
        Capabilities.
    payload_bytes : (f,) float64
        Median UTF-8 length of what its prompts say beyond the fixed text; NaN where they say nothing.
    background : (b, d) float32
        Unit vectors of ordinary prompts.
    """

    vectors: cover.FamilyVectors
    elicited: cover.Elicitation
    filled: cover.Profile
    profile: cover.Profile
    payload_bytes: NDArray[np.float64]
    background: NDArray[np.float32]


def read_wording(observed: Observed, examples: Examples) -> Wording:
    """Encode the families' texts and ordinary prompts, and compare them with the examples."""
    encode = observed.encode
    payloads = [_offered(observed, family) for family in range(observed.n_families)]
    texts = cover.family_texts(
        [template.text for template in observed.templates],
        observed.texts.take(observed.families.medoids).to_list(),
        payloads,
    )
    vectors = cover.encode_families(texts, encode)
    space = examples.elicitations
    outside = np.flatnonzero(observed.families.labels < 0)
    ordinary = observed.texts.take(evenly(outside, cover.N_ORDINARY)).to_list()
    return Wording(
        vectors,
        cover.elicitation(vectors, space, cover.ordinary_prompts(ordinary, space, encode)),
        cover.profile_payloads(vectors, examples.payloads),
        cover.profile_families(vectors, examples.capabilities),
        np.array([_median_bytes(said) for said in payloads]),
        encode(observed.texts.take(evenly(outside, cover.N_BACKGROUND)).to_list()),
    )


def coverage_columns(
    observed: Observed,
    wording: Wording,
    signals: Mapping[str, Signal],
    *,
    patterns: tuple[cover.Pattern, ...],
    groups: NDArray[np.int64],
    flagged: NDArray[np.bool_],
    seed: int,
) -> pl.DataFrame:
    """Capability, pattern and coverage of every family: columns of ``FAMILIES``, f rows.

    Parameters
    ----------
    patterns : of the library whose examples the wording was compared with
    groups : (f,) int64
        Of linked families: those of one group make a chain of operators.
    flagged : (f,) bool
        Only hostile patterns describe a flagged family.
    seed : int
        Of the areas of ordinary use.
    """
    counts = [_prompt_counts(observed, family) for family in range(observed.n_families)]
    cells = cover.background_cells(wording.background, seed=seed)
    covered = cover.coverage(counts, observed.filler_counts, wording.vectors, cells=cells)
    templated = observed.templated
    in_group = np.bincount(groups, weights=templated.astype(np.float64), minlength=1)
    shapes = cover.Shapes(
        counts,
        [slots_that_vary(template) for template in observed.templates],
        wording.payload_bytes,
        templated,
        np.maximum(0, in_group[groups] - templated).astype(np.int64),
    )
    features = cover.family_features(
        shapes, signals, wording.elicited, filled=wording.filled, profile=wording.profile, covered=covered
    )
    found = cover.match_patterns(features, patterns, flagged=flagged)
    return pl.DataFrame(
        {
            "capability": pl.Series(wording.profile.labels(), dtype=pl.String),
            **_pattern_columns(found, patterns),
            "coverage_breadth": covered.breadth,
            "coverage_depth": covered.depth,
            "coverage_evenness": covered.evenness,
            "coverage_efficiency": covered.efficiency,
            "coverage_full_size": covered.full_size,
        }
    ).with_columns(pl.selectors.float().fill_nan(None))


def _pattern_columns(found: cover.PatternMatch, patterns: tuple[cover.Pattern, ...]) -> dict[str, pl.Series]:
    """The pattern of each family where one is clearly the closest, null elsewhere."""
    told = [patterns[place] if place >= 0 else None for place in found.clear]
    return {
        "pattern": pl.Series([each and each.name for each in told], dtype=pl.String),
        "pattern_summary": pl.Series([each and each.summary for each in told], dtype=pl.String),
        "pattern_match": pl.Series(np.where(found.clear >= 0, found.match, np.nan)),
        "pattern_hostile": pl.Series(
            [None if each is None else each.hostile for each in told], dtype=pl.Boolean
        ),
    }


def _offered(observed: Observed, family: int) -> list[str]:
    """What some of a family's prompts say beyond its fixed text."""
    rows = observed.templates[family].rows if observed.templated[family] else observed.members(family)
    texts = observed.payloads(evenly(rows, _N_PAYLOADS))
    return [text for text in texts.fill_null("").to_list() if text]


def slots_that_vary(template: Template) -> list[NDArray[np.int64]]:
    """Distinct prompts per value of each slot of a template, without those that only number the prompts."""
    counts, numbering = [], []
    for slot in template.fillers:
        values = Counter(filler for filler in slot if filler)
        counts.append(np.array(list(values.values()), np.int64))
        n_numbers = sum(bool(_IDENTIFIER.fullmatch(value)) for value in values)
        numbering.append(n_numbers >= _NEARLY_ALL * len(values) and cover.sample_coverage(counts[-1]) < 0.5)
    kept = [slot for slot, is_number in zip(counts, numbering, strict=True) if not is_number]
    return kept or counts


def _prompt_counts(observed: Observed, family: int) -> NDArray[np.int64]:
    return np.asarray(observed.n_requests[observed.members(family)].astype(np.int64))


def _median_bytes(texts: list[str]) -> float:
    return float(np.median([len(text.encode()) for text in texts])) if texts else float("nan")
