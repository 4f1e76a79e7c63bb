"""What kind of traffic a family is: its capabilities, what it elicits, its pattern, and what it covers."""

from __future__ import annotations

from clustering.coverage.capabilities import (
    Profile,
    capability_space,
    payload_space,
    profile_families,
    profile_payloads,
)
from clustering.coverage.coverage import N_BACKGROUND, Cells, Coverage, background_cells, coverage
from clustering.coverage.elicitation import (
    N_ORDINARY,
    Elicitation,
    Ordinary,
    elicitation,
    elicitation_space,
    ordinary_prompts,
)
from clustering.coverage.examples import ExampleSpace
from clustering.coverage.features import FamilyFeatures, Shapes, family_features
from clustering.coverage.growth import (
    effective_number,
    estimated_size,
    expected_distinct,
    new_ground,
    relative_entropy,
    sample_coverage,
)
from clustering.coverage.patterns import Pattern, PatternMatch, Vocabulary, match_patterns, read_patterns
from clustering.coverage.sampling import FamilyTexts, FamilyVectors, encode_families, family_texts

__all__ = [
    "N_BACKGROUND",
    "N_ORDINARY",
    "Cells",
    "Coverage",
    "Elicitation",
    "ExampleSpace",
    "FamilyFeatures",
    "FamilyTexts",
    "FamilyVectors",
    "Ordinary",
    "Pattern",
    "PatternMatch",
    "Profile",
    "Shapes",
    "Vocabulary",
    "background_cells",
    "capability_space",
    "coverage",
    "effective_number",
    "elicitation",
    "elicitation_space",
    "encode_families",
    "estimated_size",
    "expected_distinct",
    "family_features",
    "family_texts",
    "match_patterns",
    "new_ground",
    "ordinary_prompts",
    "payload_space",
    "profile_families",
    "profile_payloads",
    "read_patterns",
    "relative_entropy",
    "sample_coverage",
]
