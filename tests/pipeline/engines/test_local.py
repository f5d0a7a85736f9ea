"""A cluster started here lets nobody else in, and what goes wrong with it is one error of ours, soon."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import Future, LocalCluster

from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.errors import EngineError

pytestmark = [
    pytest.mark.slow,
    # distributed warns of its own making while a cluster that lost parts is closed.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: Becomes another user where it is root; then asks each port for what it knows, and the first one to run a task:
#: without TLS, and with a certificate of its own. Prints what let it in.
ATTACK = """\
import asyncio, os, sys
import distributed.http.scheduler.json
from distributed import Client, Security
from distributed.core import rpc

own = Security.temporary()

def told(address, security):
    async def ask():
        async with rpc(address, timeout=3, connection_args=(security or Security()).get_connection_args("client")) as remote:
            return await remote.identity()
    return asyncio.run(asyncio.wait_for(ask(), 5))["id"]

def ran(address, security):
    with Client(address, timeout="3s", security=security) as client:
        return client.submit(os.getpid).result(timeout=5)

if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print("attacker", os.getuid())
for number, port in enumerate(sys.argv[1:]):
    for address, security in ((f"tcp://127.0.0.1:{port}", None), (f"tls://127.0.0.1:{port}", own)):
        for attempt in (told, ran) if number == 0 else (told,):
            try:
                print("IN", attempt.__name__, address, attempt(address, security), flush=True)
            except Exception as error:
                print("refused", attempt.__name__, address, repr(error)[:300].replace("\\n", " "), flush=True)
os._exit(0)
"""


@pytest.fixture
def cluster() -> Iterator[Dask]:
    with Dask(workers=1, bytes_per_worker=400 << 20) as opened:
        yield opened


def ports() -> set[str]:
    """Name the ports on which this process and those below it listen."""
    mine = {str(os.getpid())}
    for _ in range(3):
        mine |= {
            stat.parent.name
            for stat in Path("/proc").glob("[0-9]*/stat")
            if stat.read_text().rpartition(")")[2].split()[1] in mine
        }
    sockets = set()
    for pid in mine:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                sockets |= set(re.findall(r"socket:\[(\d+)\]", os.fspath(handle.readlink())))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {str(int(row[1].partition(":")[2], 16)) for row in rows if row[3] == "0A" and row[9] in sockets}


def attack(asked: list[str]) -> list[str]:
    """Let another user, or where we are not root a stranger without our certificate, try all ports."""
    done = subprocess.run(
        [sys.executable, "-c", ATTACK, *asked], capture_output=True, text=True, timeout=120, check=False
    )
    attacker, *said = done.stdout.splitlines()
    assert attacker == f"attacker {os.getuid() or 65534}", done.stderr
    assert len(said) == 2 * len(asked) + 2, done.stderr
    return [line for line in said if line.startswith("IN")]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="ports are found in /proc")
def test_nobody_else_gets_in_at_any_port(cluster: Dask) -> None:
    """No port runs or tells a thing, to another user where we are root; a cluster without certificates does both."""
    scheduler = cluster._client.scheduler.address.rpartition(":")[2]
    asked = [scheduler, *sorted(ports() - {scheduler})]
    assert len(asked) >= 4  # scheduler, its pages, a nanny, a worker
    assert attack(asked) == []
    assert dict(cluster.map(abs, [-1])) == {0: 1}
    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as plain:
        let_in = attack([plain.scheduler_address.rpartition(":")[2]])
        assert [line.split()[1] for line in let_in] == ["told", "ran"]


def test_pages_are_shown_only_where_asked_for(cluster: Dask) -> None:
    """Without `dashboard` the pages are not there; with it their address is told."""
    assert cluster.dashboard is None
    for port in ports():
        for page in ("status", "info/main/workers.html", "metrics", "json/identity.json"):
            with pytest.raises((urllib.error.URLError, OSError)):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=2)
    with Dask(workers=1, bytes_per_worker=400 << 20, dashboard=True) as shown:
        assert shown.dashboard
        with urllib.request.urlopen(f"http://{shown.dashboard.partition('://')[2]}", timeout=20) as answer:
            assert answer.status == 200


def fails_soon(engine: Dask, trouble: Callable[[], object]) -> str:
    """Make trouble while a task is under way; give the error that follows within 30 s."""
    threading.Timer(2, trouble).start()
    started = time.monotonic()
    with pytest.raises(EngineError) as failed:
        list(engine.map(time.sleep, [60, 60]))
    assert time.monotonic() - started < 30
    assert failed.value.hint
    return failed.value.message


def test_a_cluster_that_is_closed_under_a_run_is_one_error() -> None:
    """Closed from another thread, while a task is under way."""
    with Dask(workers=1, bytes_per_worker=400 << 20) as engine:
        assert "the cluster" in fails_soon(engine, engine._cluster.close)


def test_cancelled_tasks_are_one_error(cluster: Dask) -> None:
    """Cancelled by somebody else on the cluster."""
    assert "cancelled" in fails_soon(
        cluster, lambda: cluster._client.cancel(list_futures(cluster), force=True)
    )


def list_futures(engine: Dask) -> list[object]:
    return [Future(key, engine._client) for key in list(engine._client.futures)]


def test_a_client_that_is_cut_off_is_one_error(cluster: Dask) -> None:
    """Its connection to the scheduler is broken under it."""
    comm = cluster._client.scheduler_comm.comm
    said = fails_soon(cluster, lambda: cluster._client.loop.add_callback(comm.abort))
    assert "the cluster" in said


def test_workers_that_can_t_start_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command for workers that ends at once, and one that isn't there."""
    for command in ("/bin/false", "/no/such/python"):
        if not Path("/bin/false").exists():
            pytest.skip("no /bin/false")
        with monkeypatch.context() as changed:
            changed.setattr("multiprocessing.spawn._python_exe", command.encode())
            assert multiprocessing.spawn.get_executable() == command.encode()
            started = time.monotonic()
            with (
                pytest.raises(EngineError, match="can't be started") as failed,
                Dask(workers=1, bytes_per_worker=400 << 20),
            ):
                pass
            assert failed.value.hint
            assert time.monotonic() - started < 30
