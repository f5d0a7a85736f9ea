"""Kill what can be killed, fill what can be filled: the next run goes on and ends with the same bytes.

docs/faults.md lists these tests by name. `KAKEHI_STRIDE=1` plants every fault instead of every few.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import multiprocessing
import os
import pty
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from kakehi.pipeline.execution.shard_task import ShardTask, run_shard
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning import discovery
from kakehi.pipeline.storage.store import Store

pytestmark = pytest.mark.slow

FAULTY = Path(__file__).with_name("faulty.py")
KAKEHI = str(Path(sys.executable).with_name("kakehi"))

MANIFEST = """\
corpus: c
sources:
  many: {ingest: {files: "many/*.jsonl"}}
  one: {ingest: {files: "one/*.jsonl"}}
measure: [script]
screen: {all: [{characters: {min: 40}}]}
dedupe: {}
export: {formats: [parquet]}
"""

PACKED = """\
corpus: c
sources:
  a: {ingest: {files: "many/*.jsonl", shard_mb: 0.000001}}
  b: {ingest: {files: "one/*.jsonl"}}
train: {vocab_size: 400}
encode: {eod: </s>}
pack: {sequence_tokens: 32, lanes: 4, tile_rows: 5, validation_rows: 8}
index: {readers: [core, fork], seed: 7, tokenizer: {type: Llama2Tokenizer}, schedule: {eval_iters: 0}}
"""

#: Six shards, and a family that takes its time; it kills its process where a text asks for it, until it is mended.
SLOW = """\
corpus: c
sources:
  s: {ingest: {files: "s/*.jsonl", shard_mb: 0.000001}}
measure: ["slow_family:FAMILY"]
screen: {all: [{slow: {min: 1}}]}
exact: {stage: exact}
"""

FAMILY = """\
import os, signal, time
from pathlib import Path
import pyarrow as pa
from kakehi.filters.signals.family import Family, Signal

def measure(text):
    time.sleep(float(os.environ.get("SLOW_S", "0")))
    if any("おちろ" in value for value in text.to_pylist()) and not Path(__file__).with_name("mended").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return (pa.array([len(value) for value in text.to_pylist()], pa.int64()),)

FAMILY = Family(measure=measure, reads=("text",), signals=(Signal(name="slow", dtype=pa.int64(), unit="characters", source="here"),),
                version=1, libraries=())
"""

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")


@pytest.fixture(scope="module")
def corpus(make, tmp_path_factory) -> Path:
    """Write a small corpus: a shard of three files, a shard of one that has near copies and an equal text, too."""
    home = tmp_path_factory.mktemp("corpus")
    for number in range(3):
        make.texts(home / "many" / f"{number}.jsonl", 6, seed=number)
    texts = [make.text((9, i), 8) for i in range(4)]
    texts += [make.text((number, 2), 8) + "一文だけ足した。" for number in range(3)] + [make.text((0, 5), 8)]
    make.jsonl(home / "one" / "0.jsonl", ({"id": f"9-{i}", "text": text} for i, text in enumerate(texts)))
    return make.file(home / "m.yaml", MANIFEST)


@pytest.fixture(scope="module")
def packed(make, corpus: Path) -> Path:
    """Write a manifest that packs the same corpus into several binaries."""
    return make.file(corpus.parent / "packed.yaml", PACKED)


@pytest.fixture(scope="module")
def slow(make, tmp_path_factory) -> Path:
    """Write six shards and the family that takes its time."""
    home = tmp_path_factory.mktemp("slow")
    for number in range(6):
        make.texts(home / "s" / f"{number}.jsonl", 3, seed=number)
    make.file(home / "slow_family.py", FAMILY)
    make.file(home / "dask.yaml", "{name: two, engine: dask, workers: 2, bytes_per_worker: 1GiB}")
    return make.file(home / "m.yaml", SLOW)


def environment(manifest: Path, **more: str) -> dict[str, str]:
    paths = [os.fspath(manifest.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


def command(manifest: Path, work: Path, *more: object, name: str = "run") -> list[str]:
    return [KAKEHI, name, os.fspath(manifest), "--work", os.fspath(work), *map(str, more)]


def run(
    manifest: Path, work: Path, *more: object, name: str = "run", before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Call the real command as a process."""
    return subprocess.run(
        command(manifest, work, *more, name=name),
        env=environment(manifest),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=before,
    )


def start(manifest: Path, work: Path, *more: object, slow_s: float = 0) -> subprocess.Popen[str]:
    """Start the real command in a process group of its own."""
    return subprocess.Popen(
        command(manifest, work, *more),
        env=environment(manifest, SLOW_S=str(slow_s)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def published(work: Path) -> dict[str, object]:
    """Digest every published file by its place, and give what every receipt counts and lists."""
    found: dict[str, object] = {}
    for path in sorted(work.rglob("*")):
        place = path.relative_to(work)
        private = {"runs", "tmp", "run.lock", "recipe.json"} & {place.parts[0], path.name}
        if not path.is_file() or private or ".parts/" in place.as_posix():
            continue
        content = json.loads(path.read_bytes()) if path.suffix == ".json" else []
        if {"counts", "outputs"} <= set(content):
            found[place.as_posix()] = [content["counts"], content["outputs"]]
        else:
            found[place.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@cache
def undisturbed(manifest: Path) -> dict[str, object]:
    """Give what a run in one process publishes that nobody disturbs."""
    work = manifest.parent / f"undisturbed-{manifest.stem}"
    assert run(manifest, work).returncode == 0
    return published(work)


def left_over(manifest: Path, work: Path) -> list[str]:
    """Clean, and list what attempts that broke off have left all the same."""
    assert run(manifest, work, "--yes", name="clean").returncode == 0
    hidden = [path for path in work.rglob(".*") if not path.name.startswith("run.lock")]
    return [os.fspath(path) for path in [*(work / "tmp").glob("*"), *hidden]]


def wait_for(said: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is true; a process that ends before is a failure."""
    deadline = time.monotonic() + 90
    while not said():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)


def events(work: Path) -> list[dict[str, object]]:
    """Read the events of the newest run."""
    newest = max((work / "runs").glob("*.jsonl"), key=lambda path: path.name, default=None)
    lines = newest.read_text(encoding="utf-8").splitlines() if newest else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def done_of(work: Path, step: str) -> list[str]:
    return [
        str(event["shard"]) for event in events(work) if (event["event"], event.get("step")) == ("done", step)
    ]


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from tree(int(child))


def workers(pid: int) -> list[int]:
    """Find the Dask workers below the command: what multiprocessing spawned, but for its tracker."""
    return [child for child in tree(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def listening(pids: list[int]) -> set[str]:
    """Name the addresses on which any of the processes listens, as /proc writes them."""
    sockets = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets |= set(re.findall(r"socket:\[(\d+)\]", str(handle.readlink())))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        lines = (
            Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            if Path(f"/proc/net/{table}").exists()
            else []
        )
        for words in map(str.split, lines):
            if words[3] == "0A" and words[9] in sockets:
                found.add(words[1].partition(":")[0])
    return found


LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}

STRIDES = {"rename": 9, "half-json": 9, "receipt": 9, "parts": 1, "full": 17}


@pytest.mark.parametrize(
    ("point", "least"), [("rename", 50), ("half-json", 27), ("receipt", 27), ("parts", 2), ("full", 90)]
)
def test_a_fault_at_a_named_point_costs_a_run_and_no_byte(
    corpus: Path, tmp_path: Path, point: str, least: int
) -> None:
    """Killed before a rename, a receipt, in half of one, before parts go; or the disk full: the next run ends the same."""
    check_faults(corpus, tmp_path, point, least, {"KAKEHI_STRIDE": str(STRIDES[point])})


@pytest.mark.parametrize(
    ("point", "least", "stride"), [("rename", 30, "4"), ("receipt", 3, "1"), ("full", 30, "5")]
)
def test_a_fault_while_packing_costs_a_run_and_no_byte(
    packed: Path, tmp_path: Path, point: str, least: int, stride: str
) -> None:
    """The same while rows and maps are written, to the last file of each."""
    check_faults(packed, tmp_path, point, least, {"KAKEHI_STRIDE": stride, "KAKEHI_UNTIL": "encode"})


def check_faults(corpus: Path, tmp_path: Path, point: str, least: int, settings: dict[str, str]) -> None:
    line = [sys.executable, str(FAULTY), point, "every", str(tmp_path / "w"), "run", str(corpus)]
    done = subprocess.run(line, env={**settings, **os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lives = [[int(word) for word in row.split()] for row in done.stdout.splitlines()]
    assert lives[-1][0] >= least
    assert {code for _, code, _ in lives[:-1]} <= {3 if point == "full" else 137}
    assert {plain for _, _, plain in lives} == {0}
    wanted = published(tmp_path / "w" / "0")
    for number, *_ in lives:
        work = tmp_path / "w" / str(number)
        if point == "full" and number != lives[-1][0]:
            said = (tmp_path / "w" / f"{number}.faulty").read_text()
            assert said.count("error: ") == said.count(f"{str(work)!r}: can't be written to") == 1, said
            assert "hint: free space there, then run again" in said
            assert "Traceback" not in said
        found = published(work)
        assert {place: found.get(place) for place in wanted} == wanted
    assert left_over(corpus, tmp_path / "w" / str(lives[len(lives) // 2][0])) == []


def small_files(limit: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.parametrize(
    ("until", "limit"), [(None, 100), (None, 3000), ("sign", 1500)], ids=["lock", "rows", "corpus"]
)
def test_a_file_that_may_not_grow_is_one_clear_error(
    corpus: Path, tmp_path: Path, until: str | None, limit: int
) -> None:
    """A write that the system refuses stops the run with a way out; without the limit the next run ends as ever."""
    if until:
        assert run(corpus, tmp_path / "w", "--until", until).returncode == 0
    done = run(corpus, tmp_path / "w", before=small_files(limit))
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("error: ") == 1
    assert f"{str(tmp_path / 'w')!r}: can't be written to (File too large)" in done.stderr
    assert "hint: " in done.stderr
    assert "free space" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert run(corpus, tmp_path / "w").returncode == 0
    assert published(tmp_path / "w") == undisturbed(corpus)


#: In a mount namespace of its own: a run to a step, the disk made small, a run that fills it, the disk made large again,
#: a run that goes on, a copy of all.
FULL_DISK = """\
mount -t tmpfs -o size=64m none w || exit 99
test -z "$UNTIL" || "$@" --until $UNTIL > before.out 2> before.err || exit 98
mount -o remount,size=$(($(df -k --output=used w | tail -1) + $ROOM))k w
"$@" > full.out 2> full.err; echo $? > full.code
mount -o remount,size=64m w
"$@" > more.out 2> more.err; echo $? > more.code
cp -r w copy
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount namespace")
@pytest.mark.parametrize(
    ("name", "until", "room"), [("corpus", "", 60), ("packed", "encode", 60), ("packed", "pack", 12)]
)
def test_a_full_disk_is_one_clear_error(request, tmp_path: Path, name: str, until: str, room: int) -> None:
    """On a disk that is really full the run stops with a way out; with more space the next ends as ever."""
    corpus = request.getfixturevalue(name)
    (tmp_path / "w").mkdir()
    line = ["unshare", "--map-root-user", "--mount", "sh", "-c", FULL_DISK, "sh", *command(corpus, Path("w"))]
    done = subprocess.run(
        line,
        cwd=tmp_path,
        env={**os.environ, "UNTIL": until, "ROOM": str(room)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in {1, 99} and not (tmp_path / "full.code").exists():
        pytest.skip(f"no mount namespace here: {done.stderr}")
    said = (tmp_path / "full.err").read_text()
    assert (tmp_path / "full.code").read_text() == "3\n", said
    assert said.count("error: ") == 1
    assert "w': can't be written to (No space left on device)\nhint: free space there, then run again" in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert (tmp_path / "more.code").read_text() == "0\n", (tmp_path / "more.err").read_text()
    assert published(tmp_path / "copy") == undisturbed(corpus)


def no_override() -> None:
    """Let permissions bind root, too: drop CAP_DAC_OVERRIDE from what the command may have."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by Linux's capabilities")
def test_a_read_only_folder_is_one_clear_error(corpus: Path, tmp_path: Path) -> None:
    """A folder in the work folder can't be written to: one error, and the next run goes on."""
    work = tmp_path / "w"
    (work / "screen").mkdir(parents=True)
    (work / "screen").chmod(0o555)
    done = run(corpus, work, before=no_override)
    (work / "screen").chmod(0o755)
    assert done.returncode == 3, done.stderr
    assert f"{str(work)!r}: can't be written to (Permission denied)" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert run(corpus, work).returncode == 0


def twice(task: ShardTask, barrier: object, said: object) -> None:
    """Run a task at the same time as another process does."""
    barrier.wait()
    receipt = run_shard(task)
    said.put((dict(receipt.counts), receipt.outputs))


def test_a_worker_presumed_dead_that_goes_on_writing_harms_nothing(corpus: Path, tmp_path: Path) -> None:
    """Two processes run the shard of three files at once: the same receipt, the whole output."""
    store = Store(tmp_path / "w")
    [step] = [s for s in discovery.make_plan(load(corpus), store) if (s.name, s.source) == ("ingest", "many")]
    [shard] = step.todo
    task = ShardTask(
        root=store.root,
        step=step.name,
        stage="ingest",
        address=step.address,
        parameters=step.parameters,
        shard=shard,
    )
    spawn = multiprocessing.get_context("spawn")
    barrier, said = spawn.Barrier(2), spawn.Queue()
    twins = [spawn.Process(target=twice, args=(task, barrier, said)) for _ in range(2)]
    for twin in twins:
        twin.start()
    found = [said.get(timeout=60) for _ in twins]
    for twin in twins:
        twin.join()
    assert found[0] == found[1]
    receipt = store.receipt("ingest", step.address, "many", shard.name)
    assert receipt is not None
    assert store.fault(receipt, verify=True) is None
    parts = store.parts("ingest", step.address, "many", shard.name)
    assert parts.exists()  # the twin that ends first must not take them from the other
    assert run(corpus, tmp_path / "w").returncode == 0
    assert published(tmp_path / "w") == undisturbed(corpus)
    assert left_over(corpus, tmp_path / "w") == []


@needs_proc
def test_a_killed_worker_costs_a_retry_and_nothing_listens_beyond_loopback(
    slow: Path, tmp_path: Path
) -> None:
    """SIGKILL for a worker of the real command: the run ends well; `status` has followed it; all sockets are local."""
    process = start(slow, tmp_path / "w", "--machine", slow.with_name("dask.yaml"), slow_s=1.5)
    wait_for(lambda: done_of(tmp_path / "w", "measure"), process)
    open_to = listening(list(tree(process.pid)))
    assert open_to
    assert open_to <= LOOPBACK
    said = subprocess.run(
        [KAKEHI, "status", "--work", str(tmp_path / "w")], capture_output=True, text=True, check=True
    )
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert "watch at" not in err
    assert "Traceback" not in err
    assert re.search(r"measure s +runs +\d/6 shards", said.stdout)
    assert said.stdout.endswith("under way\n")
    assert published(tmp_path / "w") == undisturbed(slow)


@needs_proc
def test_a_killed_command_takes_its_workers_along(slow: Path, tmp_path: Path) -> None:
    """SIGKILL for the command alone: no worker is left behind, `status` says so, the next run sweeps up and goes on."""
    process = start(slow, tmp_path / "w", "--machine", slow.with_name("dask.yaml"), slow_s=0.3)
    wait_for(lambda: done_of(tmp_path / "w", "measure"), process)
    below = workers(process.pid)
    process.kill()
    process.communicate(timeout=60)
    said = subprocess.run(
        [KAKEHI, "status", "--work", str(tmp_path / "w")], capture_output=True, text=True, check=True
    )
    assert said.stdout.endswith("broke off: run again to go on\n")
    assert below
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
    scratch = f"kakehi-*-{process.pid}-*"
    assert list(Path(tempfile.gettempdir()).glob(scratch))
    assert run(slow, tmp_path / "w", "--machine", slow.parent / "dask.yaml").returncode == 0
    assert not list(Path(tempfile.gettempdir()).glob(scratch))
    assert published(tmp_path / "w") == undisturbed(slow)
    assert left_over(slow, tmp_path / "w") == []


@needs_proc
def test_a_shard_that_kills_every_worker_is_given_up_alone(slow: Path, make, tmp_path: Path) -> None:
    """All other shards are done, the step is not; the error names the record and the ways out, and each of them works."""
    home = tmp_path / "deadly"
    shutil.copytree(slow.parent, home)
    make.jsonl(home / "s" / "deadly.jsonl", [{"id": "x", "text": "おちろ。" * 40}])
    manifest = home / "m.yaml"
    done = run(manifest, tmp_path / "w", "--machine", home / "dask.yaml")
    assert done.returncode == 5, done.stderr
    [named] = re.findall(r"error: measure: s/(\S+) at s/deadly.jsonl@0: it killed 4 workers", done.stderr)
    assert (
        "hint: give it more memory (bytes_per_worker in the machine file), or mend the input and run again,"
        " or leave out with skip: 's/deadly.jsonl@0' in source 's'; all other shards are kept\n"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert len(done_of(tmp_path / "w", "measure")) == 6
    assert (tmp_path / "w" / "exact").exists()  # it does not read what failed
    assert not (tmp_path / "w" / "screen").exists()
    assert (
        "measure s            failed"
        in subprocess.run(
            [KAKEHI, "status", "--work", str(tmp_path / "w")], capture_output=True, text=True, check=True
        ).stdout
    )
    around = home / "skip.yaml"
    around.write_text(
        manifest.read_text(encoding="utf-8").replace("files:", "skip: s/deadly.jsonl@0, files:"),
        encoding="utf-8",
    )
    done = run(around, tmp_path / "w")
    assert done.returncode == 0, done.stderr
    assert re.search(r"reject: skipped +-1\b", done.stdout), done.stdout
    assert len(done_of(tmp_path / "w", "ingest")) == 1
    (home / "mended").touch()
    assert run(manifest, tmp_path / "w").returncode == 0
    assert done_of(tmp_path / "w", "measure") == [named]


def test_two_runs_at_once_and_a_dead_runs_claim(slow: Path, tmp_path: Path) -> None:
    """The second refuses and names the first; once the first is killed, its lock is taken over."""
    process = start(slow, tmp_path / "w", slow_s=0.5)
    wait_for(lambda: done_of(tmp_path / "w", "measure"), process)
    second = run(slow, tmp_path / "w")
    assert second.returncode == 5
    assert re.search(rf"a run is under way on \S+, pid {process.pid}, since 20\S+\nhint: ", second.stderr)
    process.kill()
    process.communicate()
    assert run(slow, tmp_path / "w").returncode == 0
    assert len(done_of(tmp_path / "w", "measure")) < 6
    assert not (tmp_path / "w" / "run.lock").exists()


def test_a_walltime_stops_in_time_and_the_next_run_goes_on(slow: Path, tmp_path: Path) -> None:
    """Exit code 75 before the limit, `status` says why, and what is done is kept."""
    started = time.monotonic()
    process = start(slow, tmp_path / "w", "--walltime", "12s", slow_s=3)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert out == ""
    assert "the walltime is nearly over: what is done is kept, run again to go on" in err
    assert time.monotonic() - started < 12 + 6  # Python and its modules are read before the clock starts
    done = done_of(tmp_path / "w", "measure")
    assert 1 <= len(done) < 6
    said = subprocess.run(
        [KAKEHI, "status", "--work", str(tmp_path / "w")], capture_output=True, text=True, check=True
    )
    assert said.stdout.endswith("stopped at its walltime\n")
    assert run(slow, tmp_path / "w").returncode == 0
    assert len(done_of(tmp_path / "w", "measure")) == 6 - len(done)


def test_bars_are_drawn_on_a_terminal_and_data_stays_apart(corpus: Path, tmp_path: Path) -> None:
    """With stderr on a terminal there are bars; stdout has the funnel and nothing else."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command(corpus, tmp_path / "w"), stdout=out, stderr=slave)
    os.close(slave)
    drawn = b""
    while True:
        try:
            drawn += (chunk := os.read(master, 1 << 16))
        except OSError:  # Linux says EIO where the other end is closed
            break
        if not chunk:
            break
    os.close(master)
    assert process.wait(timeout=60) == 0
    assert re.search(rb"measure many +: 100%\|.*1/1 .*18 rows", drawn)
    assert not re.search(rb"\r *\r\n|\n\r?\n", drawn)  # this terminal says that it has no columns
    lines = (tmp_path / "out").read_text(encoding="utf-8").splitlines()
    assert lines[0].split() == ["documents", "characters"]
    assert not any("%|" in line or "first run" in line for line in lines)
