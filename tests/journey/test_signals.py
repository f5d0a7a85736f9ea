"""What ends a run from outside, or from below: signals, memory, names and clocks, each said in one line."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from kakehi.pipeline.execution.bookmark import Bookmark, read_bookmark
from tests.journey.test_faults import (
    FAMILY,
    KAKEHI,
    SLOW,
    done_of,
    environment,
    published,
    run,
    start,
    tree,
    wait_for,
)

pytestmark = pytest.mark.slow

#: A name as a zip archive from a Japanese Windows gives it: テスト in Shift_JIS.
ODD = b"\x83e\x83X\x83g"

#: What asks for more memory than there can be.
HUNGRY = FAMILY.replace("return (", "import numpy as np; np.zeros(1 << 60, np.int8)\n    return (")

#: In a mount namespace of its own: a disk without a free block, and a bookmark on it.
FULL = """\
mount -t tmpfs -o size=16k none "$1" || exit 99
mkdir "$1/x"; head -c 64k /dev/zero > "$1/fill"
exec "$2" -c 'import sys; from pathlib import Path; from kakehi.pipeline.execution.bookmark import Bookmark; Bookmark(Path(sys.argv[1]) / "x" / "at").move(0, -1)' "$1"
"""


@pytest.fixture(scope="module")
def slow(make, tmp_path_factory) -> Path:
    """Write six shards and the family that takes its time."""
    home = tmp_path_factory.mktemp("signals")
    for number in range(6):
        make.texts(home / "s" / f"{number}.jsonl", 3, seed=number)
    make.file(home / "slow_family.py", FAMILY)
    make.file(home / "dask.yaml", "{name: two, engine: dask, workers: 2, bytes_per_worker: 1GiB}")
    return make.file(home / "m.yaml", SLOW)


def alive(pid: int) -> bool:
    """Say whether a process runs; one that nobody has asked after is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="NOT RUN: processes are found in /proc")
@pytest.mark.parametrize("engine", ["inline", "dask"])
@pytest.mark.parametrize(
    ("signals", "to_all", "code"),
    [
        ([signal.SIGTERM], False, 143),
        ([signal.SIGTERM, signal.SIGTERM, signal.SIGTERM], False, 143),
        ([signal.SIGHUP], False, 129),
        ([signal.SIGTERM], True, 143),
        ([signal.SIGINT], True, 130),
    ],
    ids=["term", "thrice", "hangup", "all", "ctrl-c"],
)
def test_a_signal_in_the_middle_of_a_shard_ends_a_run_in_order(
    slow: Path, tmp_path: Path, engine: str, signals: list[signal.Signals], to_all: bool, code: int
) -> None:
    """One line says by what; the claim is given back, no worker is left, `status` knows, and the next run goes on."""
    more = ("--machine", slow.with_name("dask.yaml")) if engine == "dask" else ()
    work = tmp_path / "w"
    process = start(slow, work, *more, slow_s=1)
    wait_for(lambda: done_of(work, "measure"), process)
    below = list(tree(process.pid))
    for number in signals:
        (os.killpg if to_all else os.kill)(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    by = "" if code == 130 else f" by {signals[0].name}"
    assert err.endswith(f"\nstopped{by}: what is done is kept; run again to go on\n")
    assert "Traceback" not in err
    assert not (work / "run.lock").exists()
    wait_for(lambda: not any(map(alive, below)))
    assert not list(Path(tempfile.gettempdir()).glob(f"kakehi-{process.pid}-*"))
    assert not list((work / "tmp").iterdir()) or (engine == "dask" and to_all)
    said = subprocess.run([KAKEHI, "status", "--work", str(work)], capture_output=True, text=True, check=True)
    assert said.stdout.endswith(f"ended: KeyboardInterrupt: {signals[0].name}\n")
    assert run(slow, work).returncode == 0
    assert 0 < len(done_of(work, "measure")) < 6
    assert run(slow, work, "--yes", name="clean").returncode == 0
    assert not list((work / "tmp").iterdir())


def test_under_nohup_a_hangup_stays_ignored(slow: Path, tmp_path: Path) -> None:
    """What is ignored at the start is not heard: the run goes to its end."""
    line = ["nohup", KAKEHI, "run", str(slow), "--work", str(tmp_path / "w")]
    process = subprocess.Popen(
        line,
        env=environment(slow, SLOW_S="0.3"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: done_of(tmp_path / "w", "measure"), process)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


@pytest.mark.parametrize("engine", ["inline", "dask"])
def test_memory_that_cant_be_had_is_one_clear_error(slow: Path, make, tmp_path: Path, engine: str) -> None:
    """Exit code 5, the shard, and what to change; no traceback."""
    home = tmp_path / "hungry"
    shutil.copytree(slow.parent, home)
    make.file(home / "slow_family.py", HUNGRY)
    more = ("--machine", home / "dask.yaml") if engine == "dask" else ()
    done = run(home / "m.yaml", tmp_path / "w", *more)
    assert done.returncode == 5, done.stderr
    assert "out of memory" in done.stderr
    assert "hint: give a task more memory or run fewer workers" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_that_are_no_utf8_are_refused_in_words(make, tmp_path: Path) -> None:
    """Of an input, a folder, the manifest and the work folder; a name that no pattern names does no harm."""
    odd = Path(os.fsdecode(ODD))
    home = tmp_path / "h"
    good = make.texts(home / "in" / "a.jsonl", 3)
    bad = home / "in" / f"{odd}.jsonl"
    try:
        make.texts(bad, 3)
    except OSError:
        pytest.skip("NOT RUN: this file system takes no such name")
    text = "corpus: h\nsources:\n  s: {ingest: {files: 'in/*'}}\nmeasure: [script]\n"
    manifest = make.file(home / "m.yaml", text)

    def refused(what: str, *arguments: object) -> None:
        done = subprocess.run(
            [KAKEHI, *map(os.fsencode, map(str, arguments))],
            env=os.environ,
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=120,
        )
        said = done.stderr.decode()
        assert done.returncode == 3, said
        assert f"error: {what} '" in said
        assert "\\x83e\\x83X\\x83g" in said
        assert "got a name that is no UTF-8\nhint: rename it" in said
        assert "Traceback" not in said

    for name in ("check", "plan", "run"):
        more = () if name == "check" else ("--work", tmp_path / "w")
        refused("input file", name, manifest, *more)
    bad.rename(home / "out.jsonl")
    shutil.copytree(home, tmp_path / odd)
    for name in ("check", "plan", "run"):
        refused("manifest", name, tmp_path / odd / "m.yaml")
        if name != "check":
            refused("work folder", name, manifest, "--work", tmp_path / f"{odd}w")
    assert not (tmp_path / f"{odd}w").exists()
    assert run(manifest, tmp_path / "w").returncode == 0
    (tmp_path / "w" / "tmp" / odd).mkdir()
    done = run(manifest, tmp_path / "w", name="clean")
    assert done.returncode == 0, done.stderr
    assert "would remove" in done.stdout
    assert "\\udc83" in done.stdout
    assert good.exists()


def test_a_full_disk_under_a_bookmark_is_an_error(tmp_path: Path) -> None:
    """No SIGBUS: ENOSPC where a small disk can be mounted."""
    if shutil.which("unshare") is None:
        pytest.skip("NOT RUN: no unshare here")
    (tmp_path / "disk").mkdir()
    line = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        FULL,
        "sh",
        str(tmp_path / "disk"),
        sys.executable,
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode in {1, 99} and "OSError" not in done.stderr:
        pytest.skip(f"NOT RUN: no mount namespace here: {done.stderr}")
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "No space left on device" in done.stderr.splitlines()[-1]


def test_a_bookmark_that_may_not_grow_is_an_error(tmp_path: Path) -> None:
    """The same where only the size of files is bounded; and a place that was never written is none."""
    with Bookmark(tmp_path / "a" / "at") as bookmark:
        assert read_bookmark(tmp_path / "a" / "at") is None
        bookmark.move(0, -1)
        assert read_bookmark(tmp_path / "a" / "at") == (0, -1)
    with Bookmark(tmp_path / "a" / "at") as bookmark:
        assert bookmark.before == (0, -1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Bookmark(tmp_path / "b" / "at").move(0, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


CLOCKLESS = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    const char *said = getenv("CLOCK_SAYS");
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    if (id != CLOCK_REALTIME || !said) return real(id, now);
    if (*said == 'x') { errno = EPERM; return -1; }
    now->tv_sec = atol(said); now->tv_nsec = 0;
    return 0;
}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="NOT RUN: a clock is put in front of Linux's")
def test_a_clock_that_is_wrong_decides_no_byte(slow: Path, make, tmp_path: Path) -> None:
    """1970, before it, and 2200: the run ends as ever, and `status` can tell it; one that can't be read is one error."""
    if shutil.which("cc") is None:
        pytest.skip("NOT RUN: no C compiler here")
    source, library = make.file(tmp_path / "clock.c", CLOCKLESS), tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    assert run(slow, tmp_path / "alone").returncode == 0
    for number, said in enumerate(["3", "-86400", "7258118400", "x"]):
        work = tmp_path / str(number)
        done = subprocess.run(
            [KAKEHI, "run", str(slow), "--work", str(work)],
            env=environment(slow, LD_PRELOAD=str(library), CLOCK_SAYS=said),
            capture_output=True,
            text=True,
            check=False,
        )
        if said == "x":
            assert done.returncode == 3, done.stderr
            assert done.stderr.startswith(
                "error: the system's clock can't be read (Operation not permitted)\nhint: "
            )
            break
        assert done.returncode == 0, (said, done.stderr)
        assert published(work) == published(tmp_path / "alone")
        [events] = (work / "runs").iterdir()
        assert json.loads(events.read_text().splitlines()[-1])["event"] == "end"
        told = subprocess.run(
            [KAKEHI, "status", "--work", str(work)], capture_output=True, text=True, check=False
        )
        assert told.stdout.endswith("finished\n"), told.stderr
