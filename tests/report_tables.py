"""Hand-made tables of a small run: one calm family, one hostile one, noise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from clustering.campaign_tables import accounts_table, campaigns_table
from clustering.tables import ACCOUNTS, ASSIGNMENTS, CAMPAIGNS, FAMILIES, MAP, PROMPTS, SLOTS

CALM, HOSTILE = "aa00" + "0" * 12, "aa11" + "0" * 12
TRAP = "http://trap.invalid/"  # asked for by a page that fails to escape

HOSTILE_PROMPTS = (
    "<script>document.title='ran'</script>",
    f"<img src={TRAP}a onerror=\"document.title='ran'\">",
    f"</script><script>document.title='ran'</script><link rel=stylesheet href={TRAP}b>",
    f"</style></pre></template></textarea><iframe src={TRAP}c></iframe><!--<script>",
    "\" onmouseover='document.title=`ran`' x=\"",
    "\x1b[2J\x1b[31mred\x1b[0m\x1b]8;;http://trap.invalid/\x07link\x1b]8;;\x07",
    "\x9b31mC1\x00null\x08\x7f",
    "[bold red]markup[/bold red] [link=http://trap.invalid]x[/link] :bomb: [/]",
    "\u202egnp.exe\u202c \u2066isolate\u2069",
    "zero\u200bwidth\u2060\ufeff\u00ad and tags \U000e0041\U000e0042",
    "{{7*7}} {% raw %} {slot_9} ${7*7} #{7*7}",
    "&lt;b&gt; &amp; &#60;",
    "line\r\nend\rcarriage\u2028separator\x0btab\tdone",
    "@prompt @{prompt}{safe} $index",
)


@dataclass(frozen=True)
class Tables:
    """The tables of a run, as the report asks for them."""

    families: pl.DataFrame
    campaigns: pl.DataFrame
    accounts: pl.DataFrame
    assignments: pl.DataFrame
    prompts: pl.DataFrame
    slots: pl.DataFrame
    map: pl.DataFrame
    manifest: dict[str, object]

    def lazy(self, name: str) -> pl.LazyFrame:
        """A table, to be read by parts."""
        return getattr(self, name).lazy()  # type: ignore[no-any-return]


def small_run() -> Tables:
    """Two families and three prompts of none."""
    calm = [f"Grade answer {n} against the rubric." for n in range(12)]
    prompts = pl.concat(
        [
            _prompts(calm, CALM, "c"),
            _prompts(list(HOSTILE_PROMPTS), HOSTILE, "h"),
            _prompts(["hello", "what is the time", "thanks"], None, "n"),
        ]
    )
    slots = [(CALM, "slot_1", str(n), 2, 1) for n in range(12)]
    slots += [(HOSTILE, "slot_1", text, 1, 1) for text in HOSTILE_PROMPTS]
    families = pl.DataFrame([_calm_family(), _hostile_family()], schema=FAMILIES)
    assignments = _assignments(prompts)
    loads = assignments.group_by("account_id").agg(n_all=pl.len())
    scores = assignments.select("account_id", score=pl.lit(0.75)).unique("account_id")
    return Tables(
        families=families,
        campaigns=campaigns_table(families, assignments),
        accounts=accounts_table(families, assignments, loads, scores),
        assignments=assignments,
        prompts=prompts,
        slots=pl.DataFrame(slots, schema=SLOTS, orient="row"),
        map=_map(prompts),
        manifest={
            "created": "2026-05-01T10:00:00+00:00",
            "seconds": 12.5,
            "settings": {"encoder": "static", "seed": 0, "columns": [["prompt", HOSTILE_PROMPTS[0]]]},
            "stages": [{"name": HOSTILE_PROMPTS[1], "seconds": 1.0}],
        },
    )


def empty_run() -> Tables:
    """A run that found nothing in an empty log."""
    return Tables(
        families=FAMILIES.to_frame(),
        campaigns=CAMPAIGNS.to_frame(),
        accounts=ACCOUNTS.to_frame(),
        assignments=ASSIGNMENTS.to_frame(),
        prompts=PROMPTS.to_frame(),
        slots=SLOTS.to_frame(),
        map=MAP.to_frame(),
        manifest={},
    )


def _prompts(texts: list[str], family_id: str | None, prefix: str) -> pl.DataFrame:
    n = len(texts)
    return pl.DataFrame(
        {
            "prompt_id": [f"{prefix}{place:031x}" for place in range(n)],
            "system_prompt": [None] * (n - 1) + [texts[0]],
            "prompt": texts,
            "skeleton": [""] * n,
            "n_requests": [2] * n,
            "n_variants": [1] * n,
            "family_id": [family_id] * n,
            "strength": [1.0] * n,
            "view": ["whole"] * n,
        },
        schema=PROMPTS,
    )


def _calm_family() -> dict[str, object]:
    return {
        "family_id": CALM,
        "rank": 2,
        "score": 0.3,
        "p_value": 0.5,
        "q_value": 0.5,
        "flagged": False,
        "view": "skeleton",
        "n_requests": 24,
        "n_prompts": 12,
        "n_accounts": 4,
        "n_principals": 3,
        "first_seen": datetime(2026, 5, 1, tzinfo=UTC),
        "last_seen": datetime(2026, 5, 2, tzinfo=UTC),
        "template": "Grade answer {slot_1} against the {{rubric}}.",
        "medoid_prompt": "Grade answer 3 against the rubric.",
        "benign_explanation": "A class: everyone sends the same exercise.",
        "reasons": ["Three principals send it."],
        "principals": 3.0,
        "principals_p": 0.04,
        "devotion": None,
        "devotion_p": None,
        "aspect_loads": -0.8,
        "load_dispersion": 7.25,
        "load_dispersion_p": 0.8,
        "aspect_hours": 0.5,
        "hour_flatness": 0.25,
        "hour_flatness_p": 0.3,
    }


def _hostile_family() -> dict[str, object]:
    nasty = "".join(HOSTILE_PROMPTS)
    return _calm_family() | {
        "family_id": HOSTILE,
        "rank": 1,
        "score": 20.0,
        "p_value": 1e-20,
        "q_value": 2e-20,
        "flagged": True,
        "template": nasty.replace("{", "{{").replace("}", "}}") + " {slot_1}",
        "medoid_prompt": HOSTILE_PROMPTS[0],
        "benign_explanation": nasty,
        "reasons": [nasty],
        "aspect_devotion": 3.0,
        "devotion": 0.97,
        "devotion_p": 1e-9,
        "pattern_match": 0.75,
        "pattern_hostile": True,
        "coverage_depth": 0.25,
        "coverage_full_size": 56.0,
        "coverage_efficiency": 0.9,
        "coverage_breadth": 3.2,
        "pattern": nasty,
        "pattern_summary": nasty,
        "capability": nasty,
        "campaign_id": nasty,
    }


def _assignments(prompts: pl.DataFrame) -> pl.DataFrame:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    rows = []
    for place, row in enumerate(prompts.iter_rows(named=True)):
        for turn in range(row["n_requests"]):
            account = HOSTILE_PROMPTS[place % 3] if row["family_id"] == HOSTILE else f"account-{place % 4}"
            moment = start + timedelta(minutes=29 * place + turn)
            rows.append(
                (f"r{place}-{turn}", account, moment, row["prompt_id"], row["family_id"], 1.0, row["view"])
            )
    return pl.DataFrame(rows, schema=ASSIGNMENTS, orient="row")


def _map(prompts: pl.DataFrame) -> pl.DataFrame:
    n = prompts.height
    return prompts.select(
        "prompt_id",
        pl.Series("x", [float(place % 7) for place in range(n)], dtype=pl.Float32),
        pl.Series("y", [float(place // 7) for place in range(n)], dtype=pl.Float32),
        "family_id",
        "prompt",
        "n_requests",
        pl.Series("neighbours", [[]] * n, dtype=pl.List(pl.String)),
    )
