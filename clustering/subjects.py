"""Payload vectors: what the accounts of a pool, and people, write about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.observed import Observed
from clustering.signals import FEWEST, N_PEOPLE, Traffic, paired_sample


@dataclass(frozen=True, eq=False)
class Subjects:
    """A sample of payloads.

    Attributes
    ----------
    vectors : (v, d) float32
        Unit rows.
    vector_of : (n_prompts,) int64
        Row of each prompt's vector; -1 where it was not sampled or says nothing.
    people : (m,) int64
        Requests that show what people write about, ascending.
    in_template : (N,) bool
        Requests of families found by their skeleton. A family found by what it says holds one subject: its
        accounts cannot differ in theirs.
    """

    vectors: NDArray[np.float32]
    vector_of: NDArray[np.int64]
    people: NDArray[np.int64]
    in_template: NDArray[np.bool_]


def sample_subjects(observed: Observed, *, seed: int) -> Subjects:
    """Encode the payloads of a sample of every pool and of people."""
    traffic = observed.traffic
    in_template = np.append(observed.templated, False)[traffic.groups]  # -1, no family, takes the last
    people = sample_people(traffic, np.flatnonzero(~in_template), seed=seed)
    said = observed.says
    rows = [people]
    for _, members in traffic.each_group():
        if len(np.unique(traffic.principals[members])) >= FEWEST:
            rows.append(paired_sample(traffic, members[said[traffic.prompts[members]]], seed=seed))
    return Subjects(*payload_vectors(observed, np.concatenate(rows)), people, in_template)


def sample_people(traffic: Traffic, rows: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Some of the rows, ascending: enough to show how far people keep to their own subjects."""
    return paired_sample(traffic, rows, seed=seed, n_requests=N_PEOPLE)


def payload_vectors(
    observed: Observed, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors of what the requests' payloads say, (v, d) unit rows, and the row of each prompt's or -1."""
    wanted = np.unique(observed.traffic.prompts[rows])
    wanted = wanted[observed.says[wanted]]
    vectors = observed.encode(observed.payloads(wanted).to_list())
    known = np.flatnonzero(np.einsum("ij,ij->i", vectors, vectors) > 0)
    vector_of = np.full(len(observed.texts), -1, np.int64)
    vector_of[wanted[known]] = known
    return vectors, vector_of
