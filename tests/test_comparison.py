"""What changed between two runs: planted changes are found, and exchanging the runs mirrors the answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vectors import HashEncoder

from clustering import Comparison, Run, RunError, RunSettings, compare_runs, load_run, run
from clustering.descent import N_SAMPLED
from clustering.simulation import CAMPAIGNS, SimulationSettings, simulate
from clustering.tables import ACCOUNTS, FAMILIES, PROMPTS
from clustering.tables import CAMPAIGNS as CAMPAIGN_COLUMNS

MIRRORED = {"came": "went", "split": "merged", "grew": "shrank", "same": "same"}
MIRRORED |= {there: here for here, there in MIRRORED.items()}
LEFT_OUT, ADDED, LASTING = "rubric", "grid", ("operators", "roles")


@dataclass(frozen=True)
class Planted:
    """Runs of two halves of a log: one campaign is in the old one alone, another in the new one alone."""

    old: Run
    new: Run
    true_family: dict[str, str]  # of each request of a campaign


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    plans = tuple(CAMPAIGNS[name] for name in (LEFT_OUT, ADDED, *LASTING))
    made = simulate(SimulationSettings(2_600, campaigns=plans, campaign_share=0.5), seed=3)
    rows = made.requests.join(made.truth, on="request_id", maintain_order="left")
    rows = rows.sample(fraction=1, shuffle=True, seed=1).with_row_index("place")
    is_old = pl.col("place") % 2 == 0
    group = pl.col("group").fill_null("")
    halves = {
        "old": rows.filter(is_old & (group != ADDED)),
        "new": rows.filter(~is_old & (group != LEFT_OUT)),
    }
    runs = {}
    for name, half in halves.items():
        half.select(made.requests.columns).write_parquet(folder / f"{name}.parquet")
        runs[name] = run(folder / f"{name}.parquet", folder / f"run-{name}")
    true = rows.filter(pl.col("kind") == "campaign").select("request_id", "family")
    return Planted(runs["old"], runs["new"], dict(true.iter_rows()))


def true_families(planted: Planted, done: Run) -> dict[str, str]:
    """The true family of most requests of each found family that is a campaign's."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for request, family in done.assignments.drop_nulls("family_id").select("request_id", "family_id").rows():
        counts[family][planted.true_family.get(request, "")] += 1
    best = {family: count.most_common(1)[0][0] for family, count in counts.items()}
    return {family: true for family, true in best.items() if true}


@pytest.fixture(scope="module")
def made(planted: Planted) -> Comparison:
    return compare_runs(planted.old, planted.new)


def mirror(made: Comparison) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    """Families and campaigns as they are told when the runs are exchanged."""
    families = made.families.select(
        pl.col("status").replace(MIRRORED), "new_family_id", "old_family_id", "changed"
    )
    campaigns = made.campaigns.select(pl.col("status").replace(MIRRORED), "campaign_id", "n_known_accounts")
    return set(families.rows()), set(campaigns.rows())


def as_told(made: Comparison) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    families = made.families.select("status", "old_family_id", "new_family_id", "changed")
    return set(families.rows()), set(
        made.campaigns.select("status", "campaign_id", "n_known_accounts").rows()
    )


def test_a_campaign_that_is_left_out_went_and_an_added_one_came(planted: Planted, made: Comparison) -> None:
    for done, side, group, status in (
        (planted.old, "old", LEFT_OUT, "went"),
        (planted.new, "new", ADDED, "came"),
    ):
        theirs = [f for f, true in true_families(planted, done).items() if true.startswith(f"{group}/")]
        rows = made.families.filter(pl.col(f"{side}_family_id").is_in(theirs))
        assert rows.height == len(theirs) >= 1
        assert set(rows["status"]) == {status}
        other = "new" if side == "old" else "old"
        assert rows[f"{other}_family_id"].is_null().all()
        assert rows[f"{other}_n_requests"].is_null().all()


def test_a_campaign_in_both_logs_is_the_same_in_both(planted: Planted, made: Comparison) -> None:
    """No prompt of it need be in both halves: its templates are recognised."""
    old, new = true_families(planted, planted.old), true_families(planted, planted.new)
    lasting = [true for true in set(old.values()) & set(new.values()) if true.split("/")[0] in LASTING]
    assert len(lasting) >= 3
    rows = made.families.filter(
        pl.col("old_family_id").is_in(list(old)), pl.col("new_family_id").is_not_null()
    )
    pairs = rows.select("old_family_id", "new_family_id", "status").rows()
    assert {old[a] for a, _, _ in pairs} == set(lasting)
    assert all(old[a] == new[b] for a, b, _ in pairs)
    assert Counter(status for _, _, status in pairs)["same"] >= len(lasting)


def test_the_two_logs_share_few_prompts_of_what_lasts(planted: Planted, made: Comparison) -> None:
    """Else the test above would not see ``assign`` at work."""
    old, new = (set(done.prompts.drop_nulls("family_id")["prompt_id"]) for done in (planted.old, planted.new))
    assert len(old & new) < 0.2 * len(old)
    assert made.families.filter(pl.col("status") == "same").height >= 3


def test_exchanging_the_runs_mirrors_the_answer(planted: Planted, made: Comparison) -> None:
    back = compare_runs(planted.new, planted.old)
    assert as_told(back) == mirror(made)
    there = made.differences.select("section", "key", old="new", new="old")
    assert back.differences.sort("section", "key").equals(there.sort("section", "key"))


def test_every_family_of_either_run_has_its_row(planted: Planted, made: Comparison) -> None:
    check_rows(made, planted.old, planted.new)
    figures = made.families.select("new_family_id", *(f"new_{c}" for c in ("rank", "q_value", "n_accounts")))
    theirs = planted.new.families.select("family_id", "rank", "q_value", "n_accounts")
    joined = figures.join(theirs, left_on="new_family_id", right_on="family_id")
    assert joined.height
    assert (joined["new_rank"] == joined["rank"]).all()
    assert (joined["new_q_value"] == joined["q_value"]).all()
    assert (joined["new_n_accounts"] == joined["n_accounts"]).all()


def check_rows(made: Comparison, old: Run, new: Run) -> None:
    """What holds of every comparison."""
    rows = made.families
    assert set(rows["status"]) <= set(MIRRORED)
    once_new = rows.filter(~pl.col("status").is_in(["merged", "went"]))["new_family_id"]
    once_old = rows.filter(~pl.col("status").is_in(["split", "came"]))["old_family_id"]
    assert sorted(once_new) == sorted(new.families["family_id"])
    assert sorted(once_old) == sorted(old.families["family_id"])
    assert rows.filter(pl.col("status") == "came")["old_family_id"].is_null().all()
    assert rows.filter(pl.col("status") == "went")["new_family_id"].is_null().all()
    columns = ("old_flagged", "new_flagged", "new_rank", "old_rank")
    order = [
        (not (was or now), new_rank or 10**9, old_rank or 10**9)
        for was, now, new_rank, old_rank in rows.select(columns).rows()
    ]
    assert order == sorted(order)


def test_the_same_run_twice_differs_in_nothing(planted: Planted) -> None:
    made = compare_runs(planted.old, load_run(planted.old.path))
    assert made.families.height == planted.old.families.height >= 3
    assert (made.families["status"] == "same").all()
    assert (made.families["old_family_id"] == made.families["new_family_id"]).all()
    assert not made.families["changed"].any()
    assert made.campaigns.height == made.differences.height == 0


def test_prompts_of_a_run_come_back_to_their_families_by_assign_alone(planted: Planted) -> None:
    """All but the families that have no text in common, which ``assign`` does not know."""
    nameless = replace(planted.new)
    vars(nameless)["prompts"] = planted.new.prompts.with_columns(prompt_id=pl.lit("x") + pl.col("prompt_id"))
    known = ~pl.col("view").is_in(["pool", "shared"])
    rows = compare_runs(planted.new, nameless).families.join(
        planted.new.families.filter(known), left_on="old_family_id", right_on="family_id"
    )
    assert rows.height >= 3
    assert (rows["old_family_id"] == rows["new_family_id"]).all()
    assert (rows["status"] == "same").all()


def test_another_seed_and_smaller_families_of_the_same_log(planted: Planted, tmp_path: Path) -> None:
    log = planted.old.manifest["inputs"][0]["path"]
    other = run(log, tmp_path / "run", settings=RunSettings(seed=5, min_family=12, threads=1))
    vars(other)["_assigner"] = None  # all prompts are in both: none has to be placed
    made = compare_runs(planted.old, other)
    check_rows(made, planted.old, other)
    said = {(row["section"], row["key"]): (row["old"], row["new"]) for row in made.differences.to_dicts()}
    assert said == {
        ("settings", "seed"): ("0", "5"),
        ("settings", "min_family"): ("20", "12"),
        ("settings", "threads"): ("null", "1"),
    }
    assert (made.families["status"] == "same").sum() >= 0.8 * planted.old.families.height
    assert made.families.filter(pl.col("status").is_in(["came", "split"]))["new_n_requests"].min() < 20


@pytest.mark.slow
def test_runs_of_other_encoders_place_each_with_its_own(planted: Planted, tmp_path: Path) -> None:
    log = planted.new.manifest["inputs"][0]["path"]
    other = run(log, tmp_path / "run", encoder=HashEncoder())
    made = compare_runs(planted.old, other)
    versions = made.differences.filter(pl.col("section") == "versions")
    encoders = tuple(done.manifest["encoder_fingerprint"] for done in (planted.old, other))
    assert versions.rows() == [("versions", "encoder", *encoders)]
    old, new = true_families(planted, planted.old), true_families(planted, other)
    rows = made.families.filter(
        pl.col("old_family_id").is_in(list(old)), pl.col("new_family_id").is_not_null()
    )
    assert {old[a] for a in rows["old_family_id"]} & set(new.values())


def test_an_encoder_that_is_another_now_is_said(planted: Planted) -> None:
    strange = replace(planted.new)
    vars(strange)["manifest"] = {**planted.new.manifest, "encoder_fingerprint": "of yesterday"}
    with pytest.raises(ValueError, match=r"encoder of yesterday.*--force"):
        compare_runs(planted.old, strange)
    assert compare_runs(planted.new, strange).differences.height == 1  # nothing has to be placed


def test_a_table_that_cannot_be_read_is_named(planted: Planted, tmp_path: Path) -> None:
    (tmp_path / "prompts.parquet").write_bytes(b"no table")
    broken = replace(planted.new, path=tmp_path)
    vars(broken)["families"] = planted.new.families
    vars(broken)["manifest"] = planted.new.manifest
    with pytest.raises(RunError, match=r"prompts\.parquet: not readable .*--force"):
        compare_runs(planted.old, broken)


def hand_made(name: str, labels: list[str | None], weights: list[int], *, flagged: str = "") -> Run:
    """A run of prompts 0, 1, ... in these families, each sent as often as its weight says."""
    prompts = pl.DataFrame(
        {
            "prompt_id": [f"{i:03}" for i in range(len(labels))],
            "prompt": [f"prompt {i}" for i in range(len(labels))],
            "family_id": labels,
            "n_requests": weights,
            "view": "skeleton",
        },
        schema_overrides={"family_id": pl.String, "n_requests": pl.Int64},
    )
    sums = (
        prompts.drop_nulls("family_id")
        .group_by("family_id")
        .agg(pl.col("n_requests").sum(), n_prompts=pl.len())
    )
    sums = sums.sort("family_id").with_columns(
        rank=pl.int_range(1, pl.len() + 1), flagged=pl.col("family_id").is_in([flagged])
    )
    made = Run(Path(name))
    vars(made).update(
        prompts=filled(prompts, PROMPTS),
        families=filled(sums, FAMILIES),
        campaigns=CAMPAIGN_COLUMNS.to_frame(),
        accounts=ACCOUNTS.to_frame(),
        manifest={"counts": {"requests": sum(weights)}, "encoder_fingerprint": "e"},
    )
    return made


def filled(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """All columns of a table, null where the frame has none."""
    missing = [pl.lit(None).alias(name) for name in schema.names() if name not in frame.columns]
    return frame.with_columns(missing).select(schema.names()).cast(schema)


def told(made: Comparison) -> set[tuple[object, ...]]:
    return set(made.families.select("status", "old_family_id", "new_family_id").rows())


def test_statuses_of_hand_made_families() -> None:
    """Three prompts of four make b; c falls apart, and its greater part goes on; d and e become one."""
    old = hand_made("old", [*"aaaa", *"bbbb", *"cccc", *"dd", *"eeee", None], [10] * 19)
    new = hand_made("new", [*"AAAA", *"BBB", None, *"CCCX", *"EE", *"EEEE", None], [10] * 19)
    made = compare_runs(old, new)
    assert told(made) == {
        ("same", "a", "A"), ("same", "b", "B"), ("same", "c", "C"), ("split", "c", "X"),
        ("same", "e", "E"), ("merged", "d", "E"),
    }  # fmt: skip
    gone = compare_runs(old, hand_made("gone", [None] * 18 + ["N"], [10] * 19))
    assert Counter(gone.families["status"]) == {"went": 5, "came": 1}


def test_sizes_are_told_relative_to_the_logs() -> None:
    """The whole log is twice as large: twice as many requests are the same, four times are more."""
    old = hand_made("old", [*"abc", None], [20, 20, 20, 40])
    for sizes, statuses in (
        ((40, 40, 40, 80), ["same", "same", "same"]),
        ((80, 79, 20, 21), ["grew", "same", "shrank"]),
        ((20, 21, 79, 80), ["shrank", "same", "same"]),
    ):
        made = compare_runs(old, hand_made("new", [*"abc", None], list(sizes))).families
        assert made.sort("old_family_id")["status"].to_list() == statuses


def test_a_flag_alone_is_a_change() -> None:
    labels: list[str | None] = [*"aabb"]
    plain, flagged = hand_made("p", labels, [9] * 4), hand_made("f", labels, [9] * 4, flagged="b")
    made = compare_runs(plain, flagged).families
    assert made["old_family_id"].to_list() == ["b", "a"]  # flagged ones first
    assert made["changed"].to_list() == [True, False]
    assert made["status"].to_list() == ["same", "same"]


class Placing:
    """Stands for ``assign``: every prompt in family T, found by the view that it is told."""

    def __init__(self, view: str) -> None:
        self.view, self.n_asked = view, 0

    def assign(self, prompts: list[str], system_prompts: list[str | None]) -> pl.DataFrame:
        self.n_asked += len(prompts)
        return pl.DataFrame({"family_id": ["T"] * len(prompts), "view": [self.view] * len(prompts)})


@pytest.mark.parametrize(("view", "status"), [("skeleton", "split"), ("whole", "came")])
def test_a_template_descends_from_no_family_of_meaning(view: str, status: str) -> None:
    old, new = hand_made("old", ["T"] * 3, [9] * 3), hand_made("new", ["T"] * 3 + ["N"] * 50, [9] * 53)
    vars(old)["_assigner"] = placing = Placing(view)
    found = {(new_id, old_id, status) for status, old_id, new_id in told(compare_runs(old, new))}
    assert found == {("T", "T", "shrank"), ("N", "T" if status == "split" else None, status)}
    assert placing.n_asked == N_SAMPLED  # of fifty


def test_empty_runs() -> None:
    empty, full = hand_made("empty", [], []), hand_made("full", [*"aab"], [9] * 3)
    assert told(compare_runs(empty, full)) == {("came", None, "a"), ("came", None, "b")}
    assert told(compare_runs(full, empty)) == {("went", "a", None), ("went", "b", None)}
    assert compare_runs(empty, empty).families.height == 0


LABELS = st.lists(
    st.tuples(st.sampled_from([*"abcd", None]), st.sampled_from([*"ABCD", None]), st.integers(1, 9)),
    max_size=24,
)


def kin_by_hand(own: list[str | None], others: list[str | None], weights: list[int]) -> dict[str, str | None]:
    """Slow and obvious: where most of each family's first prompts lie in the other run."""
    found: dict[str, str | None] = {}
    for family in set(own) - {None}:
        members = [i for i, label in enumerate(own) if label == family][:N_SAMPLED]
        votes: Counter[str] = Counter()
        for i in members:
            if others[i] is not None:
                votes[others[i]] += weights[i]
        settled = 2 * votes.total() >= sum(weights[i] for i in members)
        found[family] = min(votes, key=lambda place: (-votes[place], place)) if votes and settled else None
    return found


def partners_by_hand(
    own: dict[str, str | None], others: dict[str, str | None], sizes: Counter[str]
) -> dict[str, str | None]:
    remains = {f: sorted((k for k in others if others[k] == f), key=lambda k: (-sizes[k], k)) for f in own}
    return {f: kin or (remains[f] or [None])[0] for f, kin in own.items()}


@given(LABELS)
@settings(max_examples=60)
def test_any_two_partitions_agree_with_the_rule_by_hand_and_mirror(
    rows: list[tuple[str | None, str | None, int]],
) -> None:
    first, second, weights = [a for a, _, _ in rows], [b for _, b, _ in rows], [w for _, _, w in rows]
    old, new = hand_made("old", first, weights), hand_made("new", second, weights)
    made = compare_runs(old, new)
    check_rows(made, old, new)
    assert as_told(compare_runs(new, old)) == mirror(made)
    sizes: Counter[str] = Counter()
    for a, b, weight in rows:
        sizes.update({label: weight for label in (a, b) if label is not None})
    kin = kin_by_hand(first, second, weights), kin_by_hand(second, first, weights)
    of_old, of_new = partners_by_hand(*kin, sizes), partners_by_hand(kin[1], kin[0], sizes)
    expected = {(a, b) for a, b in of_old.items()} | {(a, b) for b, a in of_new.items()}
    assert {(a, b) for _, a, b in told(made)} == expected
