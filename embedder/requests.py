"""Requests as rows of numbers: which prompt, account and principal, when; and an identifier for each.

The order and the identifiers follow from what the rows hold, never from the order in which they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import polars as pl

REQUEST_ORDER = ("prompt_row", "timestamp", "account_row", "request_id")
_REQUEST_COLUMNS = (
    "request_id",
    "prompt_row",
    "account_row",
    "principal_row",
    "timestamp",
    "model",
    "output_tokens",
    "session_id",
    "asked",
    "continues",
)


def account_tables(owners: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Number accounts and principals.

    Parameters
    ----------
    owners
        (n,) requests: columns ``account_id`` (no nulls) and ``org_id``.

    Returns
    -------
    accounts : pl.DataFrame
        ``account_id``, distinct, in byte order.
    principals : pl.DataFrame
        ``principal_id``, distinct, in byte order: ``org:`` and the organisation where a request names one,
        else ``account:`` and the account, so that the two can never be mistaken for each other.
    rows : pl.DataFrame
        (n,) ``account_row`` and ``principal_row`` (UInt32) of each request, in the order of ``owners``.
    """
    accounts = owners.select("account_id").unique().sort("account_id")
    orgs = owners.select("org_id").drop_nulls().unique().sort("org_id")
    lone = owners.filter(pl.col("org_id").is_null()).select("account_id").unique().sort("account_id")
    # "account:" comes before "org:", and a common prefix keeps the order of what follows it.
    principals = pl.concat(
        [
            lone.select(principal_id="account:" + pl.col("account_id")),
            orgs.select(principal_id="org:" + pl.col("org_id")),
        ]
    )
    by_account = accounts.with_row_index("account_row").join(
        lone.with_row_index("lone_row"), on="account_id", how="left"
    )
    by_org = orgs.with_row_index("org_row", offset=lone.height)
    rows = (
        owners.join(by_account, on="account_id", how="left", maintain_order="left")
        .select("org_id", "account_row", "lone_row")
        .join(by_org, on="org_id", how="left", maintain_order="left")
        .select("account_row", principal_row=pl.coalesce("org_row", "lone_row"))
    )
    return accounts, principals, rows


def identify(
    requests: pl.DataFrame, prompt_ids: pl.Series, account_ids: pl.Series
) -> tuple[pl.DataFrame, int, int]:
    """Give each request an identifier of its own and put the requests in order.

    Parameters
    ----------
    requests
        ``request_id`` (nulls and duplicates allowed), ``prompt_row``, ``account_row``, ``principal_row``,
        ``timestamp``, ``model``, ``output_tokens``, ``session_id``, ``asked``, ``continues``.
    prompt_ids, account_ids
        The identifiers that the row numbers stand for.

    Returns
    -------
    requests : pl.DataFrame
        The same requests, ``request_id`` distinct, sorted by ``REQUEST_ORDER`` (times: nulls last). A missing
        identifier is made of prompt, account, time and the number of equal requests before it; of equal
        identifiers the first in order stays and the others get such a hash as a suffix after ``~``.
    n_made, n_renamed
        How many identifiers were missing, and how many were taken already.
    """
    requests = requests.select(_REQUEST_COLUMNS)
    n_made = requests["request_id"].null_count()
    taken = requests["request_id"].drop_nulls().is_unique()
    if n_made == 0 and taken.all():
        return requests.sort(REQUEST_ORDER, nulls_last=True), 0, 0
    others = [name for name in _REQUEST_COLUMNS if name not in REQUEST_ORDER]
    requests = requests.sort(*REQUEST_ORDER, *others, nulls_last=True)
    n_renamed, attempt = 0, 0
    while True:
        again = requests["request_id"].is_null() | ~requests["request_id"].is_first_distinct()
        if not again.any():
            break
        if attempt == 0:
            n_renamed = int(again.sum()) - n_made
        requests = _rename(requests, again, ids=(prompt_ids, account_ids), attempt=attempt)
        attempt += 1
    return requests.sort(REQUEST_ORDER, nulls_last=True), n_made, n_renamed


def _rename(
    requests: pl.DataFrame, again: pl.Series, *, ids: Sequence[pl.Series], attempt: int
) -> pl.DataFrame:
    """Hash what the marked requests hold into their identifiers; another attempt gives other hashes."""
    what = ("request_id", "prompt_row", "account_row", "timestamp")
    marked = requests.with_row_index("i").filter(again)
    marked = marked.with_columns(occurrence=pl.int_range(pl.len()).over(what))
    prompt_ids, account_ids = (
        names.gather(marked[row]).to_list()
        for names, row in zip(ids, ("prompt_row", "account_row"), strict=True)
    )
    columns = (
        marked["request_id"].to_list(),
        prompt_ids,
        account_ids,
        marked["timestamp"].to_physical().to_list(),
        marked["occurrence"].to_list(),
    )
    names = []
    for own, prompt, account, time, occurrence in zip(*columns, strict=True):
        content = "\x1e".join(map(str, (attempt, own is None, own, prompt, time, occurrence, account)))
        digest = blake2b(content.encode(), digest_size=12).hexdigest()
        names.append(digest if own is None else f"{own}~{digest}")
    renamed = marked.select("i", pl.Series("new", names, dtype=pl.String))
    joined = requests.with_row_index("i").join(renamed, on="i", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("new", "request_id").alias("request_id")).drop("i", "new")
