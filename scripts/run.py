"""`covey run`: logs in, a run directory out."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.errors import guarded
from scripts.plan import print_plan
from scripts.progress import stage_bars
from scripts.terminal import console, print_json

if TYPE_CHECKING:
    from clustering import Run, RunSettings

TOP = 10  # families printed at the end of a run


Logs = Annotated[
    list[str],
    typer.Argument(
        help="Request logs: Parquet, JSONL (.gz, .zst) or CSV; files, folders or globs.", show_default=False
    ),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="Run directory to write; complete or absent.", show_default=False)
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        "-c",
        help="Where a column is, as NAME=PATH, for example prompt=body.text. Repeatable.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="Settings from a TOML file, by their long names (min_family = 30); options given here win.",
        show_default=False,
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="static, transformer, or any sentence-transformers name or path.", show_default="static"
    ),
]
MinFamily = Annotated[int | None, typer.Option(min=2, help="Fewest requests of a family.", show_default="20")]
Seed = Annotated[
    int | None, typer.Option(min=0, help="The same seed and logs give the same tables.", show_default="0")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads to use.", show_default="all that are free")]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory that the run may take, as 8G; what does not fit is read from files or coarser.",
        show_default="16G",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(help="Requests from this time on: 2026-04-01, or 2026-04-01T12:00:00Z.", show_default=False),
]
Until = Annotated[
    str | None, typer.Option(help="Requests before this time, which is not included.", show_default=False)
]
Registry = Annotated[
    str | None,
    typer.Option(
        help="Known-benign templates, a TOML file beside the packaged ones; see `covey registry`.",
        show_default=False,
    ),
]
Patterns = Annotated[
    str | None,
    typer.Option(
        help="Patterns and examples of your own, a TOML file beside the packaged ones.",
        metavar="FILE",
        show_default=False,
    ),
]
Redact = Annotated[
    bool | None,
    typer.Option(
        "--redact/--no-redact",
        help="Put placeholders for e-mail addresses, phone and card numbers, keys and tokens in the prompts.",
        show_default="no-redact",
    ),
]
AccountKey = Annotated[
    str | None,
    typer.Option(
        help="File of a secret key: accounts, organisations and sessions are hashed with it.",
        metavar="FILE",
        show_default=False,
    ),
]
MaxRejected = Annotated[
    float | None,
    typer.Option(
        "--max-rejected",
        metavar="SHARE",
        min=0,
        max=1,
        help="Share of bad records above which the logs are refused.",
        show_default="0.5",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a run directory of other settings.")]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Say what the run would read, take and need, and do nothing.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@guarded
def run_command(
    context: typer.Context,
    logs: Logs,
    out: Out,
    config: Config = None,
    column: Column = None,
    since: Since = None,
    until: Until = None,
    encoder: Encoder = None,
    min_family: MinFamily = None,
    seed: Seed = None,
    threads: Threads = None,
    memory: Memory = None,
    registry: Registry = None,
    patterns: Patterns = None,
    redact: Redact = None,
    account_key: AccountKey = None,
    max_rejected: MaxRejected = None,
    force: Force = False,
    plan: PlanOnly = False,
    as_json: AsJson = False,
) -> None:
    """Find the prompt families in request LOGS and rank them.

    Writes tables (Parquet), manifest.json and report.html to the run directory; prints the first families.
    Stopped half-way, the same command goes on after the last stage that was whole.
    """
    how = {"encoder": encoder, "min_family": min_family, "seed": seed, "threads": threads}
    what = {"registry": registry, "patterns": patterns, "redact": redact, "account_key": account_key}
    limits = {"max_rejected_share": max_rejected, "force": force}
    texts = {"since": since, "until": until, "memory": memory}
    settings = run_settings(config, column, texts, **how, **what, **limits)
    if plan:
        print_plan(logs, out, settings, as_json=as_json)
        return
    _run(logs, out, settings, as_json=as_json)


def _run(logs: list[str], out: Path, settings: RunSettings, *, as_json: bool) -> None:
    from clustering import run

    started = time.monotonic()
    with stage_bars() as progress:
        result = run(logs, out, settings=settings, progress=progress)
    _print_result(result, time.monotonic() - started, as_json=as_json)


def run_settings(
    config: Path | None,
    column: list[str] | None,
    texts: Mapping[str, str | None],
    **given: object,
) -> RunSettings:
    """Settings of a call: what is given, else what the file says, else the default.

    Parameters
    ----------
    config
        A TOML file; see ``clustering.settings_file``.
    column
        Entries ``NAME=PATH``; each replaces the file's of its name.
    texts
        Of ``since``, ``until`` and ``memory``; None where not given.
    given
        Other settings by their names; None where not given.
    """
    from clustering import RunSettings
    from clustering.settings_file import parse_text, read_settings

    said = read_settings(config) if config is not None else {}
    said |= {name: value for name, value in given.items() if value is not None}
    said |= {name: parse_text(name, text) for name, text in texts.items() if text is not None}
    columns = dict(said.pop("columns", ())) | dict(parse_columns(column or []))
    return RunSettings(columns=tuple(sorted(columns.items())), **said)


def _print_result(result: Run, seconds: float, *, as_json: bool) -> None:
    from clustering.report.formats import format_time
    from clustering.report.signals import format_count
    from clustering.run_directory import partial_of
    from scripts.queue_table import queue_json, queue_table, summary_line

    if as_json:
        facts = {"path": result.path, "seconds": round(seconds, 3), "was_complete": result.was_complete}
        print_json({**queue_json(result, limit=TOP), **facts})
        return
    screen = console()
    screen.print(queue_table(result.families, limit=TOP, width=screen.width))
    screen.print(summary_line(result) + ("." if result.was_complete else f"; {seconds:.1f} s."))
    if result.was_complete:
        made = format_time(result.manifest.get("created"))
        screen.print(f"Complete already, since {made} UTC: the same logs and settings. Nothing was done.")
        beside = partial_of(result.path.resolve())
        if beside.exists():
            screen.print(
                f"{beside} is what another command had done when it was stopped: give that one again, or "
                "delete it.",
                soft_wrap=True,
            )
    if result.rejected.height:
        rejected = result.path / "rejected.parquet"
        screen.print(
            f"Rejected {format_count(result.rejected.height)} rows, listed in {rejected}", soft_wrap=True
        )
    screen.print(f"Report   {result.path / 'report.html'}", soft_wrap=True)
    screen.print(f"Tables   {result.path}{os.sep}*.parquet", soft_wrap=True)
    if result.families.height:
        screen.print(f"Look at  covey show {shlex.quote(str(result.path))} 1", soft_wrap=True)


def parse_columns(entries: list[str]) -> tuple[tuple[str, str], ...]:
    """Pairs (name, path) of ``NAME=PATH`` entries.

    Raises
    ------
    ValueError
        When an entry has no "=", an empty side, or names a column twice.
    """
    pairs: dict[str, str] = {}
    for entry in entries:
        name, sign, path = entry.partition("=")
        if not (sign and name and path):
            raise ValueError(f"--column {entry}: write NAME=PATH, for example --column prompt=body.text")
        if name in pairs:
            raise ValueError(f"--column {entry}: {name} is already read from {pairs[name]}; give it once")
        pairs[name] = path
    return tuple(pairs.items())
