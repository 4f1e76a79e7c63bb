"""Observed logs made by hand: traffic, texts and families, with a template of one slot in each family."""

from __future__ import annotations

import numpy as np
import polars as pl
from text_cases import buffer_of

from clustering.families import VIEW_NAMES, Families, ViewClusters
from clustering.observed import Observed
from clustering.templates import Template


def view_of(labels):
    """Points of a view, all of full strength."""
    n = len(labels)
    ones = np.ones(n, np.float32)
    return ViewClusters(np.asarray(labels), ones, ones, pl.Series([str(k) for k in range(n)]), np.arange(n))


def families_of(labels, *, views=None):
    """Families of the prompts by their labels; skeleton families unless told; ids f00, f01, ..."""
    labels = np.asarray(labels, np.int64)
    n = int(labels.max(initial=-1)) + 1
    names = views or ["skeleton"] * n
    return Families(
        labels,
        np.where(labels >= 0, 1.0, 0.0).astype(np.float32),
        np.array([VIEW_NAMES.index(name) for name in names], np.uint8),
        np.array([int(np.flatnonzero(labels == k)[0]) for k in range(n)], np.int64),
        pl.Series([f"f{k:02d}" for k in range(n)], dtype=pl.String),
        view_of(labels),
        view_of(labels),
    )


def templates_of(families, texts, wrappers=None):
    """One slot per family, which its prompts' texts fill."""
    wrappers = wrappers or [f"wrapper of family {k} : " for k in range(len(families.ids))]
    rows = [np.flatnonzero(families.labels == k) for k in range(len(families.ids))]
    return [
        Template(wrapper + "{slot_1}", [[texts[int(row)] for row in own]], own)
        for wrapper, own in zip(wrappers, rows, strict=True)
    ]


def prompt_labels(traffic, n_prompts):
    """Label of each prompt from the groups of its requests; -1 for prompts that nobody sent."""
    labels = np.full(n_prompts, -1, np.int64)
    labels[traffic.prompts] = traffic.groups
    return labels


def observed_of(traffic, texts, encode, *, views=None, wrappers=None, **columns):
    """An observed log; prompts sent in no group are noise, and no model or conversation is known."""
    families = families_of(prompt_labels(traffic, len(texts)), views=views)
    n = len(traffic.prompts)
    known = {
        "models": np.full(n, -1, np.int64),
        "asked": np.zeros(n, np.uint64),
        "continues": np.zeros(n, np.uint64),
        **columns,
    }
    return Observed(
        traffic=traffic,
        texts=buffer_of(texts),
        families=families,
        templates=templates_of(families, texts, wrappers),
        n_requests=np.bincount(traffic.prompts, minlength=len(texts)).astype(np.int64),
        encode=encode,
        **known,
    )
