"""What a log holds, counted part by part: requests and accounts by kind, distinct prompts, lengths.

Memory is eight bytes a distinct prompt and a distinct account of each part: they are told apart by 64-bit
hashes, which confound none among a hundred million but with a chance of one in three thousand.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .simulator import Simulation

if TYPE_CHECKING:
    from embedder.tokens import WordTokens

_SAMPLE = 4_000  # prompts of each part whose tokens are counted
_KINDS = ("campaign", "benign", "organic")
# All that a client sends: the system prompt, and the turns so far, of which the prompt is the last.
_TURNS = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n")
_WHOLE = pl.concat_str("system_prompt", pl.coalesce(_TURNS, "prompt"), separator="\n", ignore_nulls=True)


class Tally:
    """Counts of the parts so far."""

    def __init__(self) -> None:
        self.n_by_kind: Counter[str] = Counter()
        self._accounts: dict[str, list[NDArray[np.uint64]]] = {kind: [] for kind in _KINDS}
        self._prompts: list[NDArray[np.uint64]] = []
        self._n_characters = 0
        self._n_tokens: dict[str, list[NDArray[np.int64]]] = {"prompt": [], "request": []}

    def add(self, part: Simulation) -> None:
        """Count a part."""
        self.n_by_kind.update(dict(part.truth["kind"].value_counts().iter_rows()))
        prompts = part.requests["prompt"]
        self._prompts.append(_hashes(prompts))
        self._n_characters += int(prompts.str.len_chars().sum())
        sample = part.requests.gather_every(max(1, len(prompts) // _SAMPLE)).select("prompt", request=_WHOLE)
        for name, listed in self._n_tokens.items():
            listed.append(_n_tokens(sample[name].to_list()))
        kinds = part.truth["kind"].str.split(":").list.first()
        for kind, hashes in self._accounts.items():
            hashes.append(_hashes(part.requests["account_id"].filter(kinds == kind)))

    def figures(self) -> dict[str, Any]:
        """The counts, for a manifest."""
        n = self.n_by_kind.total()
        n_prompts = _n_distinct(self._prompts)
        by_kind = {kind: _n_distinct(listed) for kind, listed in self._accounts.items()}
        return {
            "n_requests": n,
            "n_requests_by_kind": dict(sorted(self.n_by_kind.items())),
            "campaign_share": _share(self.n_by_kind["campaign"], n),
            "n_accounts": _n_distinct([hashes for listed in self._accounts.values() for hashes in listed]),
            "n_accounts_with_requests_of_kind": by_kind,
            "n_distinct_prompts": n_prompts,
            "distinct_share": _share(n_prompts, n),
            "mean_characters_of_prompt": _share(self._n_characters, n, digits=2),
            **_lengths(self._n_tokens),
        }


def _lengths(n_tokens: dict[str, list[NDArray[np.int64]]]) -> dict[str, Any]:
    """Mean, median and ninth decile of the tokens of prompts, and the mean of whole requests."""
    prompts, requests = (
        np.concatenate([np.zeros(0, dtype=np.int64), *listed]) for listed in n_tokens.values()
    )
    n = len(prompts)
    median, decile = np.quantile(prompts, (0.5, 0.9)).tolist() if n else (None, None)
    return {
        "mean_tokens_of_prompt": _share(int(prompts.sum()), n, digits=2),
        "median_tokens_of_prompt": median,
        "p90_tokens_of_prompt": decile,
        "mean_tokens_of_request": _share(int(requests.sum()), n, digits=2),
        "tokens_counted": f"by the packaged encoder's tokenizer, on {n} requests",
    }


def _share(n: int, total: int, *, digits: int = 6) -> float | None:
    return round(n / total, digits) if total else None


def _hashes(texts: pl.Series) -> NDArray[np.uint64]:
    return texts.hash().unique().to_numpy()


def _n_distinct(listed: list[NDArray[np.uint64]]) -> int:
    if len(listed) == 1:  # distinct already
        return len(listed[0])
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *listed])
    hashes.sort()
    return int(np.count_nonzero(hashes[1:] != hashes[:-1])) + min(len(hashes), 1)


def _n_tokens(texts: list[str]) -> NDArray[np.int64]:
    """Tokens of each text; (n,) int64."""
    from embedder.tokens import tokenise

    return np.diff(tokenise(_word_tokens(), texts)[1]) if texts else np.zeros(0, dtype=np.int64)


@cache
def _word_tokens() -> WordTokens:
    from embedder.distillation import TOKENIZER_FILE
    from embedder.static_model import packaged_model_folder
    from embedder.tokens import WordTokens

    tokenizer = import_module("tokenizers").Tokenizer.from_file(str(packaged_model_folder() / TOKENIZER_FILE))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return WordTokens(tokenizer, threads=1)
