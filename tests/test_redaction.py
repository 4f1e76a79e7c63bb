"""Redaction: what goes, what stays, and that it is its own result, whatever stands beside it."""

from __future__ import annotations

import json
import random
import string
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering import RunSettings, load_run, run
from embedder import LogError, build_corpus, normalise, redacted


def one(text: str) -> str:
    return str(redacted(pl.Series([text]))[0])


_TOKEN = "Zq7Lw2Xv9Rt4Kp8Nf3Jh6Gd1Sb5Vc0My2Tz8Qa4"
_BLOCK = f"-----BEGIN RSA PRIVATE KEY-----\n{_TOKEN}\n{_TOKEN}=\n-----END RSA PRIVATE KEY-----"
SECRETS = {
    "<EMAIL>": (
        "ann.lee+x@mail.example.org",
        "ivo@exämple.de",
        "root@build.internal",
        "ann%40example.org",
        "ａｎｎ＠example.org",
        "an\u200bn@exam\u00adple.org",
    ),
    "<PHONE>": (
        "+44 20 7946 0958",
        "+14155552671",
        "(415) 555-2671",
        "415-555-2671",
        "01 42 68 53 00",
        "138 0013 8000",
    ),
    "<CARD>": ("4012888888881881", "4012 8888 8888 1881", "3782-822463-10005", "5555555555554444"),
    "<KEY>": (
        "AKIAQX4BIPW3AHOV29GN",
        f"ghp_{_TOKEN[:36]}",
        f"hf_{_TOKEN[:34]}",
        f"sk-ant-api03-{_TOKEN}-{_TOKEN}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLXRva2VuLTAxMjM0",
        _BLOCK,
    ),
}


@pytest.mark.parametrize(
    ("placeholder", "secret"), [(name, secret) for name in SECRETS for secret in SECRETS[name]]
)
@pytest.mark.parametrize("frame", ["{}", "see {}.", "use '{}', please", "<{}>", "为{} 写", "a {}\nand {} b"])
def test_a_secret_goes_and_its_frame_stays(placeholder: str, secret: str, frame: str) -> None:
    assert one(frame.format(secret, secret)) == frame.format(placeholder, placeholder)


def test_secrets_that_only_their_frame_tells() -> None:
    assert one("my phone is 4155552671, ok") == "my phone is <PHONE>, ok"
    assert one(f"Authorization: Bearer {_TOKEN}/x") == "Authorization: Bearer <KEY>"
    assert one("Bearer abcdef0123456789ABCDEF0123456789") == "Bearer <KEY>", "sequences are keys there, too"
    assert one("the bearer authentication-token-of-the-session") == (
        "the bearer authentication-token-of-the-session"
    )
    assert one("psql postgres://ann:hunter2@db.example.org/x") == "psql postgres<KEY>db.example.org/x"
    assert "MIIE" not in one("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nwhat is this?")


@pytest.mark.parametrize(
    "text",
    [
        "What is 4000/2000 + 60000 - 10800? It is 51200, or 0.552284749831 of 3000-2000.",
        "On 2026-03-02 10:15, from 1685-1753 to 12/31/1999, at 1772446500000 ms",
        "ISBN 978-3-16-148410-0, ISBN 0-306-40615-2, ISBN 9783161484100",
        "pip install numpy==2.4.6 on 10.0.22631.4169 at 192.168.100.200",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b\nuuid 123e4567-e89b-12d3-a456-426614174000",
        "def test_user_2_gets_HTTP_404_when_missing_page_is_asked(self): return W @ x.T",
        'pipeline("x", model="laion/CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg-rewind")',
        "npm i lodash@4.17.21 react@18.2.0-beta, see logo@2x.png and @app.route",
        "1234 5678 9012 3456 and 4012888888881882 are no cards; 12 15 18 22 25 31 44 no phone",
        "π is 3.14159265358979323846264338327950288419716939937510",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert one(text) == text


PIECES = [secret for kind in SECRETS.values() for secret in kind]
NOISE = ["a", " ", "\n", "7", "12", "-", ".", "@", "+", "/", "'", ":", "phone ", "é", "字", "\u200b", "<KEY>"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, *NOISE]), max_size=12), st.randoms(use_true_random=False))
def test_twice_is_once_and_the_batch_does_not_matter(parts: list[str], rng: random.Random) -> None:
    text = "".join(parts)
    alone = one(text)
    assert one(alone) == alone
    batch = [text, *PIECES, None, text]
    rng.shuffle(batch)
    beside = redacted(pl.Series("prompt", batch, dtype=pl.String))
    assert beside.name == "prompt"
    assert {a for b, a in zip(batch, beside.to_list(), strict=True) if b == text} == {alone}
    assert [a for b, a in zip(batch, beside.to_list(), strict=True) if b is None] == [None]


@given(
    st.text(st.characters(exclude_characters="@%", exclude_categories=["Cs", "Nd", "No", "Nl"]), max_size=60)
)
def test_a_text_without_matches_stays_to_the_byte(text: str) -> None:
    given_texts = pl.Series([text])
    assert one(text) == text
    assert given_texts[0] == text


def test_the_normal_form_holds_no_more_than_the_text() -> None:
    hidden = pl.Series(["ask ａｎｎ＠example.org", "call +44 20\u200b 7946 0958"])
    assert normalise(redacted(hidden)).to_list() == ["ask <EMAIL>", "call <PHONE>"]


@pytest.mark.parametrize(
    "piece",
    [
        "4012-8888-8888-1881 ",
        "4155552671 ",
        "phone 4155552671 ",
        "+442079460958",
        "4012 ",
        "a@b.co,",
        "a%40",
        "eyJ",
        "sk-",
        "://a:",
        "-",
        "1.2.",
        "A1b",
    ],
)
def test_a_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    started = time.process_time()
    one(piece * (40_000 // len(piece)))
    assert time.process_time() - started < 5


def write_log(path, secrets):
    """Two wrappers of 30 accounts each, an ordinary prompt for each account, and a secret in every record."""
    rng = random.Random(0)
    words = [w * 2 for w in ("lo", "ka", "mi", "te", "su", "no", "ra", "vi", "po", "du", "ze", "hu")]
    with path.open("w") as file:
        for i in range(180):
            payload, secret = " ".join(rng.choices(words, k=9)), secrets(i)
            text = (
                f"Rate the answer below for a careful judge, one to ten, and say why. {payload} {secret}",
                f"Think step by step inside of tags before you reply to this question: {payload} {secret}",
                f"{payload} {rng.random()} {secret}",
            )[i % 3]
            said = (
                {"prompt": text}
                if i % 2
                else {
                    "messages": [
                        {"role": "system", "content": f"You answer for {secret}."},
                        {"role": "user", "content": text},
                    ]
                }
            )
            record = {"account_id": f"a{i % 61}", "request_id": f"r{i}", "timestamp": 1772446500 + 977 * i}
            print(json.dumps(record | said), file=file)
        print(json.dumps({"account_id": "a1", "prompt": {"not": secrets(0)}}), file=file)
    return path


def planted(i: int) -> str:
    kinds = list(SECRETS.values())
    letters = "".join(random.Random(i).choices(string.ascii_letters, k=8))
    return (
        f"{letters}@{letters}.org",
        f"+44 20 7946 {i:04d}",
        kinds[2][i % 4],
        f"ghp_{letters}{_TOKEN[:28]}",
    )[i % 4]


def files_with_secrets(place):
    """Files below a place that hold one, and how many were searched; what Parquet packs is unpacked."""
    originals = {planted(i) for i in range(180)}
    originals |= {normalise(pl.Series([text]))[0] for text in originals}
    held, files = [], [path for path in place.rglob("*") if path.is_file() and path.name != "log.jsonl"]
    for path in files:
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += pl.read_parquet(path).write_ndjson().encode()
        if any(text.lower().encode() in data.lower() for text in originals):
            held.append(path)
    return held, len(files)


@pytest.fixture(scope="module")
def redacted_run(tmp_path_factory):
    place, half_way = tmp_path_factory.mktemp("redacted"), []

    def search(stage):
        if stage.name == "report" and not stage.ended:
            half_way.append(files_with_secrets(place))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVEY_CACHE", str(place / "cache"))
        log = write_log(place / "log.jsonl", planted)
        done = run(log, place / "run", settings=RunSettings(redact=True), encoder=Lengths(), progress=search)
    return place, done, half_way


class Lengths:
    """Vectors of letter counts; what it was asked is kept."""

    fingerprint, dim = "letters", 26

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        import numpy as np

        self.asked += texts
        counts = np.array([[1 + text.count(c) for c in string.ascii_lowercase] for text in texts], np.float32)
        counts = counts.reshape(-1, 26)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_no_byte_of_a_run_or_of_its_cache_holds_a_secret(redacted_run) -> None:
    place, done, half_way = redacted_run
    held, n_files = files_with_secrets(place)
    assert (held, n_files > 10) == ([], True)
    assert any("vectors" in str(path) for path in place.rglob("*"))
    assert len(half_way) == 1
    assert (half_way[0][0], half_way[0][1] > 40) == ([], True), "what a killed run would leave"
    originals = {planted(i) for i in range(180)}
    assert not [text for text in originals if any(text in asked for asked in done.encoder.asked)]
    assert done.prompts["prompt"].str.contains("<EMAIL>|<PHONE>|<CARD>|<KEY>").all()
    assert done.manifest["settings"]["redact"] is True


def test_the_families_are_those_of_a_log_without_secrets(redacted_run, tmp_path) -> None:
    _, done, _ = redacted_run
    names = ("<EMAIL>", "<PHONE>", "<CARD>", "<KEY>")
    plain = write_log(tmp_path / "log.jsonl", lambda i: names[i % 4])
    twin = run(plain, tmp_path / "run", encoder=Lengths())
    assert done.families.height >= 2
    assert done.families.equals(twin.families)
    assert done.assignments.equals(twin.assignments)
    assert done.manifest["fingerprint"] != twin.manifest["fingerprint"]


def test_assign_redacts_like_its_run(redacted_run) -> None:
    place, done, _ = redacted_run
    again = load_run(place / "run", encoder=Lengths())
    rows = done.assignments.join(done.prompts.select("prompt_id", "prompt", "system_prompt"), on="prompt_id")
    shown = rows.filter(pl.col("prompt").str.contains("<PHONE>") & pl.col("family_id").is_not_null()).head(5)
    assert shown.height == 5
    asked = [text.replace("<PHONE>", "+44 20 7946 0123") for text in shown["prompt"].to_list()]
    systems = [s and s.replace("<PHONE>", "(415) 555-2671") for s in shown["system_prompt"].to_list()]
    found = again.assign(asked, system_prompts=systems)
    assert found.equals(
        again.assign(shown["prompt"].to_list(), system_prompts=shown["system_prompt"].to_list())
    )
    assert found["family_id"].to_list() == shown["family_id"].to_list()
    assert not [text for text in again.encoder.asked if "7946" in text or "2671" in text]


def test_errors_and_reasons_hold_no_secret(tmp_path) -> None:
    log = tmp_path / "log.csv"  # without its header, so that the first record is taken for one
    log.write_text("ann.lee@example.org,call +44 20 7946 0958\n" * 3)
    with pytest.raises(LogError, match="<EMAIL>") as caught:
        build_corpus(log, redact=True)
    assert "ann.lee" not in str(caught.value)
    assert "7946" not in str(caught.value)
