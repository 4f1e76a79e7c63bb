"""One family in the terminal: what the report's section of it says, for a screen of any width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from clustering.report.contents import FamilyDetail, SlotFillers, family_details
from clustering.report.formats import counted_fillers
from clustering.report.signals import format_count, format_figure, format_p
from clustering.templates import N_FILLED
from scripts.terminal import quoted, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from clustering.report.contents import RunTables

SPARKS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
EXAMPLE_CHARACTERS = 1_200
FILLER_CHARACTERS = 200
N_EXAMPLES, N_FILLERS = 5, 8  # shown where no limit is given


def family_json(run: RunTables, family_id: str, *, limit: int | None) -> dict[str, object]:
    """The family's row of FAMILIES with its slots, examples and activity.

    At most `limit` examples and fillers of a slot; a few where it is None. ``n_prompts_read`` is the number
    of prompts that the slots' fillers are read from.
    """
    detail = _detail(run, family_id, limit)
    n_prompts = detail.row["n_prompts"]
    return {
        **detail.row,
        "n_prompts_read": min(n_prompts, N_FILLED) if isinstance(n_prompts, int) else None,
        "slots": [asdict(slot) for slot in detail.slots],
        "examples": [asdict(example) for example in detail.examples],
        "activity": asdict(detail.activity),
    }


def family_lines(run: RunTables, family_id: str, *, limit: int | None) -> Iterator[RenderableType]:
    """Everything to print of a family, in order; `limit` as for `family_json`."""
    detail = _detail(run, family_id, limit)
    yield from _head(detail)
    yield from _reasons(detail)
    yield _title("Template")
    yield _template(detail)
    yield _title("Signals")
    yield _signals(detail)
    for slot in detail.slots:
        yield _slot(slot, detail.row["n_prompts"])
    yield from _activity(detail)
    yield from _examples(detail)


def _detail(run: RunTables, family_id: str, limit: int | None) -> FamilyDetail:
    n_examples, n_fillers = (N_EXAMPLES, N_FILLERS) if limit is None else (limit, limit)
    return family_details(run, [family_id], n_examples=n_examples, n_fillers=n_fillers)[0]


def _title(name: str) -> Text:
    from rich.text import Text

    return Text(f"\n{name}", style="bold")


def _head(detail: FamilyDetail) -> Iterator[Text]:
    from rich.text import Text

    row = detail.row
    head = Text.assemble((f"Family {row['rank']}", "bold"), "  ")
    head.append("flagged" if row["flagged"] else "not flagged", style="bold red" if row["flagged"] else "dim")
    yield head.append("  ").append_text(quoted(str(row["family_id"])))
    yield Text(
        f"{format_count(row['n_requests'])} requests, {format_count(row['n_prompts'])} distinct prompts, "
        f"{format_count(row['n_accounts'])} accounts, {format_count(row['n_principals'])} principals"
    )
    yield Text(
        f"score {format_figure(row['score'])}, p {format_p(row['p_value'])}, q {format_p(row['q_value'])}, "
        f"found in the {row['view']} view"
    )


def _reasons(detail: FamilyDetail) -> Iterator[RenderableType]:
    reasons, benign = detail.row["reasons"], detail.row["benign_explanation"]
    if isinstance(reasons, list) and reasons:
        yield _title("Why it stands here")
        from rich.table import Table

        listed = Table.grid(padding=(0, 1))
        for reason in reasons:
            listed.add_row("\u2022", _folding(str(reason)))
        yield listed
    if benign:
        yield _title("Best benign explanation")
        yield _folding(str(benign))


def _folding(text: str) -> Text:
    shown = quoted(text)
    shown.overflow = "fold"
    return shown


def _template(detail: FamilyDetail) -> Text:
    """The template with its slots set off; brackets keep them apart where there is no colour."""
    from rich.text import Text

    shown = Text(overflow="fold")
    for part in detail.template:
        if part.is_slot:
            shown.append(f"[{part.text}]", style="bold yellow")
        else:
            shown.append_text(quoted(part.text, length=2 * EXAMPLE_CHARACTERS, flat=False))
    return shown if detail.template else Text("Its prompts share no wording.", style="dim")


def _signals(detail: FamilyDetail) -> Table:
    made = table(("Signal", "left"), ("Effect", "right"), ("p", "right"), ("Meaning of the effect", "left"))
    for signal in detail.signals:
        made.add_row(signal.name, signal.effect, signal.p_value, signal.meaning)
    return made


def _slot(slot: SlotFillers, n_prompts: object) -> Table:
    made = table(
        (f"[{slot.name}]: {counted_fillers(slot.n_fillers, n_prompts)}", "left"),
        ("Requests", "right"),
        ("Accounts", "right"),
    )
    for filler, n_requests, n_accounts in slot.fillers:
        made.add_row(
            quoted(filler, length=FILLER_CHARACTERS), format_count(n_requests), format_count(n_accounts)
        )
    return made


def _activity(detail: FamilyDetail) -> Iterator[RenderableType]:
    from rich.text import Text

    row, activity = detail.row, detail.activity
    if activity.timeline:
        peak = max(activity.timeline)
        marks = (SPARKS[(n * (len(SPARKS) - 1) + peak - 1) // peak] if n else " " for n in activity.timeline)
        yield _title("When")
        yield Text("".join(marks), no_wrap=True, overflow="crop")
        yield Text(
            f"first {row['first_seen']:%Y-%m-%d %H:%M}, last {row['last_seen']:%Y-%m-%d %H:%M} UTC",
            style="dim",
        )
    if activity.busiest:
        yield _title("Accounts")
        loads = [f"{account} {format_count(n)}" for account, n in activity.busiest]
        yield _folding(
            f"{format_figure(activity.median_load)} requests each in the median; "
            f"the busiest: {', '.join(loads)}"
        )


def _examples(detail: FamilyDetail) -> Iterator[Text]:
    from rich.text import Text

    if detail.examples:
        yield _title("Examples")
    for example in detail.examples:
        kind = ", the most typical" if example.is_medoid else ""
        yield Text(f"sent {format_count(example.n_requests)} \u00d7{kind}", style="dim")
        if example.system_prompt:
            yield quoted("system: " + example.system_prompt, length=EXAMPLE_CHARACTERS, flat=False)
        yield quoted(example.prompt, length=EXAMPLE_CHARACTERS, flat=False).append("\n")
