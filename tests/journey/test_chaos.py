"""Kill whole runs at random moments, then let one end: the same bytes.

`KAKEHI_CHAOS` is the number of kills, `KAKEHI_SEED` repeats a sequence of moments.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journey.conftest import Journey
from tests.journey.test_quickstart import digests

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KAKEHI_CHAOS", "5"))
SEED = int(os.environ.get("KAKEHI_SEED", str(time.time_ns() % 1_000_000)))

MACHINE = "{name: chaos, engine: dask, workers: 2, bytes_per_worker: 2GiB}"

#: Seconds within which a run is killed: a whole one takes seven or more, but goes on where others were killed.
LATEST_S = 6.0


def test_killed_at_random_moments_a_run_still_ends_with_the_same_bytes(
    finished: Journey, fresh: Journey
) -> None:
    """SIGKILL for the whole process group, now inline, now on Dask; a work folder that is done is begun anew."""
    rng = random.Random(SEED)  # noqa: S311 - not for secrets
    (fresh.home / "machine.yaml").write_text(MACHINE, encoding="utf-8")
    print(f"chaos: {KILLS} kills, KAKEHI_SEED={SEED}")  # noqa: T201 - to repeat it
    killed, whole = 0, 0
    while killed < KILLS:
        on_dask, moment = rng.random() < 0.4, rng.uniform(0.5, LATEST_S)
        line = [str(Path(sys.executable).with_name("kakehi")), "run", "quickstart.yaml"]
        process = subprocess.Popen(
            [*line, *(["--machine", "machine.yaml"] if on_dask else [])],
            cwd=fresh.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, said = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            _, said = process.communicate()
            killed += 1
            assert b"Traceback" not in said, said.decode()
            continue
        assert process.returncode == 0, said.decode()
        assert digests(fresh) == digests(finished)
        whole += 1
        (fresh.home / "work").rename(fresh.home / f"whole-{whole}")
    fresh.run()
    print(f"chaos: {killed} runs killed, {whole + 1} ended")  # noqa: T201 - how it went
    assert digests(fresh) == digests(finished)
    assert not [s for s in fresh.plan() if s.action == "run"]
    fresh.run("--yes", command="clean")
    assert not list((fresh.home / "work" / "tmp").glob("*"))
    assert not list((fresh.home / "work").rglob(".*"))
