"""Encoders that are whole sentence-transformers models: the packaged one, a folder's, or one of the hub.

A forward pass has the same shape for a given text whatever else is encoded: on the CPU each text alone (a
fifth slower than batches of equal length), on CUDA 64 texts padded to a multiple of 8 tokens (fewer beyond
256 tokens, which bounds the memory), the last batch of a length filled up with copies. A matrix product of
one shape gives a row the same result wherever the row stands, so a text's vector does not depend on the
batch. It does, in its last bits, on the device, whose kind is therefore part of the fingerprint. The model of
the card or processor and the version of torch may move the same bits and are not part: keep a cache to one
machine where bytes must be equal.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.static_model import packaged_model_folder
from embedder.tokens import text_blocks
from embedder.unit_rows import rounded_unit_rows

_ENCODING_VERSION = 2  # part of the fingerprint: raise it when the same text gets another vector
_CUDA_TEXTS, _CUDA_TOKENS = 64, 16_384  # of a batch, at most
_LENGTH_STEP = 8


class TransformerEncoder:
    """Encoder by a sentence-transformers model. Get one from `load_encoder`.

    Attributes
    ----------
    fingerprint
        Hash of the model's weights and their precision, its sequence length, the way of encoding, and the
        kind of device.
    dim
        Number of dimensions.
    """

    def __init__(self, model: Any, *, device: str, threads: int | None) -> None:
        self._model = model.eval()
        self._device = device
        self._threads = threads
        self._lock = threading.Lock()
        size = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
        self.dim = int(size())
        self.fingerprint = f"model-{_model_digest(model)}-{device.split(':')[0]}"
        self._prompt = (model.prompts or {}).get(model.default_prompt_name or "", "")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts; see `Encoder.encode`.

        Parameters
        ----------
        texts
            Any strings; beyond the model's sequence length (256 tokens for the packaged one) the rest is not
            read.

        Returns
        -------
        Shape (n, dim), rows of length 1 within 1e-3, values representable in half precision; a zero row for a
        text that is empty or white space.
        """
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        start = 0
        for block in text_blocks(texts):
            with self._lock, _torch_settings(self._threads):
                vectors[start : start + len(block)] = self._encode_block(block)
            start += len(block)
        return vectors

    def _encode_block(self, texts: list[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        spoken = np.flatnonzero([bool(text.strip()) for text in texts])
        if len(spoken) == 0:
            return rows
        chosen = [self._prompt + texts[i] for i in spoken]
        if not callable(
            getattr(self._model, "tokenizer", None)
        ):  # a bag of token vectors: batches cannot matter
            found = self._model.encode(chosen, show_progress_bar=False, convert_to_numpy=True)
            rows[spoken] = np.asarray(found, dtype=np.float32)
            return rounded_unit_rows(rows)
        for batch, length in self._batches(chosen):
            rows[spoken[batch]] = self._forward([chosen[i] for i in batch], length)
        return rounded_unit_rows(rows)

    def _batches(self, texts: list[str]) -> Iterator[tuple[NDArray[np.int64], int]]:
        """Positions of texts that go through the model together, and their padded length in tokens."""
        model, alone = self._model, self._device == "cpu"
        ids = model.tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]
        lengths = np.array([len(found) for found in ids])
        padded = lengths if alone else -(-lengths // _LENGTH_STEP) * _LENGTH_STEP
        for length in np.unique(padded):
            size = _batch_size(int(length), alone=alone)
            members = np.flatnonzero(padded == length)
            for start in range(0, len(members), size):
                yield members[start : start + size], int(length)

    def _forward(self, texts: list[str], length: int) -> NDArray[np.float32]:
        import torch

        size = _batch_size(length, alone=self._device == "cpu")
        filled = texts + [texts[0]] * (size - len(texts))
        length = min(length, self._model.max_seq_length or length)
        features = self._model.tokenizer(
            filled, truncation=True, padding="max_length", max_length=length, return_tensors="pt"
        )
        try:
            with torch.inference_mode():
                features = {name: tensor.to(self._device) for name, tensor in features.items()}
                found = self._model.forward(features)["sentence_embedding"]
                rows: NDArray[np.float32] = found[: len(texts)].float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise ValueError(_unusable(self._device, error)) from error
        return rows


def _batch_size(length: int, *, alone: bool) -> int:
    """Texts that go through the model together; no less where memory is short, for that moves last bits."""
    return 1 if alone else min(_CUDA_TEXTS, max(1, _CUDA_TOKENS // length))


def load_transformer(
    name: str, *, device: str | None, threads: int | None, on_status: Callable[[str], None] | None = None
) -> TransformerEncoder:
    """Load ``"transformer"``, a folder, or a model of the hub; see `load_encoder`."""
    local = name == "transformer" or _is_model_folder(name)
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise ValueError(f"device={device!r}: give 'cpu', 'cuda' or 'cuda:N'")
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise ValueError(f"device={device!r}: torch sees {torch.cuda.device_count()} CUDA devices; use 'cpu'")
    source = str(packaged_model_folder()) if name == "transformer" else name
    try:
        model = _load(source, offline=True)
    except Exception as error:
        if local:
            raise ValueError(_not_a_model(name, error)) from error
        _ask_hub(name)
        if on_status is not None:
            on_status(f"downloading {name} from the Hugging Face hub")
        try:
            model = _load(source, offline=False)
        except Exception as download_error:
            raise ValueError(_not_a_model(name, download_error)) from download_error
    try:
        model.to(device)
    except RuntimeError as error:
        raise ValueError(_unusable(device, error)) from error
    return TransformerEncoder(model, device=device, threads=threads)


def _is_model_folder(name: str) -> bool:
    """Whether `name` is a folder with a model; False where it may be a name at the hub; else ValueError."""
    try:
        folder = Path(name).expanduser()
        is_there = folder.exists()
    except (OSError, ValueError, RuntimeError):  # too long a name, a NUL in it, nobody's home
        return _is_hub_name(name)
    if folder.is_dir():
        if any((folder / file).is_file() for file in ("modules.json", "config.json")):
            return True
        raise ValueError(
            f"encoder {name!r}: no sentence-transformers model in the folder (modules.json, config.json)"
        )
    if is_there:
        raise ValueError(f"encoder {name!r}: a file; give the model's folder")
    return _is_hub_name(name)


def _is_hub_name(name: str) -> bool:
    """False where `name` may be one at the hub; else ValueError."""
    if not re.fullmatch(r"[\w.-]{1,48}(/[\w.-]{1,96})?", name) or name.startswith("."):
        raise ValueError(
            f"encoder {name!r}: no such folder; give 'static', 'transformer', a folder, or a hub name"
        )
    return False


def _ask_hub(name: str) -> None:
    """Ask once whether the hub has the model: the loaders would retry for over a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    full_name = name if "/" in name else f"sentence-transformers/{name}"
    try:
        HfApi().model_info(full_name, timeout=10)
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"encoder {name!r}: neither a folder here nor a model of the Hugging Face hub"
        ) from error
    except Exception as error:
        raise ValueError(
            f"encoder {name!r}: not on this machine, and the Hugging Face hub cannot be reached "
            f"({type(error).__name__}); use 'static', 'transformer' or a model's folder"
        ) from error


def _not_a_model(name: str, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"encoder {name!r}: sentence-transformers cannot load it ({reason}); give the folder of a model"


def _unusable(device: str, error: Exception) -> str:
    """What to say of a device that torch sees and that has no memory left, or none of the needed kernels."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0]
    return (
        f"device={device!r}: {reason}; free its memory, or use the CPU "
        "(device='cpu', or CUDA_VISIBLE_DEVICES= in the environment)"
    )


def _load(source: str, *, offline: bool) -> Any:
    with _quiet_transformers():
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(
            source,
            device="cpu",
            trust_remote_code=False,
            local_files_only=offline,
            model_kwargs={"use_safetensors": True},  # weights in a pickle are not read
        )


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bar and no loading report on the caller's terminal; the settings are restored."""
    transformers_logging = import_module("transformers.utils.logging")

    logger = logging.getLogger("sentence_transformers")
    level, verbosity = logger.level, transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def _torch_settings(threads: int | None) -> Iterator[None]:
    """The caller's threads, and products in full single precision whatever the process has set; restored."""
    import torch

    before, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(threads or before)
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision(precision)


def _model_digest(model: Any) -> str:
    """Hash of what decides a vector: the weights and their precision, the layers and the sequence length."""
    digest = hashlib.sha256(repr([_ENCODING_VERSION, str(model), model.prompts]).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]
