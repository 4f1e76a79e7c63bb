"""Vectors: the same bytes cached or fresh, in any form of the texts, and a cache that outlives damage."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedder.encoders import load_encoder
from embedder.unit_rows import rounded_unit_rows
from embedder.vector_cache import VectorCache
from embedder.vectors import ColumnEncoder, GatheredTexts, Texts, content_keys, embed


@dataclass
class HashEncoder:
    """An encoder whose vectors are digests; it remembers what it was asked."""

    fingerprint: str = "hash-1"
    dim: int = 16
    rounded: bool = True
    asked: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.extend(texts)
        digests = [hashlib.blake2b(text.encode(), digest_size=self.dim).digest() for text in texts]
        rows = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, self.dim) - np.float32(127.5)
        if self.rounded:
            return rounded_unit_rows(rows)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_content_keys_are_blake2b_halves() -> None:
    texts = ["", "poem", "naïve 東京", "lone \ud800"]
    keys = content_keys(texts)
    assert keys.dtype == np.uint64
    for text, (high, low) in zip(texts, keys.tolist(), strict=True):
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        assert f"{high:016x}{low:016x}" == digest
    assert content_keys([]).shape == (0, 2)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.sampled_from("abcdefghij"), max_size=30),
    batch_size=st.integers(1, 7),
    rounded=st.booleans(),
)
def test_cached_equals_fresh(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], batch_size: int, *, rounded: bool
) -> None:
    directory = tmp_path_factory.mktemp("cache")
    encoder = HashEncoder(rounded=rounded)
    fresh = encoder.encode(texts)
    encoder.asked.clear()
    half = embed(texts[::2], encoder, cache=VectorCache(directory), batch_size=batch_size)
    assert half.tobytes() == fresh[::2].astype(np.float16).tobytes()
    whole = embed(texts, encoder, cache=VectorCache(directory), batch_size=batch_size)
    assert whole.tobytes() == fresh.astype(np.float16).tobytes()
    assert sorted(encoder.asked) == sorted(set(texts))  # each distinct text once, over both calls
    again = embed(texts, encoder, cache=VectorCache(directory))
    assert again.tobytes() == whole.tobytes()
    assert len(encoder.asked) == len(set(texts))
    assert np.array_equal(whole.astype(np.float32), fresh) or not rounded


def test_progress_counts_texts(tmp_path: Path) -> None:
    seen = list[tuple[int, int]]()
    encoder = HashEncoder()
    embed(
        list("abaca"),
        encoder,
        cache=VectorCache(tmp_path),
        batch_size=2,
        on_progress=lambda n_done, n: seen.append((n_done, n)),
    )
    assert seen == [(0, 5), (2, 5), (4, 5), (5, 5)]
    assert encoder.asked == ["a", "b", "c"]


def texts_as(form: str, texts: list[str]) -> Texts:
    """The same texts in each form that `embed` reads."""
    if form == "list":
        return texts
    series = pl.Series(texts, dtype=pl.String)
    if form == "series":
        return series
    order = np.random.default_rng(0).permutation(len(texts))
    return GatheredTexts(np.argsort(order), series.gather(order).gather)


@pytest.mark.parametrize("form", ["list", "series", "gathered"])
@pytest.mark.parametrize("fast", [False, True])
def test_rows_go_where_they_are_wanted(tmp_path: Path, form: str, *, fast: bool) -> None:
    encoder = load_encoder("static", threads=1) if fast else HashEncoder()
    texts = [f"a poem of {i % 70} lines" for i in range(200)]
    expected = encoder.encode(texts).astype(np.float16)
    asked = texts_as(form, texts)
    assert np.array_equal(embed(asked, encoder, batch_size=33), expected)
    file = np.lib.format.open_memmap(
        tmp_path / "v.npy", mode="w+", dtype=np.float16, shape=(200, encoder.dim)
    )
    assert embed(asked, encoder, out=file, batch_size=64) is file
    file.flush()
    assert np.array_equal(np.load(tmp_path / "v.npy"), expected)


def test_gathered_texts_are_gathered_batch_by_batch() -> None:
    seen = list[list[int]]()

    def gather(rows: NDArray[np.int64]) -> pl.Series:
        seen.append(rows.tolist())
        return pl.Series(rows.tolist()).cast(pl.String)

    embed(GatheredTexts(np.array([3, 1, 4, 1, 5]), gather), HashEncoder(), batch_size=2)
    assert seen == [[3, 1], [4, 1], [5]]


def test_an_encoder_as_fast_as_a_lookup_leaves_the_cache_alone(tmp_path: Path) -> None:
    cache, encoder = VectorCache(tmp_path), load_encoder("static", threads=1)
    assert isinstance(encoder, ColumnEncoder)
    assert not isinstance(HashEncoder(), ColumnEncoder)
    cache.store(encoder.fingerprint, content_keys(["a poem"]), np.ones((1, 256), dtype=np.float32))
    before = sorted(tmp_path.rglob("*"))
    assert np.array_equal(embed(["a poem"], encoder, cache=cache), embed(["a poem"], encoder))
    embed(["another poem"], encoder, cache=cache)
    assert sorted(tmp_path.rglob("*")) == before


def test_other_encoders_rows_are_rounded() -> None:
    texts = [str(i) for i in range(50)]
    encoder = HashEncoder(dim=64, rounded=False)
    exact = encoder.encode(texts).astype(float)
    found = embed(texts, encoder).astype(float)
    assert 0 < np.abs((found**2).sum(axis=1) - 1).max() < 1e-3
    assert np.abs(found @ found.T - exact @ exact.T).max() < 1e-3


def test_fingerprints_and_dimensions_do_not_mix(tmp_path: Path) -> None:
    cache, keys = VectorCache(tmp_path), content_keys(["a"])
    cache.store("one", keys, np.ones((1, 4), dtype=np.float32))
    assert not cache.lookup("two", keys, dim=4)[1].any()
    assert not cache.lookup("one", keys, dim=5)[1].any()
    vectors, known = cache.lookup("one", keys, dim=4)
    assert (vectors.tolist(), known.tolist()) == ([[1.0] * 4], [True])


@pytest.mark.parametrize("value", [1 / 3, 1e-9, 1e9, -0.0, np.pi])
def test_values_come_back_with_their_bytes(tmp_path: Path, value: float) -> None:
    cache, keys = VectorCache(tmp_path), content_keys(["a", "b"])
    rows = np.array([[value, 1], [0.5, value]], dtype=np.float32)
    cache.store("f", keys, rows)
    assert VectorCache(tmp_path).lookup("f", keys, dim=2)[0].tobytes() == rows.tobytes()


def test_half_precision_is_kept_in_half_the_space(tmp_path: Path) -> None:
    texts = [str(i) for i in range(500)]
    sizes = []
    for rounded in (True, False):
        encoder = HashEncoder(fingerprint=f"f{rounded}", dim=64, rounded=rounded)
        embed(texts, encoder, cache=VectorCache(tmp_path))
        sizes.append(sum(path.stat().st_size for path in (tmp_path / encoder.fingerprint).iterdir()))
    assert sizes[1] - sizes[0] == 500 * 64 * 2


def test_keys_with_an_equal_half_are_told_apart(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    keys = np.array([[7, 3], [7, 1], [7, 0], [0, 0], [2**64 - 1, 2**64 - 1]], dtype=np.uint64)
    cache.store("f", keys, np.arange(5, dtype=np.float32)[:, None])
    vectors, known = cache.lookup("f", np.vstack([keys[::-1], np.array([[7, 2]], dtype=np.uint64)]), dim=1)
    assert known.tolist() == [True] * 5 + [False]
    assert vectors.ravel().tolist() == [4, 3, 2, 1, 0, 0]


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "vectors"])
def test_damaged_shards_are_encoded_again(tmp_path: Path, damage: str) -> None:
    texts = [str(i) for i in range(40)]
    fresh = embed(texts, HashEncoder(), cache=VectorCache(tmp_path))
    [shard] = (tmp_path / "hash-1").iterdir()
    whole = shard.read_bytes()
    bitten = bytearray(whole)
    bitten[-5] ^= 0x40
    damaged = {"empty": b"", "cut": whole[:-9], "noise": b"\x93NUMPY" + whole[9:], "vectors": bytes(bitten)}
    shard.write_bytes(damaged[damage])
    encoder = HashEncoder()
    again = embed(texts, encoder, cache=VectorCache(tmp_path))
    assert again.tobytes() == fresh.tobytes()
    assert len(encoder.asked) == (1 if damage == "vectors" else 40)
    after = HashEncoder()
    assert embed(texts, after, cache=VectorCache(tmp_path)).tobytes() == fresh.tobytes()
    assert after.asked == []


def test_a_crash_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise OSError("disk full")

    cache, keys = VectorCache(tmp_path), content_keys(["a"])
    monkeypatch.setattr("embedder.vector_cache.os.fsync", crash)
    with pytest.raises(OSError, match="disk full"):
        cache.store("f", keys, np.ones((1, 2), dtype=np.float32))
    assert list((tmp_path / "f").iterdir()) == []


def test_many_writers_at_once(tmp_path: Path) -> None:
    texts = [str(i) for i in range(300)]
    fresh = embed(texts, HashEncoder())

    def work(shift: int) -> bytes:
        mine = texts[shift:] + texts[:shift]
        rows = embed(mine, HashEncoder(), cache=VectorCache(tmp_path), batch_size=50)
        return np.roll(rows, shift, axis=0).tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(0, 300, 40))) == {fresh.tobytes()}


def test_nothing_to_do(tmp_path: Path) -> None:
    encoder = HashEncoder()
    assert embed([], encoder, cache=VectorCache(tmp_path)).shape == (0, 16)
    assert encoder.asked == []


def test_errors_name_the_argument(tmp_path: Path) -> None:
    encoder = HashEncoder()
    with pytest.raises(ValueError, match=r"out: shape \(2, 16\) of float16; give \(1, 16\) of float16"):
        embed(["a"], encoder, out=np.zeros((2, 16), np.float16))
    with pytest.raises(ValueError, match=r"out: shape \(1, 16\) of float32"):
        embed(["a"], encoder, out=np.zeros((1, 16), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size=0"):
        embed(["a"], encoder, batch_size=0)
    encoder.dim = 16
    encoder.encode = lambda texts: np.zeros((len(texts), 3), dtype=np.float32)  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"returned shape \(1, 3\)"):
        embed(["a"], encoder)
    for value in (np.nan, np.inf, 7e4):
        encoder.encode = lambda texts, value=value: np.full((len(texts), 16), value)  # type: ignore[misc]
        with pytest.raises(ValueError, match="not finite in half precision"):
            embed(["a"], encoder)
    for name in ("../up", "", ".hidden", "a/b"):
        with pytest.raises(ValueError, match="fingerprint"):
            VectorCache(tmp_path).store(name, content_keys(["a"]), np.ones((1, 2), dtype=np.float32))
