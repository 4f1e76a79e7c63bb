"""What kind of traffic a family is: its capabilities, what it elicits, its pattern, and what it covers."""

from __future__ import annotations

from clustering.coverage.capabilities import (
    Profile,
    profile_families,
    profile_payloads,
)
from clustering.coverage.coverage import N_BACKGROUND, Cells, Coverage, background_cells, coverage
from clustering.coverage.elicitation import (
    N_ORDINARY,
    Elicitation,
    Ordinary,
    elicitation,
    ordinary_prompts,
)
from clustering.coverage.examples import ExampleClass, ExampleSpace, example_space
from clustering.coverage.features import FamilyFeatures, Shapes, family_features
from clustering.coverage.growth import (
    effective_number,
    estimated_size,
    expected_distinct,
    new_ground,
    relative_entropy,
    sample_coverage,
)
from clustering.coverage.library import Library, read_library
from clustering.coverage.patterns import Pattern, PatternMatch, Vocabulary, match_patterns, read_patterns
from clustering.coverage.sampling import FamilyTexts, FamilyVectors, encode_families, family_texts

__all__ = [
    "N_BACKGROUND",
    "N_ORDINARY",
    "Cells",
    "Coverage",
    "Elicitation",
    "ExampleClass",
    "ExampleSpace",
    "FamilyFeatures",
    "FamilyTexts",
    "FamilyVectors",
    "Library",
    "Ordinary",
    "Pattern",
    "PatternMatch",
    "Profile",
    "Shapes",
    "Vocabulary",
    "background_cells",
    "coverage",
    "effective_number",
    "elicitation",
    "encode_families",
    "estimated_size",
    "example_space",
    "expected_distinct",
    "family_features",
    "family_texts",
    "match_patterns",
    "new_ground",
    "ordinary_prompts",
    "profile_families",
    "profile_payloads",
    "read_library",
    "read_patterns",
    "relative_entropy",
    "sample_coverage",
]
