"""Vectors: each distinct text encoded once, the same bytes cached or fresh, a cache that outlives damage."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedder.unit_rows import rounded_unit_rows
from embedder.vector_cache import VectorCache
from embedder.vectors import content_keys, embed


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
    half = embed(texts[::2], None, encoder, cache=VectorCache(directory), batch_size=batch_size)
    assert half.tobytes() == fresh[::2].tobytes()
    whole = embed(texts, content_keys(texts), encoder, cache=VectorCache(directory), batch_size=batch_size)
    assert whole.tobytes() == fresh.tobytes()
    assert sorted(encoder.asked) == sorted(set(texts))  # each distinct text once, over both calls
    again = embed(texts, None, encoder, cache=VectorCache(directory))
    assert again.tobytes() == fresh.tobytes()
    assert len(encoder.asked) == len(set(texts))


def test_progress_counts_distinct_texts(tmp_path: Path) -> None:
    cache, seen = VectorCache(tmp_path), list[tuple[int, int]]()
    embed(["a", "b"], None, HashEncoder(), cache=cache)
    embed(
        list("abacad"),
        None,
        HashEncoder(),
        cache=cache,
        batch_size=1,
        on_progress=lambda n_done, n: seen.append((n_done, n)),
    )
    assert seen == [(2, 4), (3, 4), (4, 4)]


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
        embed(texts, None, encoder, cache=VectorCache(tmp_path))
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
    fresh = embed(texts, None, HashEncoder(), cache=VectorCache(tmp_path))
    [shard] = (tmp_path / "hash-1").iterdir()
    whole = shard.read_bytes()
    bitten = bytearray(whole)
    bitten[-5] ^= 0x40
    damaged = {"empty": b"", "cut": whole[:-9], "noise": b"\x93NUMPY" + whole[9:], "vectors": bytes(bitten)}
    shard.write_bytes(damaged[damage])
    encoder = HashEncoder()
    again = embed(texts, None, encoder, cache=VectorCache(tmp_path))
    assert again.tobytes() == fresh.tobytes()
    assert len(encoder.asked) == (1 if damage == "vectors" else 40)
    after = HashEncoder()
    assert embed(texts, None, after, cache=VectorCache(tmp_path)).tobytes() == fresh.tobytes()
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
    fresh = HashEncoder().encode(texts)

    def work(shift: int) -> bytes:
        mine = texts[shift:] + texts[:shift]
        rows = embed(mine, None, HashEncoder(), cache=VectorCache(tmp_path), batch_size=50)
        return np.roll(rows, shift, axis=0).tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(0, 300, 40))) == {fresh.tobytes()}


def test_nothing_to_do(tmp_path: Path) -> None:
    encoder = HashEncoder()
    assert embed([], None, encoder, cache=VectorCache(tmp_path)).shape == (0, 16)
    assert encoder.asked == []


def test_errors_name_the_argument(tmp_path: Path) -> None:
    encoder = HashEncoder()
    with pytest.raises(ValueError, match=r"keys: shape \(1, 2\) for 2 texts"):
        embed(["a", "b"], content_keys(["a"]), encoder)
    with pytest.raises(ValueError, match="batch_size=0"):
        embed(["a"], None, encoder, batch_size=0)
    encoder.dim = 16
    encoder.encode = lambda texts: np.zeros((len(texts), 3), dtype=np.float32)  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"returned shape \(1, 3\)"):
        embed(["a"], None, encoder)
    for name in ("../up", "", ".hidden", "a/b"):
        with pytest.raises(ValueError, match="fingerprint"):
            VectorCache(tmp_path).store(name, content_keys(["a"]), np.ones((1, 2), dtype=np.float32))
