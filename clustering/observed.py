"""What a run has observed once its families are known: all that evidence is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.families import VIEW_NAMES, Families
from clustering.signals import Hops, Traffic, session_hops
from clustering.signals.slots import Slots, slot_codes
from clustering.templates import Template
from embedder import Corpus, TextBuffer

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Observed:
    """A log of N requests and n prompts with its f families.

    Attributes
    ----------
    traffic : Traffic
        Grouped by family.
    texts : n texts
        Normalised, of the distinct prompts.
    families : Families
    templates : f templates
    n_requests : (n,) int64
        Of each prompt.
    models : (N,) int64
        Code of each request's model; -1 where unknown.
    asked, continues : (N,) uint64
        Hashes of the conversation that each request asks and continues; 0 for none.
    encode : m texts to (m, d) float32
        Unit vectors; zero for an empty text.
    """

    traffic: Traffic
    texts: TextBuffer
    families: Families
    templates: Sequence[Template]
    n_requests: NDArray[np.int64]
    models: NDArray[np.int64]
    asked: NDArray[np.uint64]
    continues: NDArray[np.uint64]
    encode: Encode

    @property
    def n_families(self) -> int:
        """Families of the log."""
        return len(self.families.ids)

    @cached_property
    def templated(self) -> NDArray[np.bool_]:
        """Families found by their skeleton, (f,): their requests say nothing about people's own subjects."""
        return np.asarray(self.families.views == VIEW_NAMES.index("skeleton"))

    @cached_property
    def filler_counts(self) -> list[list[NDArray[np.int64]]]:
        """Requests per value of each slot of each family.

        Distinct prompts would fill a small grid up and look even by chance.
        """
        return [
            [_frequencies(slot, self.n_requests[template.rows]) for slot in template.fillers]
            for template in self.templates
        ]

    @cached_property
    def slots(self) -> list[Slots]:
        """Values of each slot of each family, as numbers."""
        return [slot_codes(template.fillers, template.rows) for template in self.templates]

    @cached_property
    def hops(self) -> Hops:
        """Conversations that change hands."""
        return session_hops(self.traffic, self.asked, self.continues)

    def payloads(self, rows: NDArray[np.int64]) -> pl.Series:
        """What m prompts say beyond their families' skeletons, (m,); the whole text where there is none.

        Null where a member was not read for the template.
        """
        inside = self._in_template[rows]
        read, filled = self._filled
        at = np.searchsorted(read, rows)
        fillers = filled.gather(_places(at, np.append(read, -1)[at] == rows))
        whole = self.texts.take(rows[~inside]).to_series().gather(_places(np.cumsum(~inside) - 1, ~inside))
        return fillers.zip_with(pl.Series(inside), whole)

    @cached_property
    def says(self) -> NDArray[np.bool_]:
        """Whether each prompt says something beyond its family's skeleton, as far as it was read, (n,)."""
        said = ~self._in_template & (self.texts.lengths > 0)
        read, filled = self._filled
        said[read[(filled != "").to_numpy()]] = True
        return said

    @cached_property
    def _filled(self) -> tuple[NDArray[np.int64], pl.Series]:
        """Rows of the prompts read for templates, ascending, and what fills each one's slots."""
        frame = pl.DataFrame(
            [
                (int(row), "\n".join(slot[place] for slot in template.fillers))
                for template in self.templates
                for place, row in enumerate(template.rows)
            ],
            schema={"row": pl.Int64, "filled": pl.String},
            orient="row",
        ).sort("row")
        return frame["row"].to_numpy(), frame["filled"]

    @cached_property
    def _in_template(self) -> NDArray[np.bool_]:
        """Whether each prompt is of a family found by its skeleton, (n,); label -1 takes the last."""
        return np.asarray(np.append(self.templated, False)[self.families.labels])

    def regrouped(self, families: Families, templates: Sequence[Template]) -> Observed:
        """The same log with other families."""
        labels = families.labels[self.traffic.prompts]
        traffic = replace(self.traffic, groups=labels, n_groups=len(families.ids))
        return replace(self, traffic=traffic, families=families, templates=templates)

    def members(self, family: int) -> NDArray[np.int64]:
        """Rows of a family's prompts, ascending."""
        order, edges = self._by_family
        return order[edges[family] : edges[family + 1]]

    @cached_property
    def _by_family(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.families.labels, kind="stable")
        return order, np.searchsorted(self.families.labels[order], np.arange(self.n_families + 1))


def traffic_of(corpus: Corpus, families: Families) -> Traffic:
    """Every request of a corpus, grouped by family."""
    requests = corpus.requests
    prompts = requests["prompt_row"].to_numpy().astype(np.int64)
    return Traffic(
        prompts,
        requests["principal_row"].to_numpy().astype(np.int64),
        requests["timestamp"].dt.epoch("us").cast(pl.Float64).fill_null(np.nan).to_numpy() / 3.6e9,
        families.labels[prompts],
        len(families.ids),
    )


def observe(corpus: Corpus, families: Families, *, templates: Sequence[Template], encode: Encode) -> Observed:
    """Gather the columns of a corpus that evidence needs."""
    requests = corpus.requests
    models = requests["model_row"].cast(pl.Int64).fill_null(-1).to_numpy()
    asked, continues = (requests[c].fill_null(0).to_numpy() for c in ("asked", "continues"))
    weights = corpus.prompts["n_requests"].to_numpy()
    return Observed(
        traffic_of(corpus, families),
        corpus.texts,
        families,
        templates,
        weights,
        models,
        asked,
        continues,
        encode,
    )


def _frequencies(fillers: list[str], weights: NDArray[np.int64]) -> NDArray[np.int64]:
    said = np.array([filler != "" for filler in fillers])
    _, value = np.unique(np.array(fillers, dtype=object)[said], return_inverse=True)
    return np.bincount(value, weights=weights[said]).astype(np.int64)


def _places(at: NDArray[np.int64], known: NDArray[np.bool_]) -> pl.Series:
    """Places to gather from, null where none is known."""
    return pl.Series(at).zip_with(pl.Series(known), pl.Series([None]))
