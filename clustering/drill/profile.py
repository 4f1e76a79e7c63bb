"""What a log looks like: what must be known of it for a plant not to stand out by its looks.

Planted requests must differ from the log's in what a campaign is, and in nothing else: not in the period, the
models, the columns that are filled, the spelling of identifiers, or in what people there ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.drill.identifiers import IdStyle, id_style
from clustering.results import Run
from embedder import Corpus

N_ORDINARY = 20_000  # distinct prompts that are kept to be asked again; bounds the memory
LEAST_ORDINARY = 100  # fewer would be asked so often that they are families
_LONGEST = 4_000  # characters of a prompt that is kept
_ESTABLISHED = 0.1  # a model that appears after this part of the period is new in it
_COMMON = 0.01  # share of the requests from which a model counts


@dataclass(frozen=True, eq=False)
class LogProfile:
    """What is learnt of a log.

    Parameters
    ----------
    n_requests : its usable rows.
    first, last : the period, UTC; None where no row has a time.
    filled : share of the requests that have a ``timestamp``, ``model``, ``output_tokens``, ``session_id``,
        ``org_id``, each in [0, 1]; ``system_prompt`` and ``messages`` are 1 when any has.
    models : its established models, most used first.
    new_model, released : the model that came out during the period, if any, and when it was first used.
    median_tokens : median of the output tokens; NaN without.
    styles : of ``request_id``, ``account_id``, ``org_id`` and ``session_id``.
    """

    n_requests: int
    first: datetime | None
    last: datetime | None
    filled: dict[str, float]
    models: tuple[str, ...]
    new_model: str | None
    released: datetime | None
    median_tokens: float
    styles: dict[str, IdStyle]


def log_profile(corpus: Corpus) -> LogProfile:
    """Learn a log's looks from its corpus; does not depend on the order of its rows."""
    principals = corpus.principals["principal_id"]
    requests = corpus.requests.with_columns(model=corpus.models["model"].gather(corpus.requests["model_row"]))
    n = max(1, requests.height)
    organised = principals.str.starts_with("org:")
    columns = ("timestamp", "model", "output_tokens", "session_id")
    filled = {name: 1.0 - requests[name].null_count() / n for name in columns}
    filled["org_id"] = float(organised.gather(requests["principal_row"]).sum()) / n
    filled["system_prompt"] = float((corpus.prompts["system_prompt"].is_not_null()).any())
    filled["messages"] = float(requests["asked"].is_not_null().any())
    models, new_model, released = _models(requests)
    times, tokens = requests["timestamp"].drop_nulls(), requests["output_tokens"].drop_nulls().to_numpy()
    return LogProfile(
        requests.height,
        _moment(times.min()),
        _moment(times.max()),
        filled,
        models,
        new_model,
        released,
        float(np.median(tokens)) if len(tokens) else float("nan"),
        {
            "request_id": id_style(requests["request_id"]),
            "account_id": id_style(corpus.accounts["account_id"]),
            "org_id": id_style(principals.filter(organised).str.strip_prefix("org:")),
            "session_id": id_style(requests["session_id"]),
        },
    )


def _moment(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _models(requests: pl.DataFrame) -> tuple[tuple[str, ...], str | None, datetime | None]:
    """Established models, most used first; the one that came out, if one did, and when."""
    counted = (
        requests.drop_nulls("model")
        .group_by("model")
        .agg(n=pl.len(), first=pl.col("timestamp").min())
        .sort("n", "model", descending=[True, False])
    )
    first, last = requests["timestamp"].min(), requests["timestamp"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return tuple(counted["model"]), None, None
    late = (pl.col("first") > first + _ESTABLISHED * (last - first)).fill_null(False)
    new = counted.filter(late & (pl.col("n") >= _COMMON * requests.height))
    established = tuple(counted.filter(~late)["model"])
    if not new.height or not established:
        return tuple(counted["model"]), None, None
    return established, str(new["model"][0]), _moment(new["first"][0])


def ordinary_prompts(run: Run) -> tuple[str, ...]:
    """Prompts of the log that are in no family: what its people ask. Those of one account stand together.

    At most ``N_ORDINARY`` (those of the smallest ids, which are hashes), none very long; () when there are
    too few of them.
    """
    prompts = run.prompts.filter(
        pl.col("family_id").is_null() & (pl.col("prompt").str.len_chars() <= _LONGEST)
    )
    kept = prompts.select("prompt_id", "prompt").sort("prompt_id").head(N_ORDINARY)
    if kept.height < LEAST_ORDINARY:
        return ()
    senders = run.assignments.join(kept.select("prompt_id"), on="prompt_id").group_by("prompt_id")
    joined = kept.join(senders.agg(pl.col("account_id").min()), on="prompt_id")
    return tuple(joined.sort("account_id", "prompt_id")["prompt"].to_list())


def as_cells(prompts: Sequence[str], most: int) -> list[NDArray[np.object_]]:
    """Up to `most` runs of prompts of about one size, each (n,) object: the subjects of the log's people."""
    n_cells = min(most, max(1, len(prompts) // LEAST_ORDINARY))
    texts = np.empty(len(prompts), dtype=object)
    texts[:] = prompts
    return list(np.array_split(texts, n_cells))
