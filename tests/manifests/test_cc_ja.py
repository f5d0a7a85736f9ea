"""manifests/cc-ja.yaml, from a local archive behind a bad server to binaries; its base and sizes are the test's."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from kakehi.pipeline.sources.archive import rate_limit
from tests.oracles import read_megatron
from tests.pipeline.sources.archive.site import Site, build, parquet

pytestmark = pytest.mark.slow

MANIFEST = Path(__file__).parents[2] / "manifests" / "cc-ja.yaml"
COMMAND = [sys.executable, "-c", "from kakehi.pipeline.cli.main import main; main()"]
FAULTS = ["429", "503", "500", "cut", "reset", "short range"]


def adapted(home: Path, base: str, *, rate: float) -> Path:
    """Write the manifest with another base, and sizes for a hundred pages."""
    yaml = YAML()
    manifest = yaml.load(MANIFEST)
    archive = manifest["sources"]["cc"]["archive"]
    archive["base"] = base
    archive["server"] |= {"requests_per_s": rate, "gap_kb": 0, "request_mb": 0.02, "timeout_s": 10}
    manifest["train"]["vocab_size"] = 2000
    yaml.dump(manifest, home / "m.yaml")
    return home / "m.yaml"


def test_it_runs_from_an_index_to_binaries_over_faults_and_a_kill(kakehi, tmp_path, monkeypatch):
    """Planned as it comes out, killed in the middle, gone on with without asking twice, each page followed to its place."""
    monkeypatch.setattr(rate_limit, "FIRST_S", 0.01)
    rows = build(tmp_path / "far")
    parquet(rows, tmp_path / "cc-index" / "part-0.parquet")
    wanted = [row for row in rows if "jpn" in row["content_languages"] and row["fetch_status"] == 200]
    work = tmp_path / "w"
    with Site(tmp_path / "far") as site:
        path = adapted(tmp_path, site.url, rate=30)
        plan = kakehi("plan", path, "--work", work)
        assert plan.code == 0, plan.err
        assert f"{len(wanted):,} pages of {len(rows):,}" in plan.out
        assert "files whole:" in plan.out
        assert not site.log  # nobody was asked
        line = [*COMMAND, "run", str(path), "--work", str(work)]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while len(site.log) < 15 and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        before = {(one.path, one.start) for one in site.log if one.status == 206 and one.whole}
        site.log.clear()
        assert len(before) >= 10
        assert not list((work / "archive").rglob("all-*.json"))
        drawn = random.Random(3)  # noqa: S311
        site.fault = lambda _number, _path: drawn.choice(FAULTS) if drawn.random() < 0.2 else None
        said = kakehi("run", adapted(tmp_path, site.url, rate=1000), "--work", work)
        assert said.code == 0, said.err
    again = [one for one in site.log if (one.path, one.start) in before]
    assert (
        len(again) <= 4 + 1
    )  # under way at the kill over four connections; the page that is broken in the archive
    [ledger] = (work / "archive").rglob("*ledger.parquet")
    found = pq.read_table(ledger).to_pylist()
    assert len(found) == len(wanted)
    assert sum(row["outcome"] != "ok" for row in found) <= 0.02 * len(wanted)
    files = {each.name: each.read_bytes() for each in (work / "archive").rglob("*.warc.gz")}
    for row in found:
        if row["outcome"] == "ok":
            far = (tmp_path / "far" / row["archive"]).read_bytes()[row["offset"] :][:200]
            assert files[row["warc"]][row["at"] :].startswith(far[:100])
    binary = max((work / "pack").rglob("*.bin"), key=lambda each: each.stat().st_size)
    assert sum(map(len, read_megatron(binary.with_suffix("")))) > 20_000
    [documents] = (work / "extract").rglob("all-*[0-9a-f].parquet")
    page = pq.read_table(documents, columns=["url"]).column("url")[0].as_py()
    told = kakehi("explain", path, page, "--work", work).out
    assert "archive     crawl-data/CC-MAIN-2026-04/" in told
    assert "nothing to do" in kakehi("run", path, "--work", work).err
