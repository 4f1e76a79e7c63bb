"""Keyed identifiers: the same for one key, others for another, and nothing of the originals is left."""

from __future__ import annotations

import json
from hashlib import blake2b

import polars as pl
import pytest
from typer.testing import CliRunner

from clustering import RunSettings
from clustering.drill import DrillSettings, drill
from embedder import build_corpus, load_account_key
from embedder.account_keys import with_keyed_ids
from scripts.cli import app
from tests.test_redaction import Lengths

KEY = b"0123456789abcdef0123456789abcdef"


def key_file(folder, held=KEY + b"\n"):
    path = folder / "accounts.key"
    path.write_bytes(held)
    return path


def write_log(path, n=160):
    """Half of the accounts are of organisations, and one organisation is called like an account."""
    with path.open("w") as file:
        for i in range(n):
            account = f"account-{i % 40:03d}"
            row = {
                "request_id": f"request-{i}",
                "account_id": account,
                "timestamp": 1772446500 + 977 * i,
                "prompt": f"Please sum up the following minutes of our weekly meeting: item {i} was {i * i}",
                "org_id": "account-001" if i % 4 == 1 else f"organisation-{i % 5}" if i % 2 else None,
                "session_id": f"session-{i % 80}",
            }
            print(json.dumps(row), file=file)
    return path


def test_ids_are_blake2b_with_key_and_domain() -> None:
    rows = pl.DataFrame(
        {
            "account_id": ["a", "b", "a"],
            "org_id": ["a", None, "é"],
            "session_id": ["a", "", None],
            "prompt": ["a"] * 3,
        }
    )
    hashed = with_keyed_ids(rows, KEY)

    def expected(text, person):
        return blake2b(text.encode(), key=KEY, person=person, digest_size=16).hexdigest()

    assert hashed["account_id"].to_list() == [expected(text, b"covey account") for text in "aba"]
    assert hashed["org_id"].to_list() == [expected("a", b"covey org"), None, expected("é", b"covey org")]
    assert hashed["session_id"][0] == expected("a", b"covey session")
    assert hashed["session_id"][2] is None
    assert len({hashed[name][0] for name in ("account_id", "org_id", "session_id")}) == 3
    assert hashed["prompt"].to_list() == ["a"] * 3


def test_one_key_gives_one_corpus_and_another_key_another(tmp_path) -> None:
    log = write_log(tmp_path / "log.jsonl")
    plain, one, again = (build_corpus(log, account_key=key) for key in (None, KEY, KEY))
    other = build_corpus(log, account_key=KEY[::-1])
    assert one.requests.equals(again.requests)
    assert one.accounts.equals(again.accounts)
    assert not set(one.accounts["account_id"]) & set(other.accounts["account_id"])
    assert one.accounts["account_id"].str.contains("^[0-9a-f]{32}$").all()
    assert one.principals["principal_id"].str.contains("^(org|account):[0-9a-f]{32}$").all()
    for table in ("accounts", "principals", "prompts"):
        assert getattr(one, table).height == getattr(plain, table).height
    assert set(one.requests["request_id"]) == set(plain.requests["request_id"])
    joined = plain.requests.join(one.requests, on="request_id")
    for row in ("account_row", "principal_row"):
        pairs = joined.select(row, f"{row}_right").unique()
        assert pairs.height == joined[row].n_unique() == joined[f"{row}_right"].n_unique()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_line_ends_are_no_part_of_a_key(tmp_path, end) -> None:
    assert load_account_key(key_file(tmp_path, KEY + end)) == KEY


def test_a_long_key_is_hashed_and_one_of_64_bytes_is_not(tmp_path) -> None:
    assert load_account_key(key_file(tmp_path, b"k" * 64)) == b"k" * 64
    assert load_account_key(key_file(tmp_path, b"k" * 65)) == blake2b(b"k" * 65).digest()


@pytest.mark.parametrize(
    ("held", "said"), [(None, "cannot be read"), (b"", "0 bytes"), (b"x" * 15 + b"\n", "15 bytes")]
)
def test_a_key_that_is_none_is_one_line_with_the_remedy(tmp_path, held, said) -> None:
    path = tmp_path / "accounts.key" if held is None else key_file(tmp_path, held)
    log = write_log(tmp_path / "log.jsonl")
    call = ["run", str(log), "--out", str(tmp_path / "run"), "--account-key", str(path)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 2
    assert said in done.output
    assert "secrets.token_hex(32)" in done.output
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match=said):
        load_account_key(path)


def test_a_device_is_no_key() -> None:
    with pytest.raises(ValueError, match="is no file"):
        load_account_key("/dev/zero")


def test_a_run_holds_neither_the_ids_nor_the_key_and_shows_an_account(tmp_path) -> None:
    from clustering import run

    log, key = write_log(tmp_path / "log.jsonl"), key_file(tmp_path)
    done = run(log, tmp_path / "run", settings=RunSettings(account_key=str(key)), encoder=Lengths())
    for path in (path for path in (tmp_path / "run").rglob("*") if path.is_file()):
        held = path.read_bytes()
        if path.suffix == ".parquet":
            held += pl.read_parquet(path).write_ndjson().encode()
        for original in (b"account-0", b"organisation-", b"session-", KEY):
            assert original not in held, path
    assert done.manifest["settings"]["account_key"] == str(key)
    assert set(done.assignments["request_id"]) == {f"request-{i}" for i in range(160)}
    copy = key.rename(tmp_path / "moved.key")
    settings = RunSettings(account_key=str(copy))
    assert run(log, tmp_path / "run", settings=settings, encoder=Lengths()).was_complete
    account = done.assignments["account_id"][0]
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "run"), account, "--json"])
    assert shown.exit_code == 0, shown.output
    assert account in shown.output


def test_a_drill_finds_its_accounts_under_their_hashes(tmp_path) -> None:
    log, key = write_log(tmp_path / "log.jsonl", n=600), key_file(tmp_path)
    settings = RunSettings(account_key=str(key), redact=True, min_family=10)
    asked = DrillSettings(campaigns=("rubric",), shares=(0.2,), keep=True, run=settings)
    made = drill(log, tmp_path / "drill", settings=asked, encoder=Lengths())
    (finding,) = made.plantings[0].findings
    truth = pl.read_parquet(next((tmp_path / "drill").glob("share_*/truth.parquet")))
    assert finding.n_accounts == truth.filter(pl.col("kind") == "campaign")["account_id"].n_unique()
    assert finding.n_requests > 0
