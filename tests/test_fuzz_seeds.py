"""What the fuzzer found worth keeping is read again: one file of inputs, each as `fuzzed_input` reads it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from fuzzed_input import check_input

SEEDS = Path(__file__).parent / "fuzz" / "seeds.zip"


def test_every_input_that_the_fuzzer_kept_keeps_the_rules(tmp_path: Path) -> None:
    with zipfile.ZipFile(SEEDS) as seeds:
        names = seeds.namelist()
        for name in names:
            check_input(seeds.read(name), tmp_path)
    assert len(names) > 50
