"""What can be chosen about a density clustering."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Selection = Literal["eom", "leaf"]


@dataclass(frozen=True)
class ClusterSettings:
    """Settings of `cluster_graph`.

    Attributes
    ----------
    min_cluster_size
        Smallest sum of weights of a cluster, at least 2.
    min_samples
        Number of other points, duplicates counted, within a point's core distance, at least 1.
    distance_floor
        Distances below it count as it, in the unit of the graph (cosine distance). 0 leaves them as they are,
        down to the resolution of 1e-6.
    selection
        "eom": clusters of the greatest total excess of mass; "leaf": the finest clusters.
    allow_single_cluster
        Whether the root may be a cluster, that is, whether all points may form one.
    min_persistence
        Chosen clusters of a smaller persistence become noise, in [0, 1). Of points without structure HDBSCAN
        makes a few clusters, of persistences about 0.01; 0 keeps them, as the ``hdbscan`` package does.

    Raises
    ------
    ValueError
        A setting is outside its range.
    """

    min_cluster_size: int = 20
    min_samples: int = 5
    distance_floor: float = 0.0
    selection: Selection = "eom"
    allow_single_cluster: bool = False
    min_persistence: float = 0.0

    def __post_init__(self) -> None:
        if self.min_cluster_size < 2:
            raise ValueError(f"min_cluster_size must be at least 2, not {self.min_cluster_size}")
        if self.min_samples < 1:
            raise ValueError(f"min_samples must be at least 1, not {self.min_samples}")
        if not (math.isfinite(self.distance_floor) and self.distance_floor >= 0.0):
            raise ValueError(f"distance_floor must be finite and not negative, not {self.distance_floor}")
        if not 0.0 <= self.min_persistence < 1.0:
            raise ValueError(f"min_persistence must be in [0, 1), not {self.min_persistence}")
        if self.selection not in get_args(Selection):
            raise ValueError(
                f"selection must be one of {', '.join(get_args(Selection))}, not {self.selection!r}"
            )
