"""One family in the terminal, for a person with a minute: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from clustering.report.contents import FamilyDetail, SlotFillers, family_details
from clustering.report.descriptions import (
    coverage_sentence,
    figures_sentence,
    found_by,
    pattern_sentence,
    reference_sentence,
    sizes,
)
from clustering.report.formats import counted, counted_fillers
from clustering.report.signals import format_count, format_figure
from clustering.templates import N_FILLED
from scripts.parts import (
    account_name,
    aspect_table,
    examples,
    facts,
    listed,
    period,
    prose,
    template_text,
    timelines,
    title,
)
from scripts.terminal import quoted, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from clustering.report.contents import RunTables

EXAMPLE_CHARACTERS = 1_200
FILLER_CHARACTERS = 200
N_EXAMPLES, N_FILLERS, N_ACCOUNTS = 3, 5, 5  # shown where no limit is given
N_COMPANIONS = 12  # ranks of a campaign's other families that are listed


def family_json(run: RunTables, family_id: str, *, limit: int | None) -> dict[str, object]:
    """The family's row of FAMILIES with what is concluded from it, its slots, examples and activity.

    At most `limit` examples, accounts and fillers of a slot; a few where it is None. ``n_prompts_read`` is
    the number of prompts that the slots' fillers are read from.
    """
    detail = _detail(run, family_id, limit)
    n_prompts = detail.row["n_prompts"]
    return {
        **detail.row,
        "verdict": asdict(detail.verdict),
        "aspects": [asdict(aspect) for aspect in detail.aspects],
        "other_reasons": detail.reasons,
        "campaign": detail.campaign,
        "n_prompts_read": min(n_prompts, N_FILLED) if isinstance(n_prompts, int) else None,
        "slots": [asdict(slot) for slot in detail.slots],
        "examples": [asdict(example) for example in detail.examples],
        "activity": asdict(detail.activity),
    }


def family_lines(
    run: RunTables, family_id: str, *, limit: int | None, signals: bool = False
) -> Iterator[RenderableType]:
    """Everything to print of a family, in order; `limit` as for `family_json`, `signals` one by one."""
    from rich.text import Text

    detail = _detail(run, family_id, limit)
    yield from _head(detail)
    yield title("Template")
    yield template_text(detail.template, length=2 * EXAMPLE_CHARACTERS)
    yield from _evidence(detail)
    yield from _slots(detail)
    yield from _activity(detail)
    if detail.examples:
        yield title("Examples")
    yield from examples(
        [
            (
                f"sent {format_count(e.n_requests)} \u00d7{', the most typical' if e.is_medoid else ''}",
                e.system_prompt,
                e.prompt,
            )
            for e in detail.examples
        ],
        length=EXAMPLE_CHARACTERS,
    )
    if signals:
        yield title("All signals")
        yield _signals(detail)
    else:
        yield Text(
            "More: --signals; --limit; --json; or show its campaign or an account by its id.", style="dim"
        )


def _detail(run: RunTables, family_id: str, limit: int | None) -> FamilyDetail:
    sizes = {"n_examples": N_EXAMPLES, "n_fillers": N_FILLERS, "n_accounts": N_ACCOUNTS}
    return family_details(run, [family_id], **(dict.fromkeys(sizes, limit) if limit else sizes))[0]


def _head(detail: FamilyDetail) -> Iterator[RenderableType]:
    from rich.text import Text

    row = detail.row
    head = Text.assemble((f"Family {row['rank']}", "bold"), "  ")
    head.append("flagged" if row["flagged"] else "not flagged", style="bold red" if row["flagged"] else "dim")
    yield head.append("  ").append_text(quoted(str(row["family_id"])))
    yield prose(detail.verdict.sentence, style="bold")
    yield Text("")
    yield facts(
        ("Benign", detail.verdict.benign),
        ("To flag it", detail.verdict.remedy),
        ("Sent", f"{sizes(row)}; {period(row['first_seen'], row['last_seen'])}".rstrip("; ")),
        ("Pattern", pattern_sentence(row)),
        ("Asks for", str(row["capability"]) if row["capability"] else None),
        ("Covers", coverage_sentence(row)),
        ("Campaign", _campaign(detail)),
        ("Found by", found_by(row)),
        ("Compared", reference_sentence(row)),
        ("Figures", figures_sentence(row)),
    )


def _campaign(detail: FamilyDetail) -> str | None:
    campaign, ranks = detail.campaign, detail.companions
    if campaign is None:
        return None
    others = f"with {'family' if len(ranks) == 1 else 'families'} " if ranks else "this family alone"
    others += ", ".join(map(str, ranks[:N_COMPANIONS])) + (", \u2026" if len(ranks) > N_COMPANIONS else "")
    n_requests, n_accounts = campaign["n_requests"], campaign["n_accounts"]
    return (
        f"{campaign['campaign_id']}: {others}; "
        f"{counted(n_requests, 'request')}, {counted(n_accounts, 'account')}"
    )


def _evidence(detail: FamilyDetail) -> Iterator[RenderableType]:
    if detail.measured:
        n_pooled = detail.row["n_pooled"]
        sides = f"{_words(len(detail.aspects))} sides from which one hand would show"
        if isinstance(n_pooled, int) and n_pooled:
            sides += f", with the {n_pooled + 1} families of its accounts taken together"
        yield title(sides)
        yield aspect_table(detail.aspects)
    if detail.reasons:
        yield title("Beside that" if detail.measured else "Why it stands here")
        yield listed(detail.reasons)


def _words(n: int) -> str:
    return {6: "Six", 7: "Seven", 8: "Eight"}.get(n, str(n))


def _slots(detail: FamilyDetail) -> Iterator[RenderableType]:
    if not detail.template:
        return  # the one slot is the whole prompt
    if detail.slots:
        yield title("What fills the slots")
    for slot in detail.slots:
        yield _slot(slot, detail.row["n_prompts"])


def _slot(slot: SlotFillers, n_prompts: object) -> Table:
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right"):
        made.add_column(justify=justify, no_wrap=justify == "right")
    head = f"[{slot.name}]: {counted_fillers(slot.n_fillers, n_prompts)}"
    made.add_row(Text(head, style="yellow"), Text("requests", style="dim"), Text("accounts", style="dim"))
    for filler, n_requests, n_accounts in slot.fillers:
        shown = quoted(filler, length=FILLER_CHARACTERS)
        made.add_row(shown, format_count(n_requests), format_count(n_accounts))
    return made


def _activity(detail: FamilyDetail) -> Iterator[RenderableType]:
    activity = detail.activity
    if activity.timeline:
        yield title("When, over the whole log")
        yield timelines([("requests", activity.timeline)])
    if activity.busiest:
        yield title("Accounts")
        pool = ""
        if detail.row["flagged"]:
            pool = f"; {format_count(activity.n_pool)} are more likely of the campaign's pool than not"
        load = counted(activity.median_load, "request", figure=format_figure)
        yield prose(f"{load} each in the median{pool}; the busiest:")
        yield _senders(detail)


def _senders(detail: FamilyDetail) -> Table:
    scored = any(sender.score is not None for sender in detail.activity.busiest)
    made = table(("Account", "left"), ("Requests", "right"), *[("Pool", "right")] * scored)
    for sender in detail.activity.busiest:
        score = "\u2013" if sender.score is None else f"{sender.score:.2f}"
        made.add_row(account_name(sender.account_id), format_count(sender.n_requests), *[score] * scored)
    return made


def _signals(detail: FamilyDetail) -> Table:
    made = table(("Signal", "left"), ("Effect", "right"), ("p", "right"), ("Meaning of the effect", "left"))
    for signal in detail.signals:
        made.add_row(signal.name, signal.effect, signal.p_value, signal.meaning)
    return made
