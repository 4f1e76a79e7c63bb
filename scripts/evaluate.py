"""`covey evaluate`: how well a run found what is known to be in its logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.errors import guarded
from scripts.terminal import console, print_json, quoted, table

FIGURES = {
    "n_families": "families found",
    "n_flagged": "flagged",
    "n_true_families": "true families with a common text",
    "mean_f1": "their F1, in the mean",
    "n_f1_80": "of them found with an F1 of 0.8 or more",
    "plain_f1": "F1 of true families without a common text",
    "precision_at_10": "share of campaigns' families in the first 10 of the queue",
    "precision_at_20": "in the first 20",
    "precision_at_50": "in the first 50",
    "average_precision": "average precision of the queue",
    "n_flagged_wrong": "flagged families that are no campaign's",
    "n_flagged_counted": "of flagged families that count, pieces of one taken once",
    "realised_fdr": "realised false discovery rate",
    "campaign_requests_flagged": "campaign requests in flagged families",
    "campaign_pairwise_f1": "F1 of pairs of requests put into one campaign",
    "account_precision": "precision of accounts in flagged families",
    "account_recall": "recall of the campaigns' accounts",
}
TABLES = {
    "per_campaign": "Campaign: share of its requests in flagged families",
    "wrong_kinds": "Wrongly flagged: what most of the family is",
    "per_family": "True family: how its best match fits",
}


@guarded
def evaluate_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="A run directory.", show_default=False)],
    truth: Annotated[
        Path,
        typer.Argument(
            help="Folder with the logs' truth, as `covey simulate` writes it.", show_default=False
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a RUN with the TRUTH of its logs: families found, the ranking, false flags, accounts."""
    from dataclasses import asdict

    from clustering.evaluation import evaluate_run
    from clustering.judgement import ASKED_FROM

    figures = asdict(evaluate_run(run, truth))
    if as_json:
        print_json(figures)
        return
    screen = console()
    made = table(("Figure", "left"), ("Value", "right"))
    for name, words in FIGURES.items():
        made.add_row(words, _entry(figures[name]))
    screen.print(made)
    for name, words in TABLES.items():
        if figures[name]:
            part = table((words, "left"), ("", "right"))
            for key, entry in figures[name].items():
                part.add_row(quoted(str(key)), _entry(entry))
            screen.print(part)
    screen.print(f"True families of fewer than {ASKED_FROM} requests are not asked for.")


def _entry(value: object) -> str:
    """Counts as they are, shares with three digits, a dash where the truth has nothing to measure."""
    if isinstance(value, dict):
        return "   ".join(f"{name} {_entry(part)}" for name, part in value.items())
    if value is None:
        return "\u2013"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
