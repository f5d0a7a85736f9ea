"""The same bytes, whoever runs the tasks: one process, worker processes here, or a cluster that was there before.

`KAKEHI_WORKERS=1,2,4` runs on more numbers of workers than CI does, `KAKEHI_CORPUS=DIR` on WARC files of your own too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journey.conftest import Journey
from tests.journey.test_quickstart import digests

pytestmark = pytest.mark.slow

WORKERS = os.environ.get("KAKEHI_WORKERS", "2").split(",")


@pytest.mark.parametrize("workers", WORKERS)
def test_dask_gives_the_bytes_of_one_process(finished: Journey, fresh: Journey, workers: str) -> None:
    """On a cluster that the machine file asks for, every table and every model is that of an inline run."""
    machine = f"{{name: test, engine: dask, workers: {workers}, bytes_per_worker: 2GiB, dashboard: true}}"
    (fresh.home / "machine.yaml").write_text(machine, encoding="utf-8")
    done = fresh.run("--machine", "machine.yaml")
    assert "watch at http://127.0.0.1:" in done.stderr
    assert digests(fresh) == digests(finished)
    assert done.stdout.splitlines()[:-5] == finished.run().stdout.splitlines()[:-5]


OWN = """\
corpus: own
sources: {own: {extract: {files: "warc/*.warc.gz", language: ja, shard_mb: 4}}}
measure: [script, lines, language]
screen: {all: [basic-ja]}
dedupe: {}
train: {vocab_size: 4000, sample_characters: 2000000}
encode: {eod: "</s>"}
pack:
export:
report:
"""


def own(home: Path, workers: str) -> Journey:
    """Run a manifest over the WARC files of `KAKEHI_CORPUS` on so many workers, 0 for none."""
    home.mkdir()
    (home / "warc").symlink_to(Path(os.environ["KAKEHI_CORPUS"]).absolute())
    (home / "quickstart.yaml").write_text(OWN, encoding="utf-8")
    engine = f"{{name: test, engine: dask, workers: {workers}, bytes_per_worker: 2GiB}}"
    (home / "machine.yaml").write_text(engine, encoding="utf-8")
    Journey(home).run(*(["--machine", "machine.yaml"] if int(workers) else []))
    return Journey(home)


@pytest.mark.skipif("KAKEHI_CORPUS" not in os.environ, reason="needs WARC files of one's own")
def test_a_corpus_of_ones_own_gives_the_same_bytes(tmp_path: Path) -> None:
    """In one process and on every number of workers, from WARC to binaries."""
    found = {workers: digests(own(tmp_path / workers, workers)) for workers in ["0", *WORKERS]}
    assert found["0"].keys() >= {"extract own", "exact", "pair", "keep", "train", "encode own", "pack"}
    assert all(mine == found["0"] for mine in found.values())


@dataclass(frozen=True)
class Cluster:
    """A scheduler and workers that are no children of the command."""

    file: Path
    address: str
    logs: tuple[Path, ...]


def begun(line: list[str], log: Path, home: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", *line], cwd=home, stdout=said, stderr=said, start_new_session=True
        )


def wait_for(said: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Start a scheduler and two workers on loopback, in another folder."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    file, logs = home / "scheduler.json", [home / f"{name}.log" for name in ("scheduler", "one", "two")]
    place = ["--host", "127.0.0.1", "--no-dashboard"]
    head = ["distributed.cli.dask_scheduler", *place, "--port", "0", "--scheduler-file", str(file)]
    parts = [begun(head, logs[0], home)]
    try:
        wait_for(lambda: file.exists() and "tcp://" in file.read_text(encoding="utf-8"))
        worker = ["distributed.cli.dask_worker", *place, "--nthreads", "1", "--scheduler-file", str(file)]
        parts += [begun(worker, log, home) for log in logs[1:]]
        address = file.read_text(encoding="utf-8").split('"address": "')[1].split('"')[0]
        yield Cluster(file, address, tuple(logs))
    finally:
        for part in parts:
            os.killpg(part.pid, signal.SIGKILL)
            part.wait(timeout=30)


def test_a_cluster_in_another_folder_gives_the_same_bytes(
    finished: Journey, fresh: Journey, cluster: Cluster
) -> None:
    """Reached by its address and by its scheduler file; it is still there afterwards."""
    fresh.run("--scheduler", cluster.address, "--until", "measure")
    fresh.run("--scheduler", str(cluster.file))
    assert digests(fresh) == digests(finished)
    for log in cluster.logs:
        said = log.read_text(encoding="utf-8")
        assert "Traceback" not in said, said
        assert "unsendable" not in said, said
    assert not {path.name for path in cluster.file.parent.iterdir()} & {"work", "extract"}
