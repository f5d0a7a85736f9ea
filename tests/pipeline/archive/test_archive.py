"""archive: by index over HTTP, whole or with every fault a server can have; the same bytes at the end."""

import gzip
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kakehi.pipeline.archive import pace
from tests.pipeline.archive.site import CRAWL, Site, build, cdxj, parquet

MANIFEST = """\
corpus: c
sources:
  cc:
    archive:
      index: "{index}"
      base: "{base}"
      select: {{languages: [jpn], crawls: [{crawl}]{select}}}
      warc_mb: 0.1
      server: {{requests_per_s: null, gap_kb: {gap}, timeout_s: 5, retries: {retries}}}
      missing: {missing}
    extract: {{language: ja}}
measure: [script]
"""


@pytest.fixture
def far(tmp_path):
    """Give a server of the archive, and the rows of its index written beside the manifest."""
    rows = build(tmp_path / "far")
    parquet(rows, tmp_path / "index" / "part-0.parquet")
    with Site(tmp_path / "far") as site:
        yield site, rows


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Wait no second between retries."""
    monkeypatch.setattr(pace, "FIRST_S", 0.001)


def manifest(home: Path, base: str, **more: object) -> Path:
    told = {
        "index": "index/*.parquet",
        "crawl": CRAWL,
        "select": "",
        "gap": 64,
        "retries": 8,
        "missing": 0,
        **more,
    }
    path = home / "m.yaml"
    path.write_text(MANIFEST.format(base=base, **told))
    return path


def fetch(kakehi, path: Path, work: Path, *more: str):
    return kakehi("run", path, "--work", work, "--until", "archive", *more)


def warcs(work: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((work / "archive").rglob("*.warc.gz"))]


def wanted(rows) -> list[dict]:
    return [row for row in rows if "jpn" in row["content_languages"] and row["fetch_status"] == 200]


def expected(site, rows) -> set[bytes]:
    found = set()
    for row in wanted(rows):
        content = (site.root / row["warc_filename"]).read_bytes()
        found.add(content[row["warc_record_offset"] :][: row["warc_record_length"]])
    return found


@pytest.fixture
def calm(far, kakehi, tmp_path):
    """Fetch without any fault; give the WARC files."""
    site, _ = far
    said = fetch(kakehi, manifest(tmp_path, site.url, missing=0.05), tmp_path / "calm")
    assert said.code == 0, said.err
    site.log.clear()
    return warcs(tmp_path / "calm")


def test_what_is_fetched_is_what_the_index_names_byte_for_byte(far, kakehi, tmp_path):
    """Members are copied as they are; records that are broken in the archive are missing, with their reason."""
    site, rows = far
    path = manifest(tmp_path, site.url, missing=0.05)
    plan = kakehi("plan", path, "--work", tmp_path / "w").out
    assert f"{len(wanted(rows)):,} pages of {len(rows):,}" in plan
    said = fetch(kakehi, path, tmp_path / "w")
    assert said.code == 0, said.err
    got = b"".join(warcs(tmp_path / "w"))
    sound = [raw for raw in expected(site, rows) if raw in got]
    assert len(got) == sum(map(len, sound))
    assert len(sound) >= 0.95 * len(wanted(rows))
    assert len(site.log) < len(sound) / 2  # neighbours are asked for together
    assert any("kakehi/" in agent for agent in site.agents)
    assert all(asked.path in {row["warc_filename"] for row in rows} for asked in site.log)


@pytest.mark.parametrize("fault", ["503", "429", "cut", "wrong range", "no ranges", "500"])
def test_a_server_that_fails_now_and_then_changes_no_byte(far, kakehi, tmp_path, calm, fault):
    """A third of all requests fail, drawn with a seed."""
    site, _ = far
    drawn = random.Random(5)  # noqa: S311
    site.fault = lambda _number, _path: fault if drawn.random() < 0.3 else None
    said = fetch(kakehi, manifest(tmp_path, site.url, missing=0.05), tmp_path / "w")
    assert said.code == 0, said.err
    assert warcs(tmp_path / "w") == calm


@pytest.mark.parametrize("gap", [0, 1, 10_000])
def test_gaps_change_requests_and_no_byte(far, kakehi, tmp_path, calm, gap):
    """How neighbours are asked for is no part of what is fetched."""
    site, _ = far
    said = fetch(kakehi, manifest(tmp_path, site.url, missing=0.05, gap=gap), tmp_path / "w")
    assert said.code == 0, said.err
    assert warcs(tmp_path / "w") == calm


def test_an_archive_on_disk_and_an_index_in_lines_give_the_same_bytes(far, kakehi, tmp_path, calm):
    """By CDXJ, packed as Common Crawl packs it."""
    site, rows = far
    (tmp_path / "cdx.gz").write_bytes(gzip.compress(cdxj(rows).encode()))
    path = manifest(tmp_path, site.root.as_uri(), missing=0.05, index="cdx.gz")
    said = fetch(kakehi, path, tmp_path / "w")
    assert said.code == 0, said.err
    assert warcs(tmp_path / "w") == calm
    assert not site.log


def test_holes_are_not_published_and_the_next_run_asks_for_them_alone(far, kakehi, tmp_path, calm):
    """One file of the archive is gone for a while: clear words, exit code 3, then the bytes of an undisturbed run."""
    site, rows = far
    name = wanted(rows)[0]["warc_filename"]
    site.fault = lambda _, path: "404" if path == name else None
    path = manifest(tmp_path, site.url, missing=0.05)
    said = fetch(kakehi, path, tmp_path / "w")
    assert said.code == 3
    assert "records are missing (http_404" in said.err
    assert "run again to ask for these alone" in said.err
    assert not warcs(tmp_path / "w") or not list((tmp_path / "w" / "archive").rglob("*/cc/*.json"))
    site.fault = lambda _number, _path: None
    site.log.clear()
    assert fetch(kakehi, path, tmp_path / "w").code == 0
    assert (
        {asked.path for asked in site.log}
        <= {name, *(row["warc_filename"] for row in rows if "broken" in row["url"])}
        or all(asked.path == name for asked in site.log if asked.whole)
        or len(site.log) < len(wanted(rows))
    )
    assert warcs(tmp_path / "w") == calm


def test_an_archive_that_gives_nothing_is_left_alone(far, kakehi, tmp_path):
    """Five requests given up in a row end it; what came is kept."""
    site, _ = far
    site.fault = lambda _number, _path: "503"
    said = fetch(kakehi, manifest(tmp_path, site.url, retries=1, gap=0), tmp_path / "w")
    assert said.code == 3
    assert "requests in a row were given up, the last one for http_503" in said.err
    assert len(site.log) <= 30


def test_redirects_lead_to_named_hosts_alone(far, kakehi, tmp_path):
    """Elsewhere nothing is asked."""
    site, _ = far
    with Site(site.root) as other:
        site.fault = lambda _, path: other.url + path
        said = fetch(kakehi, manifest(tmp_path, site.url), tmp_path / "w")
        assert said.code == 3
        assert "redirect" in said.err
        assert not other.log


def test_a_hostile_index_reads_nothing_outside_and_is_counted(far, kakehi, tmp_path):
    """Rows that name no place of the archive are missing, by reason; nobody is asked for them."""
    site, rows = far
    evil = wanted(rows)[0]
    changes = [
        {"warc_filename": "../../etc/passwd"},
        {"warc_filename": f"/etc/{CRAWL}/passwd"},
        {"warc_filename": f"https://evil.example/{CRAWL}/x"},
        {"warc_record_offset": -1},
        {"warc_record_length": 0},
        {"warc_record_length": 2**31 - 1},
        {"warc_record_offset": None},
    ]
    bad = [{**evil, **change} for change in changes]
    for row in bad:
        row["warc_filename"] = row["warc_filename"].replace("../..", f"x/{CRAWL}/../../..")
    parquet([*bad, *rows], tmp_path / "index" / "part-0.parquet")
    said = fetch(kakehi, manifest(tmp_path, site.url), tmp_path / "w")
    assert said.code == 3
    assert "bad_name 3, bad_range 2" in said.err
    assert all(asked.path in {row["warc_filename"] for row in rows} for asked in site.log)


def test_an_index_without_languages_takes_the_stated_domains(far, kakehi, tmp_path):
    """Crawls before 2018 have no such column: TLD jp, unless the manifest says another."""
    site, rows = far
    parquet(rows, tmp_path / "index" / "part-0.parquet", without="content_languages")
    path = manifest(tmp_path, site.url, select=", unlabelled_tlds: [example]")
    good = [row for row in rows if row["fetch_status"] == 200]
    assert f"{len(good):,} pages of {len(rows):,}" in kakehi("plan", path).out
    assert "0 pages of" in kakehi("plan", manifest(tmp_path, site.url)).out


def test_a_killed_fetch_asks_for_no_finished_range_again(far, kakehi, tmp_path, calm):
    """Kill -9 in the middle; at most the requests under way are asked for twice."""
    site, _ = far
    path = manifest(tmp_path, site.url, missing=0.05, gap=0)
    slow = path.read_text().replace("requests_per_s: null", "requests_per_s: 30")
    path.write_text(slow)
    command = [sys.executable, "-c", "from kakehi.pipeline.cli import main; main()"]
    line = [*command, "run", str(path), "--work", str(tmp_path / "w"), "--until", "archive"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(site.log) < 20 and time.monotonic() < until:
        assert process.poll() is None
    process.kill()
    process.wait()
    before = {(asked.path, asked.start) for asked in site.log if asked.status == 206}
    assert len(before) >= 20
    site.log.clear()
    assert fetch(kakehi, path, tmp_path / "w").code == 0
    again = [asked for asked in site.log if (asked.path, asked.start) in before]
    assert len(again) <= 4  # connections
    assert warcs(tmp_path / "w") == calm
