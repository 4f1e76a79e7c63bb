"""The report page: tables in, one self-contained HTML file out.

Contract: the page asks the network for nothing and runs no script but the two it carries, which its
Content-Security-Policy names by their SHA-256; every value of the tables is escaped by Jinja2, after
hidden characters were made visible. The same tables give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clustering.report.campaign_contents import campaign_details
from clustering.report.contents import RunTables, family_details
from clustering.report.formats import filters, headline_parts
from clustering.report.head import page_head
from clustering.report.map_plot import map_plot

if TYPE_CHECKING:
    import polars as pl
    from jinja2 import Environment

HERE = Path(__file__).parent
# Column title, and whether its cells start at the left.
QUEUE_COLUMNS = (
    ("Rank", False),
    ("Flag", True),
    ("Template", True),
    ("Score", False),
    ("q", False),
    ("Requests", False),
    ("Accounts", False),
    ("Pattern", True),
    ("Asks for", True),
    ("Campaign", True),
    ("Seen", False),
)


@dataclass(frozen=True)
class ReportSettings:
    """How much the report shows.

    Parameters
    ----------
    n_detailed
        Families with a section of their own, first ranks first; all are in the queue.
    n_campaigns
        Campaigns with a section of their own.
    n_coloured
        Families with a colour of their own on the map, at most 21.
    n_examples, n_fillers, n_accounts
        Prompts per family, fillers per slot, accounts per campaign.
    fold_characters, max_characters
        A prompt longer than the first is folded, longer than the second is cut; the page says so.
    """

    title: str = "Prompt families"
    n_detailed: int = 200
    n_campaigns: int = 100
    n_coloured: int = 21
    n_examples: int = 5
    n_fillers: int = 8
    n_accounts: int = 20
    fold_characters: int = 700
    max_characters: int = 4_000


def write_report(tables: RunTables, path: Path | str, *, settings: ReportSettings | None = None) -> Path:
    """Write the report of a run; the file appears whole or not at all.

    Parameters
    ----------
    tables
        A run, or any object with its tables and manifest.
    path
        The HTML file; replaced when it is there.

    Returns
    -------
    The path written.
    """
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    partial.write_text(render(tables, settings=settings), encoding="utf-8", newline="\n")
    partial.replace(target)
    return target


def render(tables: RunTables, *, settings: ReportSettings | None = None) -> str:
    """The report's HTML."""
    from markupsafe import Markup

    settings = settings or ReportSettings()
    families = tables.families.sort("rank")
    detailed = families.head(settings.n_detailed)
    details = family_details(
        tables, detailed["family_id"].to_list(), n_examples=settings.n_examples, n_fillers=settings.n_fillers
    )
    campaigns = tables.campaigns.sort("rank").head(settings.n_campaigns)
    plot = map_plot(tables.map, families, n_coloured=settings.n_coloured, n_characters=180)
    scripts = page_scripts(with_map=plot is not None)
    page = _environment(settings).get_template("page.html")
    return page.render(
        settings=settings,
        head=page_head(tables),
        columns=QUEUE_COLUMNS,
        rows=_queue_rows(families),
        detailed=set(detailed["rank"].to_list()),
        details=details,
        campaigns=campaign_details(
            tables, campaigns["campaign_id"].to_list(), n_accounts=settings.n_accounts
        ),
        campaign_ranks=dict(campaigns.select("campaign_id", "rank").iter_rows()),
        n_campaigns=tables.campaigns.height,
        plot=plot,
        policy=content_policy(scripts),
        # The only strings that are not escaped: files of this package and of Bokeh, and JSON without any
        # "<".
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        plot_json=Markup(plot.json) if plot else None,
    )


def _queue_rows(families: pl.DataFrame) -> list[dict[str, object]]:
    """Rows of FAMILIES with the parts of their headline, cut to what the queue shows."""
    return [row | {"parts": headline_parts(row)} for row in families.iter_rows(named=True)]


def page_scripts(*, with_map: bool) -> list[str]:
    """The scripts the page carries: BokehJS where there is a map, and our own."""
    own = (HERE / "page.js").read_text(encoding="utf-8")
    if not with_map:
        return [own]
    from bokeh.resources import Resources

    inline = Resources(mode="inline", minified=True, components=["bokeh"], log_level="error")
    return ["\n".join(inline.js_raw), own]


def content_policy(scripts: list[str]) -> str:
    """A Content-Security-Policy under which only the given inline scripts run and nothing is fetched.

    Styles stay open to inline ones, because BokehJS adds its own as it draws.
    """
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment(settings: ReportSettings) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters.update(filters(max_characters=settings.max_characters))
    return environment
