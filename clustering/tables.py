"""Schemas of the tables in a run directory: one place for every column's name and type.

A run directory is complete or absent. Each table carries ``SCHEMA_VERSION`` in the manifest; a reader refuses
a directory of another version. Counts are ``n_*``; times are UTC microseconds; ids are hex strings that come
from content, so that the same family keeps its id from run to run.
"""

from __future__ import annotations

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from clustering.signals import SIGNALS
from clustering.signals.catalogue import aspects

SCHEMA_VERSION = 5
P_SUFFIX = "_p"
ASPECT_PREFIX = "aspect_"

TIME = pl.Datetime("us", "UTC")

Columns = dict[str, DataType | DataTypeClass]

_FAMILIES: Columns = {
    "family_id": pl.String,
    "rank": pl.Int64,  # 1 = first in the analyst's queue
    "score": pl.Float64,  # evidence, 0 upwards: see clustering.scores
    "p_value": pl.Float64,
    "own_p_value": pl.Float64,  # of its own evidence; null where only a campaign's accounts led to it
    "q_value": pl.Float64,  # Benjamini-Hochberg over own_p_value, or at least its campaign's: campaign_pools
    "flagged": pl.Boolean,  # q_value <= 0.05
    "n_benign_compared": pl.Int64,  # families about as large of clustering.benign_reference; 0: not compared
    "n_benign_as_low": pl.Int64,  # those of them whose p-value is no larger than own_p_value
    "view": pl.String,  # "skeleton", "whole", "single", "shared" or "pool": how the family was found
    "n_requests": pl.Int64,
    "n_prompts": pl.Int64,
    "n_accounts": pl.Int64,
    "n_principals": pl.Int64,
    "first_seen": TIME,
    "last_seen": TIME,
    "template": pl.String,  # skeleton with slots as {slot_1}, {slot_2}, ...
    "medoid_prompt": pl.String,
    "capability": pl.String,  # largest of its capability profile
    # Closest of the pattern library, of the hostile ones where flagged; null where none is clearly.
    "pattern": pl.String,
    "pattern_summary": pl.String,  # what it is, as the library says it
    "pattern_match": pl.Float64,  # how close, in [0, 1]
    "pattern_hostile": pl.Boolean,  # whether that pattern is one of extraction
    "coverage_breadth": pl.Float64,  # areas of ordinary use that it touches, effective number
    "coverage_depth": pl.Float64,  # share of the sweep's estimated full size that was sent
    "coverage_evenness": pl.Float64,  # entropy over its maximum
    "coverage_efficiency": pl.Float64,  # share of the second half of its requests that broke new ground
    "coverage_full_size": pl.Float64,  # estimated prompts of the whole sweep; null where unidentified
    "campaign_id": pl.String,
    "benign_explanation": pl.String,
    "reasons": pl.List(pl.String),  # one sentence each, most telling first
    "n_pooled": pl.Int64,  # other families whose accounts' signs are weighed and shown with its own
    # A deviate in [-1, 3.5] per aspect, positive for one hand, negative for people. Null: not measured.
    **{ASPECT_PREFIX + name: pl.Float64 for name in aspects()},
    # Two columns per signal: the effect a person reads, and its p-value. Null: no evidence in this log.
    **{column: pl.Float64 for name in SIGNALS for column in (name, name + P_SUFFIX)},
}
FAMILIES = pl.Schema(_FAMILIES)

_ASSIGNMENTS: Columns = {
    "request_id": pl.String,
    "account_id": pl.String,
    "timestamp": TIME,
    "prompt_id": pl.String,
    "family_id": pl.String,  # null = noise
    "strength": pl.Float32,  # membership strength in [0, 1]; 0 for noise
    "view": pl.String,  # null = noise
}
ASSIGNMENTS = pl.Schema(_ASSIGNMENTS)

_PROMPTS: Columns = {
    "prompt_id": pl.String,  # hex of the content hash of the normalised text
    "system_prompt": pl.String,
    "prompt": pl.String,  # an original text, as it was sent
    "skeleton": pl.String,  # "" where no span recurs
    "n_requests": pl.Int64,
    "n_variants": pl.Int64,  # original texts that collapse into this one
    "family_id": pl.String,
    "strength": pl.Float32,
    "view": pl.String,
}
PROMPTS = pl.Schema(_PROMPTS)

_SLOTS: Columns = {
    "family_id": pl.String,
    "slot": pl.String,
    "filler": pl.String,
    "n_requests": pl.Int64,
    "n_accounts": pl.Int64,
}
SLOTS = pl.Schema(_SLOTS)

_CAMPAIGNS: Columns = {
    "campaign_id": pl.String,
    "rank": pl.Int64,  # by its first family
    "score": pl.Float64,  # largest of its families'
    "p_value": pl.Float64,  # smallest of its families' times their number
    "q_value": pl.Float64,  # Benjamini-Hochberg over campaigns and the families of none
    "capabilities": pl.List(pl.String),  # of its families, most requests first
    "patterns": pl.List(pl.String),
    "n_families": pl.Int64,
    "n_requests": pl.Int64,
    "n_accounts": pl.Int64,
    "first_seen": TIME,
    "last_seen": TIME,
    "family_ids": pl.List(pl.String),  # in rank order
}

_ACCOUNTS: Columns = {
    "account_id": pl.String,
    "campaign_ids": pl.List(pl.String),
    "family_ids": pl.List(pl.String),  # flagged families, in rank order
    "score": pl.Float64,  # probability of being one of its campaign's pool, in [0, 1]
    "n_requests": pl.Int64,  # in flagged families
    "share": pl.Float64,  # of all its requests in the log, in (0, 1]
}

_MAP: Columns = {
    "prompt_id": pl.String,
    "x": pl.Float32,
    "y": pl.Float32,
    "family_id": pl.String,  # null = background sample
    "prompt": pl.String,
    "n_requests": pl.Int64,
    "neighbours": pl.List(pl.String),  # prompt_ids, nearest first, among the mapped prompts
}
CAMPAIGNS = pl.Schema(_CAMPAIGNS)
ACCOUNTS = pl.Schema(_ACCOUNTS)
MAP = pl.Schema(_MAP)

_REJECTED: Columns = {"file": pl.String, "row": pl.Int64, "reason": pl.String}
REJECTED = pl.Schema(_REJECTED)
