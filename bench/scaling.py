"""Time whole runs on one process and on Dask workers, and what the scheduler costs a task.

python3 bench/corpus.py --size medium    # once; without it the quickstart's files are repeated
.venv/bin/python bench/scaling.py --workers 1 2
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator

from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.engines.kernels import KERNELS, compile_kernels

HERE = Path(__file__).resolve().parent
QUICKSTART = HERE.parent / "manifests" / "quickstart"

#: Times the quickstart's files are repeated where there is no corpus.
COPIES = 20

#: Of input in a shard: enough shards for every worker to be busy until the end.
BLOCK_BYTES = 2 << 20

#: Tasks that do nothing, to see what they cost.
TASKS = 500

LIMIT_BYTES = 2 << 30


class Run(NamedTuple):
    """What one run took.

    Args:
        startup: seconds before the first step.
        at_once: tasks of the first step that ran at once, on average; whatever else the machine does.
        steps: seconds by step.
        wall: seconds in all.
        peak: highest of any task, in bytes.
    """

    startup: float
    at_once: float
    steps: dict[str, float]
    wall: float
    peak: int


def main() -> None:
    """Print one row an engine, and the cost of a task."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options.add_argument("--until", default="sign", help="the last step to run")
    chosen = options.parse_args()
    compile_kernels(KERNELS)
    with tempfile.TemporaryDirectory(prefix="scaling-") as place:
        manifest = corpus(Path(place))
        print(f"{manifest.name}, until {chosen.until}; {os.cpu_count()} cores")
        print(
            "| engine | wall s | before the first step | extract or ingest | its tasks at once | measure | sign | peak MiB of a task | limit MiB |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        for workers in [0, *chosen.workers]:
            draw(workers, timed(manifest, Path(place) / f"work-{workers}", workers, chosen.until))
    for workers in chosen.workers:
        print(f"{workers} workers: {1000 * cost(workers):.1f} ms a task of nothing ({TASKS} tasks)")


def corpus(place: Path) -> Path:
    """Cut the corpus into shards of about BLOCK_BYTES, or write the quickstart's files many times under other names."""
    if files := sorted((HERE / "corpus").glob("*.warc.gz")):
        (place / "corpus").mkdir()
        for path in files:
            cut(path, place / "corpus")
        text = (HERE / "corpus.yaml").read_text(encoding="utf-8")
        size = f"shard_mb: {BLOCK_BYTES / (1 << 20)}"
        (place / "corpus.yaml").write_text(
            text.replace("language: ja", f"language: ja, {size}"), encoding="utf-8"
        )
        return place / "corpus.yaml"
    for path in sorted(QUICKSTART.glob("*/*[0-9].*")):
        (place / "quickstart" / path.parent.name).mkdir(parents=True, exist_ok=True)
        for copy in range(COPIES):
            shutil.copyfile(path, place / "quickstart" / path.parent.name / f"{copy}-{path.name}")
    return Path(shutil.copyfile(QUICKSTART.with_suffix(".yaml"), place / "quickstart.yaml"))


def cut(path: Path, folder: Path) -> None:
    """Write a WARC file as several: every record is a gzip member by itself."""
    whole = path.read_bytes()
    starts = [0]
    with path.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=False):
            if record.stream_pos >= starts[-1] + BLOCK_BYTES:
                starts.append(record.stream_pos)
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(whole)], strict=True)):
        (folder / f"{number:03}-{path.name}").write_bytes(whole[start:stop])


def timed(manifest: Path, work: Path, workers: int, until: str) -> Run:
    """Run the command and read its events; 0 workers is the command's own process."""
    engine = f"{{name: bench, engine: {'dask' if workers else 'inline'}, workers: {max(workers, 1)}"
    machine = work.with_suffix(".yaml")
    machine.write_text(f"{engine}, bytes_per_worker: {LIMIT_BYTES}}}", encoding="utf-8")
    line = [str(Path(sys.executable).with_name("kakehi")), "run", str(manifest), "--work", str(work)]
    started, since = time.perf_counter(), time.time()
    subprocess.run([*line, "--until", until, "--machine", str(machine)], check=True, capture_output=True)
    wall = time.perf_counter() - started
    [path] = (work / "runs").glob("*.jsonl")
    events = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
    steps: dict[str, float] = {}
    begins = [event for event in events if event["event"] == "begin"]
    for begin, after in zip(begins, [*begins[1:], events[-1]], strict=True):
        steps[begin["step"]] = steps.get(begin["step"], 0) + after["time"] - begin["time"]
    peaks = [event["peak_bytes"] for event in events if event["event"] == "done"]
    first = begins[0]["step"]
    busy = sum(event["seconds"] for event in events if (event["event"], event.get("step")) == ("done", first))
    return Run(begins[0]["time"] - since, busy / steps[first], steps, wall, max(peaks))


def draw(workers: int, run: Run) -> None:
    """Print a row."""
    first = run.steps.get("extract", 0) + run.steps.get("ingest", 0)
    parts = [run.startup, first, run.at_once, run.steps.get("measure", 0), run.steps.get("sign", 0)]
    cells = [f"{run.wall:.1f}", *(f"{part:.1f}" for part in parts), f"{run.peak / (1 << 20):,.0f}"]
    name = f"Dask, {workers} workers" if workers else "inline"
    print(f"| {name} | {' | '.join(cells)} | {LIMIT_BYTES >> 20:,} |", flush=True)


def nothing(number: int) -> int:
    """Do nothing, on a worker."""
    return number


def cost(workers: int) -> float:
    """Give the seconds that a task of nothing takes, cluster and first tasks not counted."""
    with Dask(workers=workers, bytes_per_worker=LIMIT_BYTES) as engine:
        list(engine.map(nothing, range(50)))
        started = time.perf_counter()
        assert len(list(engine.map(nothing, range(TASKS)))) == TASKS  # noqa: S101 - none may be lost
        return (time.perf_counter() - started) / TASKS


if __name__ == "__main__":
    main()
