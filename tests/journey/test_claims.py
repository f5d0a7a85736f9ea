"""Two runs at one work folder that can't look at each other's process: as two containers of one host name are."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kakehi.pipeline.storage.claims import read_claim
from tests.journey.test_faults import FAMILY, SLOW, done_of, environment, published, run, wait_for

pytestmark = pytest.mark.slow

#: The real command with a heartbeat that beats, and is given up, sooner.
QUICK = """\
from kakehi.pipeline.engines.lock import RunLock
RunLock.__init__.__kwdefaults__.update(heartbeat_s=0.2, dead_after_s=2.0)
from kakehi.pipeline.cli.main import main
main()
"""

#: A process namespace of its own, whose end ends the command.
APART = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.fixture(scope="module")
def slow(make, tmp_path_factory) -> Path:
    """Write six shards and a family that takes its time; skip where no namespace can be made."""
    try:
        done = subprocess.run([*APART, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("NOT RUN: no unshare here")
    if done.returncode:
        pytest.skip(f"NOT RUN: no process namespace here: {done.stderr.strip()}")
    home = tmp_path_factory.mktemp("claims")
    for number in range(6):
        make.texts(home / "s" / f"{number}.jsonl", 3, seed=number)
    make.file(home / "slow_family.py", FAMILY)
    return make.file(home / "m.yaml", SLOW)


def start(
    manifest: Path, work: Path, *more: str, name: str = "run", slow_s: float = 0.5
) -> subprocess.Popen[str]:
    """Start the command in a process namespace of its own."""
    line = [*APART, sys.executable, "-c", QUICK, name, str(manifest), "--work", str(work), *more]
    return subprocess.Popen(
        line,
        env=environment(manifest, SLOW_S=str(slow_s)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command_of(process: subprocess.Popen[str]) -> int:
    """Find the command below its `unshare`, by the number it has here."""
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def test_a_living_run_in_another_namespace_keeps_its_claim(slow: Path, tmp_path: Path) -> None:
    """A second run and `clean --yes` say that they wait, see its heartbeat and refuse; the first ends undisturbed."""
    first = start(slow, tmp_path / "w", slow_s=2)
    wait_for(lambda: done_of(tmp_path / "w", "ingest"), first)
    for name, more in (("run", ()), ("clean", ("--yes",))):
        other = start(slow, tmp_path / "w", *more, name=name)
        _, err = other.communicate(timeout=60)
        assert other.returncode == 5, err
        assert "which can't be looked at from here; waiting up to 2 s for a heartbeat\n" in err
        assert "a run is under way on " in err
        assert "Traceback" not in err
    _, err = first.communicate(timeout=90)
    assert first.returncode == 0, err
    assert run(slow, tmp_path / "alone").returncode == 0
    assert published(tmp_path / "w") == published(tmp_path / "alone")


def test_a_stopped_run_that_was_taken_over_stops_when_it_wakes(slow: Path, tmp_path: Path) -> None:
    """It publishes nothing more, leaves the other's claim alone and says so with exit code 5; the other ends well."""
    work = tmp_path / "w"
    first = start(slow, work, slow_s=1)
    wait_for(lambda: done_of(work, "ingest"), first)
    os.kill(command_of(first), signal.SIGSTOP)
    second = start(slow, work, slow_s=2)
    held = read_claim(work / "run.lock")
    assert held is not None

    def taken_over() -> bool:
        now = read_claim(work / "run.lock")
        return now is not None and now.holder is not None and now.holder != held.holder

    wait_for(taken_over, second)
    events = min((work / "runs").iterdir())  # of the first
    done = events.read_text(encoding="utf-8").count('"event": "done"')
    os.kill(command_of(first), signal.SIGCONT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 5, err
    assert "error: " in err
    assert "this run has lost its claim: another run took it over (" in err
    assert "Traceback" not in err
    assert taken_over()
    assert events.read_text(encoding="utf-8").count('"event": "done"') == done
    _, err = second.communicate(timeout=90)
    assert second.returncode == 0, err
    assert not (work / "run.lock").exists()
    assert run(slow, tmp_path / "alone").returncode == 0
    assert published(work) == published(tmp_path / "alone")


def test_a_run_killed_in_another_namespace_is_taken_over_when_its_heart_stood_still(
    slow: Path, tmp_path: Path
) -> None:
    """After the time said, and the run goes on from what is done."""
    first = start(slow, tmp_path / "w", slow_s=0.5)
    wait_for(lambda: done_of(tmp_path / "w", "measure"), first)
    os.kill(command_of(first), signal.SIGKILL)
    first.communicate(timeout=60)
    second = start(slow, tmp_path / "w", slow_s=0)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert "waiting up to 2 s for a heartbeat" in err
    assert 0 < len(done_of(tmp_path / "w", "measure")) < 6
