"""Which of the model's capabilities each family draws on.

The taxonomy is ``capabilities.toml``, with a reader's own file (``clustering.coverage.library``). A family's
profile is half what its fixed text asks for and half what its prompts add: a wrapper that asks for reasoning
around questions on code is both, however long either is. Where there is only one of the two, it is the
profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.coverage.examples import ExampleSpace
from clustering.coverage.sampling import FamilyVectors, mean_rows

_PLAIN = 1.5  # times an equal share: below it no capability stands out


@dataclass(frozen=True, eq=False)
class Profile:
    """Capabilities of f families, or what fills their slots.

    Attributes
    ----------
    names : tuple of C str
    shares : (f, C) float64
        Rows sum to 1.
    largest : (f,) int64
        The capability with the largest share; the rest of the taxonomy where none reaches one and a half
        times an equal share.
    """

    names: tuple[str, ...]
    shares: NDArray[np.float64]
    largest: NDArray[np.int64]

    def labels(self) -> list[str]:
        """Name of the largest capability of each family."""
        return [self.names[place] for place in self.largest]


def profile_payloads(vectors: FamilyVectors, space: ExampleSpace) -> Profile:
    """What fills the slots of each family or group: the mean over what its prompts add."""
    return _profile(
        mean_rows(space.memberships(vectors.payloads), vectors.payload_of, vectors.n_families), space
    )


def profile_families(vectors: FamilyVectors, space: ExampleSpace) -> Profile:
    """Capability profile of each family or group.

    Tried and dropped: "other" for what is no nearer than half of the log's ordinary prompts are; in a log of
    programmers' traffic it calls half of the code other, and a family's capability changed with the log. The
    rest is a class with examples of its own.
    """
    fixed = mean_rows(space.memberships(vectors.sentences), vectors.sentence_of, vectors.n_families)
    added = mean_rows(space.memberships(vectors.payloads), vectors.payload_of, vectors.n_families)
    both = np.stack([fixed, added])
    measured = ~np.isnan(both[:, :, 0])
    shares = (
        np.where(measured[:, :, None], both, 0).sum(axis=0) / np.maximum(measured.sum(axis=0), 1)[:, None]
    )
    shares[~measured.any(axis=0)] = np.nan
    return _profile(shares, space)


def _profile(shares: NDArray[np.float64], space: ExampleSpace) -> Profile:
    """The rest of the taxonomy where nothing was measured."""
    nothing = np.isnan(shares).any(axis=1)
    shares[nothing] = np.eye(len(space.names))[space.rest]
    largest = shares.argmax(axis=1)
    largest[shares.max(axis=1) * len(space.names) < _PLAIN] = space.rest
    return Profile(space.names, shares, largest)
