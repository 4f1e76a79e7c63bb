"""One campaign in the terminal: its families, its accounts, what it asks for, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from clustering.report.campaign_contents import CampaignDetail, campaign_details
from clustering.report.formats import counted, format_shares, format_time
from clustering.report.signals import format_count
from clustering.template_text import headline, in_a_line
from scripts.parts import account_name, days, facts, period, prose, timelines, title, with_headline
from scripts.terminal import quoted, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from clustering.report.contents import RunTables

N_ACCOUNTS = 10  # shown where no limit is given
HEADLINE_CHARACTERS = 300


def campaign_json(run: RunTables, campaign_id: str, *, limit: int | None) -> dict[str, object]:
    """The campaign's row of CAMPAIGNS with its families, at most `limit` accounts, and its activity."""
    detail = _detail(run, campaign_id, limit)
    return {**detail.row, **{name: part for name, part in asdict(detail).items() if name != "row"}}


def campaign_lines(run: RunTables, campaign_id: str, *, limit: int | None) -> Iterator[RenderableType]:
    """Everything to print of a campaign, in order."""
    from rich.text import Text

    detail = _detail(run, campaign_id, limit)
    row = detail.row
    yield Text.assemble((f"Campaign {row['rank']}", "bold"), "  ").append_text(quoted(campaign_id))
    yield prose(detail.sentence, style="bold")
    yield Text("")
    yield facts(
        ("Sent", f"{_sizes(row)}; {period(row['first_seen'], row['last_seen'])}".rstrip("; ")),
        ("Pool", _pool(detail)),
        ("Asks for", format_shares(detail.capabilities)),
        ("Patterns", format_shares(detail.patterns)),
        ("Accounts", detail.hand_over),
    )
    yield title("Families")
    yield _families(detail)
    if detail.activity.timeline:
        yield title("When, over the whole log")
        yield timelines(
            [
                ("requests", detail.activity.timeline),
                ("accounts that begin", detail.arrivals),
                ("accounts that end", detail.departures),
            ]
        )
    yield title("Accounts: how likely each is of the pool, and the share of its traffic")
    yield _accounts(detail)


def _detail(run: RunTables, campaign_id: str, limit: int | None) -> CampaignDetail:
    return campaign_details(run, [campaign_id], n_accounts=limit or N_ACCOUNTS)[0]


def _sizes(row: Mapping[str, object]) -> str:
    return f"{counted(row['n_requests'], 'request')}, {counted(row['n_accounts'], 'account')}"


def _pool(detail: CampaignDetail) -> str | None:
    n_all, n_pool = detail.row["n_accounts"], detail.activity.n_pool
    if not isinstance(n_all, int) or n_pool == n_all:
        return None
    return f"{counted(n_pool, 'account')}; the other {format_count(n_all - n_pool)} more likely strayed in"


def _families(detail: CampaignDetail) -> Table:
    made = with_headline(
        ("#", "right"),
        ("Requests", "right"),
        ("Accounts", "right"),
        ("Seen", "right"),
        ("Pattern", "left"),
    )
    for row in detail.families:
        name = in_a_line(headline(_text(row["template"]), _text(row["medoid_prompt"])))
        made.add_row(
            str(row["rank"]),
            format_count(row["n_requests"]),
            format_count(row["n_accounts"]),
            days(row["first_seen"], row["last_seen"]),
            quoted(str(row["pattern"] or "\u2013"), length=20),
            quoted(name, length=HEADLINE_CHARACTERS),
        )
    return made


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _accounts(detail: CampaignDetail) -> Table:
    made = table(
        ("Account", "left"),
        ("Pool", "right"),
        ("Requests", "right"),
        ("Share", "right"),
        ("First", "right"),
        ("Last", "right"),
    )
    for account in detail.accounts:
        made.add_row(
            account_name(account.account_id),
            "\u2013" if account.score is None else f"{account.score:.2f}",
            format_count(account.n_requests),
            "\u2013" if account.share is None else f"{account.share:.0%}",
            format_time(account.first_seen, "%m-%d %H:%M"),
            format_time(account.last_seen, "%m-%d %H:%M"),
        )
    return made
