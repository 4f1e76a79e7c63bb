"""One account in the terminal: the families it sends, whether it is likely a campaign's, its prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from clustering.accounts import POOL_LEVEL
from clustering.report.account_contents import AccountDetail, account_detail
from clustering.report.formats import counted, format_time
from clustering.report.signals import format_count
from clustering.template_text import headline, in_a_line
from scripts.parts import examples, facts, period, prose, timelines, title, with_headline
from scripts.terminal import quoted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from clustering.report.contents import RunTables

N_PROMPTS = 5  # shown where no limit is given
N_FAMILIES = 20
EXAMPLE_CHARACTERS = 600


def account_json(run: RunTables, account_id: str, *, limit: int | None) -> dict[str, object]:
    """The account with all its families, and at most `limit` of its prompts."""
    return asdict(account_detail(run, account_id, n_prompts=limit or N_PROMPTS))


def account_lines(run: RunTables, account_id: str, *, limit: int | None) -> Iterator[RenderableType]:
    """Everything to print of an account, in order."""
    from rich.text import Text

    detail = account_detail(run, account_id, n_prompts=limit or N_PROMPTS)
    yield Text.assemble(("Account", "bold"), "  ").append_text(quoted(account_id))
    yield prose(_verdict(detail), style="bold")
    yield Text("")
    campaigns = ", ".join(detail.campaign_ids)
    yield facts(
        (
            "Sent",
            f"{counted(detail.n_requests, 'request')}; {period(detail.first_seen, detail.last_seen)}".rstrip(
                "; "
            ),
        ),
        ("Flagged", _flagged(detail)),
        ("Campaign" if len(detail.campaign_ids) == 1 else "Campaigns", campaigns),
    )
    yield title("What it sends")
    yield _families(detail)
    if detail.timeline:
        yield title("When, over the whole log")
        yield timelines([("requests", detail.timeline)])
    yield title("Prompts, over its time")
    yield from examples(
        [(_caption(p.timestamp, p.n_requests, p.rank), p.system_prompt, p.prompt) for p in detail.prompts],
        length=EXAMPLE_CHARACTERS,
    )


def _verdict(detail: AccountDetail) -> str:
    if detail.score is None:
        return "In no flagged family: nothing is said against it."
    of_pool = "Likely one of a campaign's pool" if detail.score >= POOL_LEVEL else "Likely a stray"
    return f"{of_pool} (probability of being of it {detail.score:.2f})."


def _flagged(detail: AccountDetail) -> str | None:
    if not detail.n_flagged:
        return None
    share = detail.n_flagged / detail.n_requests
    return f"{counted(detail.n_flagged, 'request')} in flagged families, {share:.0%} of its traffic"


def _families(detail: AccountDetail) -> Table:
    made = with_headline(("#", "right"), ("", "left"), ("Requests", "right"), ("Share", "right"))
    for entry in detail.families[:N_FAMILIES]:
        row = entry.row
        name = "of no family"
        if row is not None:
            texts = (None if row[key] is None else str(row[key]) for key in ("template", "medoid_prompt"))
            name = in_a_line(headline(*texts))
        made.add_row(
            "\u2013" if row is None else str(row["rank"]),
            "flagged" if row is not None and row["flagged"] else "",
            format_count(entry.n_requests),
            f"{entry.share:.0%}",
            quoted(name, length=300),
        )
    if len(detail.families) > N_FAMILIES:
        made.caption = f"and {len(detail.families) - N_FAMILIES} more; all with --json"
    return made


def _caption(moment: object, n_requests: int, rank: int | None) -> str:
    family = "of no family" if rank is None else f"family {rank}"
    return f"{format_time(moment)} UTC, {family}, sent {format_count(n_requests)} \u00d7"
