"""The pattern library: what kinds of extraction, and of ordinary use, look like; and which one a family is.

A library is TOML. Each ``[[pattern]]`` has a ``name``, says whether it is ``hostile``, and states what it
expects in at least two of six sections:

- ``geometry``: a list of which the memberships add up, to at most 1;
- ``elicitations``, ``payloads``, ``capabilities``: lists of which the shares add up, counted from what a text
  that says nothing would have (the same share of every class): it meets none of them;
- ``signals``: names with ``"present"`` or ``"absent"``; the mean of those that the log can measure;
- ``coverage``: measures with ``"high"`` or ``"low"``; their mean.

``weights`` may give a section another weight than 1. The match of a family with a pattern is the weighted
mean, over the sections that could be measured, of how far each is met, in [0, 1]; all memberships are those
of ``clustering.coverage.features``. Nothing here knows a pattern: the names in a library are its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustering.coverage.examples import checked_name, read_tables
from clustering.coverage.features import GEOMETRIES, MEASURES, FamilyFeatures

_SHARES = ("elicitations", "payloads", "capabilities")
_LISTS = ("geometry", *_SHARES)
_CHOICES = {"signals": ("present", "absent"), "coverage": ("high", "low")}
SECTIONS = (*_LISTS, *_CHOICES)
_SMALLEST = 1e-9
_FEWEST_SECTIONS = 2
CLEAR = 0.15  # of a match, above the runner-up: with less, which of the two it is stays open
_LEAST_MEASURED = 0.5  # of a pattern's weight; with less it is not compared


@dataclass(frozen=True)
class Pattern:
    """One pattern of a library.

    Attributes
    ----------
    name, summary : str
    hostile : bool
    expected : mapping of section to mapping of name to bool
        True: high or present; in a list always True.
    weights : mapping of section to float
        Of the sections in ``expected``; positive.
    """

    name: str
    summary: str
    hostile: bool
    expected: Mapping[str, Mapping[str, bool]]
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Vocabulary:
    """The names that patterns may use; those of geometry and coverage are fixed."""

    signals: Collection[str]
    elicitations: Collection[str]
    payloads: Collection[str]
    capabilities: Collection[str]

    def of(self, section: str) -> Collection[str]:
        """Names of a section."""
        fixed = {"geometry": GEOMETRIES, "coverage": MEASURES}
        return fixed[section] if section in fixed else getattr(self, section)


@dataclass(frozen=True, eq=False)
class PatternMatch:
    """How f families match k patterns.

    Attributes
    ----------
    names : tuple of k str
    hostile : (k,) bool
    matches : (f, k) float64
        In [0, 1]; NaN where less than half of a pattern's weight could be measured.
    best, runner_up : (f,) int64
        Patterns of the two largest matches, the library's order among equals; -1 where there is none. Of
        families that are flagged as one hand, among the hostile patterns.
    """

    names: tuple[str, ...]
    hostile: NDArray[np.bool_]
    matches: NDArray[np.float64]
    best: NDArray[np.int64]
    runner_up: NDArray[np.int64]

    @property
    def match(self) -> NDArray[np.float64]:
        """Match of the best pattern, (f,) float64; NaN where there is none."""
        rows = np.arange(len(self.best))
        return np.where(self.best >= 0, self.matches[rows, self.best], np.nan)

    @property
    def clear(self) -> NDArray[np.int64]:
        """The best pattern where it is ``CLEAR`` better than the runner-up, (f,) int64; else -1."""
        rows = np.arange(len(self.best))
        second = np.where(self.runner_up >= 0, self.matches[rows, self.runner_up], 0.0)
        return np.where((self.best >= 0) & (self.match - second >= CLEAR), self.best, -1)

    def labels(self, places: NDArray[np.int64]) -> list[str | None]:
        """Names of patterns by their places; None for -1."""
        return [self.names[place] if place >= 0 else None for place in places]


def read_patterns(vocabulary: Vocabulary, *paths: Path) -> tuple[Pattern, ...]:
    """The patterns of files; a later one of a known name replaces it.

    Raises
    ------
    ValueError
        A file is no library, or uses a word that is in no vocabulary; says where, what and which are known.
    """
    found: dict[str, Pattern] = {}
    for path in paths:
        for table in read_tables(path, "pattern"):
            pattern = _pattern_of(table, vocabulary, f"{path}, [[pattern]]")
            found[pattern.name] = pattern
    return tuple(found.values())


def match_patterns(
    features: FamilyFeatures, library: tuple[Pattern, ...], *, flagged: NDArray[np.bool_]
) -> PatternMatch:
    """Match every family with every pattern; see the module.

    Parameters
    ----------
    features : of f families
    library : of k patterns
    flagged : (f,) bool
        Families that are flagged as one hand: ordinary use does not describe them.
    """
    n = len(features.geometry[GEOMETRIES[0]])
    matches = np.full((n, len(library)), np.nan)
    for k, pattern in enumerate(library):
        met = np.stack([_met(section, names, features, n) for section, names in pattern.expected.items()])
        weights = np.array([pattern.weights[section] for section in pattern.expected])[:, None]
        measured = (weights * ~np.isnan(met)).sum(axis=0)
        enough = measured >= _LEAST_MEASURED * weights.sum()
        total = np.nansum(weights * met, axis=0)
        matches[enough, k] = total[enough] / measured[enough]
    hostile = np.array([pattern.hostile for pattern in library], bool)
    possible = ~np.isnan(matches) & (hostile | ~flagged[:, None])
    order = np.argsort(np.where(possible, -matches, 1.0), axis=1, kind="stable")
    ranked = np.where(np.take_along_axis(possible, order, axis=1), order, -1)
    ranked = np.hstack([ranked, np.full((n, 2), -1)])
    names = tuple(pattern.name for pattern in library)
    return PatternMatch(names, hostile, matches, ranked[:, 0], ranked[:, 1])


def _met(section: str, names: Mapping[str, bool], features: FamilyFeatures, n: int) -> NDArray[np.float64]:
    """How far families meet one section, (n,) in [0, 1]; NaN where nothing of it was measured."""
    known: Mapping[str, NDArray[np.float64]] = getattr(features, section)
    unknown = np.full(n, np.nan)
    values = [known.get(name, unknown) for name in names]
    found = np.stack([v if high else 1 - v for v, high in zip(values, names.values(), strict=True)])
    measured = (~np.isnan(found)).sum(axis=0)
    if section in _CHOICES:
        met = np.nansum(found, axis=0) / np.maximum(measured, 1)
    else:
        chance = len(names) / max(len(known), 1) if section in _SHARES else 0.0
        met = np.clip((np.nansum(found, axis=0) - chance) / max(1 - chance, _SMALLEST), 0.0, 1.0)
    return np.where(measured > 0, met, np.nan)


def _pattern_of(table: dict[str, Any], vocabulary: Vocabulary, where: str) -> Pattern:
    name = checked_name(table, {"name", "summary", "hostile", "weights", *SECTIONS}, where)
    where = f"{where} {name!r}"
    for key, kind, remedy in (
        ("hostile", bool, "say true or false"),
        ("summary", str, "say it in a sentence"),
    ):
        if not isinstance(table.get(key), kind):
            raise ValueError(f"{where}: {key} = {table.get(key)!r}; {remedy}")
    expected = {
        section: _expected(section, table[section], vocabulary.of(section), where=where)
        for section in SECTIONS
        if section in table
    }
    if len(expected) < _FEWEST_SECTIONS:
        raise ValueError(
            f"{where}: expects something in {len(expected)} sections; "
            f"say at least two of {', '.join(SECTIONS)}"
        )
    weights = table.get("weights", {})
    sound = isinstance(weights, dict) and all(_positive(w) for w in weights.values())
    if not sound or not set(weights) <= set(expected):
        raise ValueError(f"{where}: weights = {weights!r}; give positive numbers to sections that it states")
    full = {section: float(weights.get(section, 1.0)) for section in expected}
    return Pattern(name, table["summary"], table["hostile"], expected, full)


def _expected(section: str, stated: Any, known: Collection[str], *, where: str) -> dict[str, bool]:
    """Names of a section with whether they are expected high; refuses what is not known."""
    if section in _LISTS:
        if not isinstance(stated, list) or not stated or not all(isinstance(s, str) for s in stated):
            raise ValueError(f"{where}: {section} = {stated!r}; give a list of names")
        found = dict.fromkeys(stated, True)
    else:
        high, low = _CHOICES[section]
        if not isinstance(stated, dict) or not stated or not set(map(str, stated.values())) <= {high, low}:
            raise ValueError(f"{where}: {section} = {stated!r}; give names with {high!r} or {low!r}")
        found = {name: value == high for name, value in stated.items()}
    strange = sorted(set(found) - set(known))
    if strange:
        raise ValueError(f"{where}: unknown {', '.join(strange)} in {section}; known are {', '.join(known)}")
    return found


def _positive(weight: Any) -> bool:
    return isinstance(weight, int | float) and not isinstance(weight, bool) and 0 < weight < float("inf")
