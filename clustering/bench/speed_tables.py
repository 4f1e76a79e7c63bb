"""The tables of the bench of speed, from what was measured at each size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .section import Section, as_text, table_of

DONE = "done"
_NAME = "speed"
_LEAST_SECONDS, _LEAST_MIB = 0.1, 1.0  # from which a stage tells how it grows
_MIB = 1 << 20


@dataclass(frozen=True)
class MeasuredSize:
    """What was measured at one size.

    Parameters
    ----------
    requests : of the log.
    log : of ``timed.write_log``.
    covey : fields of a ``MeasuredRun`` and of ``timed.judge_run``.
    rivals : by finder, with its ``outcome``; where that is ``DONE``, of ``timed.find`` and ``timed.judge``.
    """

    requests: int
    log: Mapping[str, Any]
    covey: Mapping[str, Any]
    rivals: Mapping[str, Mapping[str, Any]]

    @property
    def seconds(self) -> float:
        """Of the whole run, on the clock."""
        return float(sum(self.covey["elapsed"].values()))


def speed_sections(
    sizes: Sequence[MeasuredSize], *, seed: int, threads: int | None, cores: int | None
) -> list[Section]:
    """All tables; `sizes` ascend."""
    used = f"{threads} threads" if threads else "all threads"
    sections = [
        _seconds(sizes, f"On {cores or 'unknown'} cores, with {used}."),
        _rates(sizes),
        _memory(sizes),
        _disk(sizes),
        _logs(sizes, seed),
    ]
    return sections + ([_rivals(sizes)] if any(size.rivals for size in sizes) else [])


def growth_exponent(requests: Sequence[int], values: Sequence[float], *, least: float) -> float | None:
    """Least squares slope of log values over log requests: 1 is linear growth.

    None for fewer than two sizes, or where a value is below `least`.
    """
    if len(set(requests)) < 2 or min(values) < least:
        return None
    return float(np.polyfit(np.log(requests), np.log(values), 1)[0])


def _seconds(sizes: Sequence[MeasuredSize], note: str) -> Section:
    lines = _by_stage(sizes, "elapsed")
    lines["whole run"] = [size.seconds for size in sizes]
    cpu = _by_stage(sizes, "seconds")
    lines |= {f"CPU, {name}": values for name, values in cpu.items()}
    lines["CPU, whole run"] = [sum(column) for column in zip(*cpu.values(), strict=True)]
    note = (
        f"{note} Seconds on the clock, and of processors, user and system; each run in a fresh process with "
        "nothing cached but the encoder and compiled loops; start is imports and the encoder. The exponent "
        "is the least squares slope of log seconds over log requests."
    )
    return _growing("Seconds per stage", note, sizes, lines, least=_LEAST_SECONDS)


def _rates(sizes: Sequence[MeasuredSize]) -> Section:
    units = sizes[0].covey["units"]
    rows: list[tuple[object, ...]] = []
    for name in _stages(sizes):
        if units[name]:
            pairs = ((size.covey["rows"][name], size.covey["elapsed"][name]) for size in sizes)
            rates = (float(round(rows / seconds)) if seconds else None for rows, seconds in pairs)
            rows.append((name, units[name].replace("_", " "), *rates))
    rows.append(("whole run", "requests", *(float(round(size.requests / size.seconds)) for size in sizes)))
    note = "Rows that a stage works on, each second on the clock."
    return Section(_NAME, "Rows per second", note, table_of(rows, ("Stage", "Rows", *_headings(sizes))))


def _memory(sizes: Sequence[MeasuredSize]) -> Section:
    lines = _by_stage(sizes, "peak_mib")
    lines["whole run"] = [max(column) for column in zip(*lines.values(), strict=True)]
    note = (
        "Largest memory of the process in MiB while a stage ran: anonymous pages, without those of mapped "
        "files, which the system can take back; outside Linux the largest resident size so far. What every "
        "run needs, whatever its size, makes the exponents of small logs small."
    )
    return _growing("Peak memory per stage", note, sizes, lines, least=_LEAST_MIB)


def _disk(sizes: Sequence[MeasuredSize]) -> Section:
    written = _by_stage(sizes, "written_bytes")
    lines = {name: [n / _MIB for n in values] for name, values in written.items()}
    lines["working folder"] = [sum(column) for column in zip(*lines.values(), strict=True)]
    lines["run directory"] = [size.covey["run_bytes"] / _MIB for size in sizes]
    note = (
        "MiB of the files that each stage left; the working folder holds them all by the end of a run, and "
        "what stays of it is the run directory. Without the vectors in the cache."
    )
    return _growing("Disk per stage", note, sizes, lines, least=_LEAST_MIB)


def _growing(
    title: str,
    note: str,
    sizes: Sequence[MeasuredSize],
    lines: Mapping[str, Sequence[float]],
    *,
    least: float,
) -> Section:
    """A table with a row per line, a column per size, and how it grows."""
    requests = [size.requests for size in sizes]
    rows = [(name, *values, growth_exponent(requests, values, least=least)) for name, values in lines.items()]
    return Section(_NAME, title, note, table_of(rows, ("Stage", *_headings(sizes), "Exponent")))


def _by_stage(sizes: Sequence[MeasuredSize], name: str) -> dict[str, list[float]]:
    """A figure of a measured run, by stage: its value at each size."""
    return {stage: [float(size.covey[name][stage]) for size in sizes] for stage in _stages(sizes)}


def _logs(sizes: Sequence[MeasuredSize], seed: int) -> Section:
    rows = []
    for size in sizes:
        log, prompts = size.log, int(size.covey["size"]["prompts"])
        share = prompts / size.requests
        lengths = (log["mean_chars"], log["mean_tokens"])
        judged = (size.covey[name] for name in ("mean_f1", "plain_f1", "average_precision", "realised_fdr"))
        rows.append((size.requests, log["accounts"], prompts, share, *lengths, *judged))
    columns = (
        "Requests", "Accounts", "Distinct prompts", "Share", "Characters a prompt", "Tokens a prompt",
        "Mean family F1", "F1 without common text", "Average precision", "Realised FDR",
    )  # fmt: skip
    note = (
        f"Simulated with seed {seed}, the default world of `covey simulate`; distinct with their system "
        "prompts; characters and tokens in the mean over requests. Judged against the truth of the log."
    )
    return Section(_NAME, "The logs, and what the run found", note, table_of(rows, columns))


def _rivals(sizes: Sequence[MeasuredSize]) -> Section:
    names = ("seconds", "cpu_seconds", "peak_mib", "families", "mean_f1", "plain_f1")
    rows: list[tuple[object, ...]] = []
    for size in sizes:
        covey = size.covey
        judged = (covey["families"], covey["mean_f1"], covey["plain_f1"])
        stages = ("views", "families")
        to_families = [sum(covey[kind][stage] for stage in stages) for kind in ("elapsed", "seconds")]
        whole = (size.seconds, float(sum(covey["seconds"].values())), max(covey["peak_mib"].values()))
        rows.append(("Covey, the whole run", size.requests, *whole, *judged, DONE))
        peak = max(covey["peak_mib"][stage] for stage in stages)
        rows.append(("Covey, views and families", size.requests, *to_families, peak, *judged, DONE))
        for name, found in size.rivals.items():
            rows.append((name, size.requests, *(found.get(key) for key in names), found["outcome"]))
    columns = (
        "Finder", "Requests", "Seconds", "CPU seconds", "Peak MiB", "Families", "Mean family F1",
        "F1 without common text", "Outcome",
    )  # fmt: skip
    note = (
        "Others get the distinct prompts without their system prompts and finished vectors of them, the "
        "smallest family that Covey has, and else their defaults; Covey's seconds include its vectors. Each "
        "in a process of its own, after a try on 2,000 prompts that is not timed (what is compiled is "
        "compiled then) but counts towards the limit."
    )
    return Section(_NAME, "Other finders on the same prompts", note, table_of(rows, columns))


def _stages(sizes: Sequence[MeasuredSize]) -> list[str]:
    return list(sizes[0].covey["elapsed"])


def _headings(sizes: Sequence[MeasuredSize]) -> list[str]:
    return [as_text(size.requests) for size in sizes]
