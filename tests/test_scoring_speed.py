"""The cost of weighing: ten thousand families over a million requests, without the encoder."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from clustering.evidence import weigh
from clustering.observed import Observed
from clustering.signals import Signal, Traffic
from clustering.templates import Template
from embedder import to_buffer

N_REQUESTS, N_FAMILIES, N_PRINCIPALS = 1_000_000, 10_000, 120_000
MOST_CPU_SECONDS = 45.0  # half as much again as it takes; other processes' time is not in it


def many_families(random: np.random.Generator) -> Observed:
    """Heavy-tailed families of two slots, sent by heavy-tailed people in office hours; random payloads."""
    shares = 1 / np.arange(1, N_FAMILIES + 1) ** 0.9
    sizes = np.maximum(20, shares / shares.sum() * 300_000).astype(int)
    labels = np.full(N_REQUESTS, -1)
    labels[: sizes.sum()] = np.repeat(np.arange(N_FAMILIES), sizes)
    volume = random.lognormal(0, 1.3, N_PRINCIPALS)
    who = random.choice(N_PRINCIPALS, N_REQUESTS, p=volume / volume.sum())
    hours = (
        random.integers(0, 14, N_REQUESTS) * 24
        + (14 + 4 * random.standard_normal(N_REQUESTS) + who % 12) % 24
    )
    traffic = Traffic(np.arange(N_REQUESTS), who, hours, labels, N_FAMILIES)
    first = np.cumsum(sizes) - sizes
    short = np.array([f"value {i}" for i in range(300)], dtype=object)
    templates = []
    for start, size in zip(first.tolist(), sizes.tolist(), strict=True):
        n = min(2_000, size)
        fillers = [short[random.zipf(1.6, n).clip(max=300) - 1].tolist(), [f"text {i}" for i in range(n)]]
        templates.append(Template("Write {slot_1} about {slot_2}", fillers, np.arange(start, start + n)))
    families = SimpleNamespace(
        ids=pl.Series([f"f{i}" for i in range(N_FAMILIES)]),
        labels=labels,
        views=np.zeros(N_FAMILIES, np.uint8),
        medoids=first,
    )
    vectors = random.standard_normal((50_000, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    none = np.zeros(N_REQUESTS, np.uint64)
    return Observed(
        traffic,
        to_buffer(pl.Series(["x"]).new_from_index(0, N_REQUESTS)),
        families,  # type: ignore[arg-type]
        templates,
        np.ones(N_REQUESTS, np.int64),
        np.zeros(N_REQUESTS, np.int64),
        none,
        none,
        lambda texts: vectors[np.arange(len(texts)) % len(vectors)],
    )


@pytest.mark.slow
def test_ten_thousand_families_are_weighed_in_half_a_minute() -> None:
    observed = many_families(np.random.default_rng(0))
    half = Signal(np.full(N_FAMILIES, 0.5), np.full(N_FAMILIES, 0.5))
    started, began = time.process_time(), time.perf_counter()
    evidence = weigh(observed, half, akin=lambda i, j: False, seed=0)
    cpu, seconds = time.process_time() - started, time.perf_counter() - began
    print(f"{N_FAMILIES:,} families over {N_REQUESTS:,} requests: {cpu:.1f} CPU seconds, {seconds:.1f} s")
    assert len(evidence.p_values) == N_FAMILIES
    assert cpu < MOST_CPU_SECONDS
