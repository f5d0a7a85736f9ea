"""Clusters that run already: behind certificates, without, and dying under a run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Security

from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.engines.machine import load_machine
from kakehi.pipeline.errors import EngineError
from tests.journey.test_engines import begun, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

MANIFEST = "{corpus: c, sources: {s: {ingest: {files: s.jsonl}}}, measure: [script]}"

#: A family that tells that it has begun, and takes its time.
FAMILY = """\
import time
from pathlib import Path
import pyarrow as pa
from kakehi.filters.signals.family import Family, Signal

def measure(text):
    Path(__file__).with_name("begun").touch()
    time.sleep(60)
    return (pa.array([1] * len(text), pa.int64()),)

FAMILY = Family(measure=measure, reads=("text",), signals=(Signal(name="slow", dtype=pa.int64(), unit="characters", source="here"),),
                version=1, libraries=())
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a corpus, and certificates as docs/clusters.md makes them."""
    security = Security.temporary()
    (tmp_path / "cert.pem").write_text(security.tls_client_cert)
    (tmp_path / "key.pem").write_text(security.tls_client_key)
    (tmp_path / "s.jsonl").write_text('{"id": "1", "text": "これは日本語の文章です。"}\n', encoding="utf-8")
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "slow.yaml").write_text(MANIFEST.replace("script", '"slow_family:FAMILY"'))
    (tmp_path / "slow_family.py").write_text(FAMILY)
    (tmp_path / "tls.yaml").write_text("tls: {ca_file: cert.pem, cert: cert.pem, key: key.pem}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return tmp_path


@pytest.fixture
def parts(home: Path, request: pytest.FixtureRequest) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start a scheduler and a worker that are no children of the command, `tls` or `tcp`."""
    place = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(home / "scheduler.json")]
    if request.param == "tls":
        place += [
            "--protocol",
            "tls",
            "--tls-ca-file",
            "cert.pem",
            "--tls-cert",
            "cert.pem",
            "--tls-key",
            "key.pem",
        ]
    started = [begun(["distributed.cli.dask_scheduler", *place, "--port", "0"], home / "scheduler.log", home)]
    try:
        wait_for(lambda: (home / "scheduler.json").exists() and (home / "scheduler.json").read_text())
        worker = ["distributed.cli.dask_worker", *place, "--nthreads", "1", "--memory-limit", "500MiB"]
        started.append(begun(worker, home / "worker.log", home))
        yield started
    finally:
        for part in started:
            os.killpg(part.pid, signal.SIGKILL)
            part.wait(timeout=30)


def start(home: Path, manifest: str, *more: str) -> subprocess.Popen[str]:
    line = [
        str(Path(sys.executable).with_name("kakehi")),
        "run",
        manifest,
        "--scheduler",
        "scheduler.json",
        *more,
    ]
    return subprocess.Popen(line, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("parts", ["tls"], indirect=True)
def test_a_cluster_with_certificates_takes_those_who_have_them(home: Path, parts: object) -> None:
    """With the files of the machine file a run is done; without, it ends in one error; memory is the cluster's own."""
    stranger = start(home, "m.yaml")
    _, err = stranger.communicate(timeout=60)
    assert (stranger.returncode, "Traceback" in err, "certificates" in err) == (5, False, True), err
    ours = start(home, "m.yaml", "--machine", "tls.yaml")
    _, err = ours.communicate(timeout=90)
    assert ours.returncode == 0, err
    assert "warning" not in err


@pytest.mark.parametrize("parts", ["tcp"], indirect=True)
def test_a_cluster_without_certificates_is_said_loudly(home: Path, parts: object) -> None:
    """The run goes on, and says who else can run code there; its memory limit is asked, up to where it pauses."""
    process = start(home, "m.yaml")
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert re.search(r"warning: tcp://\S+ asks nobody who they are", err)
    with Dask(workers=1, bytes_per_worker=4 << 30, scheduler=str(home / "scheduler.json")) as engine:
        assert engine.bytes_per_worker == int((500 << 20) * 0.8)
        assert dict(engine.map(abs, [-1])) == {0: 1}


@pytest.mark.parametrize("parts", ["tcp"], indirect=True)
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_scheduler_that_dies_is_one_error_soon(
    home: Path, parts: list[subprocess.Popen[bytes]], blow: signal.Signals
) -> None:
    """Killed or frozen under a run: exit code 5 within 30 s, a hint, no traceback."""
    process = start(home, "slow.yaml")
    wait_for((home / "begun").exists)
    os.kill(parts[0].pid, blow)
    struck = time.monotonic()
    _, err = process.communicate(timeout=90)
    assert time.monotonic() - struck < 30
    assert process.returncode == 5, err
    assert "the cluster is gone" in err
    assert "hint: " in err
    assert "Traceback" not in err


def test_certificates_that_are_not_there_are_one_error(home: Path) -> None:
    """The error names what can't be read."""
    (home / "cert.pem").unlink()
    machine = load_machine(home / "tls.yaml")
    with (
        pytest.raises(EngineError, match="can't be reached"),
        Dask(workers=1, bytes_per_worker=1 << 30, scheduler="tls://127.0.0.1:1", tls=machine.tls),
    ):
        pass
