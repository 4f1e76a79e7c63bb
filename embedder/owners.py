"""Distinct names of a log, numbered in byte order: accounts, principals, models."""

from __future__ import annotations

from functools import cached_property

import polars as pl

from embedder.column_files import own_memory

# Names that may wait before their doubles go, whatever is known already.
_WAITING = 1 << 20


class Names:
    """Distinct strings, gathered batch by batch; nulls do not count."""

    def __init__(self) -> None:
        self._known = pl.Series("name", [], pl.String)
        self._waiting: list[pl.Series] = []

    def add(self, names: pl.Series) -> None:
        """Take the names of a batch."""
        self._waiting.append(own_memory(names.alias("name").drop_nulls().unique()))
        if sum(map(len, self._waiting)) > max(_WAITING, len(self._known)):
            self.sorted()

    def sorted(self) -> pl.Series:
        """All names so far in byte order, one chunk."""
        if self._waiting:
            self._known = pl.concat([self._known, *self._waiting]).unique().sort().rechunk()
            self._waiting = []
        return self._known


class Owners:
    """Who sends, and to which models: the small tables beside the requests.

    A principal is the organisation that a request names, else the account; ``org:`` and ``account:`` before
    their names keep the two apart.
    """

    def __init__(self) -> None:
        self._accounts, self._lone, self._orgs, self._models = (Names() for _ in range(4))

    def add(self, rows: pl.DataFrame) -> None:
        """Take ``account_id`` (no nulls), ``org_id`` and ``model`` of some requests."""
        self._accounts.add(rows["account_id"])
        self._lone.add(rows["account_id"].filter(rows["org_id"].is_null()))
        self._orgs.add(rows["org_id"])
        self._models.add(rows["model"])

    def tables(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """``account_id``, ``principal_id`` and ``model``: distinct names, in byte order."""
        # "account:" comes before "org:", and a common prefix keeps the order of what follows it.
        principals = pl.concat(["account:" + self._lone.sorted(), "org:" + self._orgs.sorted()])
        tables = zip(
            ("account_id", "principal_id", "model"),
            (self._accounts.sorted(), principals, self._models.sorted()),
            strict=True,
        )
        accounts, owners, models = (pl.DataFrame({name: names.rechunk()}) for name, names in tables)
        return accounts, owners, models

    def rows(self, requests: pl.DataFrame) -> pl.DataFrame:
        """``account_row``, ``principal_row`` and ``model_row`` (UInt32) instead of the names, order kept.

        All requests have been added before.
        """
        for name, numbered in self._numbered.items():
            requests = requests.join(numbered, on=name, how="left", maintain_order="left")
        principal_row = pl.coalesce("org_row", "lone_row")
        gone = (*self._numbered, "org_row", "lone_row")
        return requests.with_columns(principal_row=principal_row).drop(gone)

    @cached_property
    def _numbered(self) -> dict[str, pl.DataFrame]:
        accounts, lone, orgs, models = (
            names.sorted().alias(name).to_frame()
            for name, names in (
                ("account_id", self._accounts),
                ("account_id", self._lone),
                ("org_id", self._orgs),
                ("model", self._models),
            )
        )
        return {
            "account_id": accounts.with_row_index("account_row").join(
                lone.with_row_index("lone_row"), on="account_id", how="left"
            ),
            "org_id": orgs.with_row_index("org_row", offset=lone.height),
            "model": models.with_row_index("model_row"),
        }
