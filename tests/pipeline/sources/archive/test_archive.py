"""archive: by index over HTTP, whole or with every fault a server can have; the same bytes at the end."""

import base64
import gzip
import random
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.sources.archive import rate_limit
from kakehi.pipeline.sources.archive.fetch_shard import Server
from kakehi.pipeline.sources.archive.records import fault_of, members
from kakehi.pipeline.sources.archive.warc_output import journal_of, read_entries
from tests.pipeline.sources.archive.site import CRAWL, Site, build, cdxj, parquet

pytestmark = pytest.mark.slow

MANIFEST = """\
corpus: c
sources:
  cc:
    archive:
      index: "{index}"
      base: "{base}"
      select: {{languages: [jpn], crawls: [{crawl}]{select}}}
      warc_mb: 0.1
      server: {{requests_per_s: null, gap_kb: {gap}, timeout_s: {timeout}, retries: {retries}}}
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
    monkeypatch.setattr(rate_limit, "FIRST_S", 0.001)


def manifest(home: Path, base: str, **more: object) -> Path:
    told = {
        "index": "index/*.parquet",
        "crawl": CRAWL,
        "select": "",
        "gap": 64,
        "retries": 8,
        "timeout": 5,
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


def is_broken(site, row) -> bool:
    """Say whether a record is broken in the archive itself."""
    content = (site.root / row["warc_filename"]).read_bytes()[row["warc_record_offset"] :]
    found = list(members([content[: row["warc_record_length"]]], max_bytes=1 << 26))
    return len(found) != 1 or bool(fault_of(found[0].plain or b"", row["content_digest"]))


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


FAULTS = ["503", "429", "500", "403", "cut", "reset", "wrong range", "short range", "no ranges"]


@pytest.mark.parametrize("fault", [*FAULTS, "any"])
def test_a_server_that_fails_now_and_then_changes_no_byte(far, kakehi, tmp_path, calm, fault):
    """A third of all requests fail, drawn with a seed."""
    site, _ = far
    drawn = random.Random(5)  # noqa: S311
    kinds = FAULTS if fault == "any" else [fault]
    site.fault = lambda _number, _path: drawn.choice(kinds) if drawn.random() < 0.3 else None
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
    assert not list((tmp_path / "w" / "archive").rglob("*.warc.gz.json"))
    assert not list((tmp_path / "w" / "archive").rglob("all-*.json"))
    site.fault = lambda _number, _path: None
    site.log.clear()
    assert fetch(kakehi, path, tmp_path / "w").code == 0
    broken = {
        (row["warc_filename"], row["warc_record_offset"]) for row in wanted(rows) if is_broken(site, row)
    }
    assert all(asked.path == name or (asked.path, asked.start) in broken for asked in site.log)
    assert any(asked.path == name for asked in site.log)
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


@pytest.mark.slow
def test_a_killed_fetch_asks_for_no_finished_range_again(far, kakehi, tmp_path, calm):
    """Kill -9 in the middle; at most the requests under way are asked for twice."""
    site, _ = far
    path = manifest(tmp_path, site.url, missing=0.05, gap=0)
    slow = path.read_text().replace("requests_per_s: null", "requests_per_s: 30")
    path.write_text(slow)
    command = [sys.executable, "-c", "from kakehi.pipeline.cli.main import main; main()"]
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


def test_a_silent_server_is_asked_again(far, kakehi, tmp_path, calm):
    """Two connections say nothing at all; after the time of silence others are opened."""
    site, _ = far
    site.fault = lambda number, _path: "silent" if number in {2, 3} else None
    said = fetch(kakehi, manifest(tmp_path, site.url, missing=0.05, timeout=0.3), tmp_path / "w")
    assert said.code == 0, said.err
    assert warcs(tmp_path / "w") == calm


def test_a_wish_to_wait_holds_every_connection(far, kakehi, tmp_path, calm):
    """Retry-After of a second, once: nobody asks anything within that second."""
    site, _ = far
    site.retry_after = "1"
    asked: list[float] = []

    def fault(number: int, _path: str) -> str | None:
        asked.append(time.monotonic())
        return "429" if number == told else None

    told = site.number() + 4
    site.fault = fault
    said = fetch(kakehi, manifest(tmp_path, site.url, missing=0.05, gap=0), tmp_path / "w")
    assert said.code == 0, said.err
    gaps = [after - before for before, after in pairwise(asked)]
    assert max(gaps) > 0.9
    assert warcs(tmp_path / "w") == calm


def test_bytes_that_changed_are_missing_by_reason_and_asked_for_again(far, kakehi, tmp_path, calm):
    """A byte flipped on the way: the member is broken or its digest another; the next run has it right."""
    site, _ = far
    site.fault = lambda _number, _path: "flipped"
    path = manifest(tmp_path, site.url, missing=0.05, gap=0)
    said = fetch(kakehi, path, tmp_path / "w")
    assert said.code == 3
    assert re.search(r"records are missing \(.*(broken_gzip|digest) \d", said.err)
    site.fault = lambda _number, _path: None
    assert fetch(kakehi, path, tmp_path / "w").code == 0
    assert warcs(tmp_path / "w") == calm


def test_a_digest_of_the_index_is_held_against_the_payload(far, kakehi, tmp_path):
    """Sound records with another digest than the index says are missing, each counted, and in the ledger."""
    site, rows = far
    other = base64.b32encode(bytes(20)).decode()
    changed = [{**row, "content_digest": other} if i % 2 else row for i, row in enumerate(rows)]
    parquet(changed, tmp_path / "index" / "part-0.parquet")
    said = fetch(kakehi, manifest(tmp_path, site.url, missing=1), tmp_path / "w")
    assert said.code == 0, said.err
    [ledger] = (tmp_path / "w" / "archive").rglob("*ledger.parquet")
    outcomes = {(row["archive"], row["offset"]): row["outcome"] for row in pq.read_table(ledger).to_pylist()}
    for row in wanted(changed):
        told = outcomes[row["warc_filename"], row["warc_record_offset"]]
        assert (told == "ok") == (row["content_digest"] != other and not is_broken(site, row))


def test_rows_past_the_end_of_a_file_cost_no_others(far, kakehi, tmp_path):
    """An offset behind the file, and a length over its end: the records before in the same request are taken."""
    site, rows = far
    last = max(wanted(rows), key=lambda row: (row["warc_filename"], row["warc_record_offset"]))
    size = (site.root / last["warc_filename"]).stat().st_size
    end = last["warc_record_offset"] + last["warc_record_length"]
    bad = [
        {**last, "warc_record_offset": end, "warc_record_length": size - end + 100},
        {**last, "warc_record_offset": size + 10, "warc_record_length": 100},
    ]
    parquet([*rows, *bad], tmp_path / "index" / "part-0.parquet")
    said = fetch(kakehi, manifest(tmp_path, site.url, missing=0.1), tmp_path / "w")
    assert said.code == 0, said.err
    [ledger] = (tmp_path / "w" / "archive").rglob("*ledger.parquet")
    found = pq.read_table(ledger).to_pylist()
    assert sum(row["outcome"] == "ok" for row in found) == sum(
        not is_broken(site, row) for row in wanted(rows)
    )
    assert {row["outcome"] for row in found if row["offset"] in {end, size + 10}} <= {"past_end", "http_416"}


def test_a_budget_cuts_the_rest_and_counts_it(far, kakehi, tmp_path, calm):
    """The first records in the order of fetching; what is over is no failure."""
    site, rows = far
    half = sum(row["warc_record_length"] for row in wanted(rows)) / 2
    path = manifest(tmp_path, site.url, missing=0.1, select=f", max_gb: {half / 1e9}")
    said = fetch(kakehi, path, tmp_path / "w")
    assert said.code == 0, said.err
    assert "over_budget" in said.out
    got = b"".join(warcs(tmp_path / "w"))
    assert len(got) <= half
    assert b"".join(calm).startswith(got)


WHOLE = """\
corpus: c
sources:
  cc:
    archive:
      paths: lists/warc.paths.gz
      base: "{base}"
      server: {{requests_per_s: {rate}}}
      missing: 0.1
      {more}
    extract: {{language: ja}}
measure: [script]
"""


def whole_manifest(site, rows, home: Path, *, rate: object = "null", more: str = "") -> Path:
    names = sorted({row["warc_filename"] for row in rows})
    (home / "lists").mkdir(exist_ok=True)
    (home / "lists" / "warc.paths.gz").write_bytes(gzip.compress("\n".join(names).encode()))
    path = home / "whole.yaml"
    path.write_text(WHOLE.format(base=site.url, rate=rate, more=more))
    return path


def test_whole_files_come_whole_under_every_fault(far, kakehi, tmp_path):
    """Each is read on from the record where it broke off; broken records are left out, the rest is byte for byte."""
    site, rows = far
    said = fetch(kakehi, whole_manifest(site, rows, tmp_path), tmp_path / "calm")
    assert said.code == 0, said.err
    drawn = random.Random(7)  # noqa: S311
    site.fault = lambda _number, _path: drawn.choice(FAULTS) if drawn.random() < 0.4 else None
    assert fetch(kakehi, whole_manifest(site, rows, tmp_path), tmp_path / "w").code == 0
    assert warcs(tmp_path / "w") == warcs(tmp_path / "calm")
    sound = b"".join(warcs(tmp_path / "w"))
    records = [row for row in wanted(rows) if not is_broken(site, row)]
    assert all(
        (site.root / row["warc_filename"]).read_bytes()[row["warc_record_offset"] :][
            : row["warc_record_length"]
        ]
        in sound
        for row in records
    )


def test_a_broken_member_of_a_whole_file_costs_itself_alone(far, kakehi, tmp_path):
    """Broken on the way it is asked for once more; broken in the archive it is passed over, and counted."""
    site, rows = far
    assert fetch(kakehi, whole_manifest(site, rows, tmp_path), tmp_path / "calm").code == 0
    site.fault = lambda number, _path: "flipped" if number % 3 == 1 else None
    assert fetch(kakehi, whole_manifest(site, rows, tmp_path), tmp_path / "way").code == 0
    assert warcs(tmp_path / "way") == warcs(tmp_path / "calm")
    site.fault = lambda _number, _path: None
    hit = [row for row in wanted(rows) if not is_broken(site, row)][3]
    path = site.root / hit["warc_filename"]
    content, at = bytearray(path.read_bytes()), hit["warc_record_offset"]
    content[at + 200] ^= 255
    path.write_bytes(content)
    assert fetch(kakehi, whole_manifest(site, rows, tmp_path), tmp_path / "w").code == 0
    calm, got = (b"".join(warcs(tmp_path / name)) for name in ("calm", "w"))
    raw = calm[calm.index(bytes(content[at : at + 100])) :][: hit["warc_record_length"]]
    assert got == calm.replace(raw, b"")


def test_a_file_read_to_its_end_before_a_kill_is_not_missing_anything(far, kakehi, tmp_path):
    """The server says 416 behind the last byte, which is the end and no fault."""
    site, rows = far
    path = whole_manifest(site, rows, tmp_path, more="warc_mb: 1")
    assert fetch(kakehi, path, tmp_path / "w").code == 0
    [whole] = [warcs(tmp_path / "w")]
    name = rows[0]["warc_filename"]
    downloader = Server(requests_per_s=None).downloader(site.url, 1 << 26)
    target = tmp_path / "00000.warc.gz"
    downloader.whole(target, name, limit=None)
    journal = journal_of(target)
    journal.write_bytes(
        b"".join(line for line in journal.read_bytes().splitlines(True) if b"end\t" not in line)
    )
    downloader.whole(target, name, limit=None)
    assert read_entries(target)[-1].outcome == "end"
    assert target.read_bytes() in whole


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("select: {languages: jpn}", "select chooses by an index"),
        ("index: lists/*", "wanted either index or paths"),
        ("server: {connections: 0}", "connections"),
    ],
)
def test_what_makes_no_sense_together_is_one_error(far, kakehi, tmp_path, more, said):
    """Before anything is asked."""
    site, rows = far
    path = whole_manifest(site, rows, tmp_path, more=more)
    text = path.read_text()
    path.write_text(text.replace("      server: {requests_per_s: null}\n", "") if "server" in more else text)
    told = fetch(kakehi, path, tmp_path / "w")
    assert told.code in {2, 3}
    assert said in told.err
    assert not site.log


@pytest.mark.parametrize(
    "base", ["ftp://x/", "http://u:p@x/", "http://x:99999/", "http:///", "x", "http://x/?a"]
)
def test_a_base_that_is_none_is_an_error_of_the_manifest(far, kakehi, tmp_path, base):
    """With its line."""
    told = kakehi("check", manifest(tmp_path, base))
    assert told.code == 2
    assert "base" in told.err


@pytest.mark.parametrize(
    ("base", "reason"),
    [("http://127.0.0.1:9/", "no_connection"), ("https", "tls")],
)
def test_a_server_that_is_not_there_is_named_for_what_it_is(far, kakehi, tmp_path, base, reason):
    """Nobody listens, or nobody speaks TLS."""
    site, _ = far
    base = site.url.replace("http:", "https:") if base == "https" else base
    told = fetch(kakehi, manifest(tmp_path, base, retries=1), tmp_path / "w")
    assert told.code == 3
    assert f"were given up, the last one for {reason}" in told.err


def test_two_patterns_of_the_same_files_are_one_piece(far, kakehi, tmp_path, calm):
    """Else each page would be there twice."""
    site, _ = far
    path = manifest(tmp_path, site.url, missing=0.05)
    path.write_text(path.read_text().replace('index: "index/*.parquet"', "index: [index/*.parquet, index/*]"))
    assert fetch(kakehi, path, tmp_path / "w").code == 0
    assert warcs(tmp_path / "w") == calm


@pytest.mark.parametrize(
    "select", ["max_gb: 1e300", "max_gb: .inf", "max_record_mb: 5000", "languages: japanese", 'url: "("']
)
def test_bounds_beyond_reason_are_errors_of_the_manifest(far, kakehi, tmp_path, select):
    """With the key that has it."""
    site, _ = far
    told = kakehi("check", manifest(tmp_path, site.url, select="").rename(tmp_path / "m2.yaml"))
    assert told.code == 0
    path = tmp_path / "m2.yaml"
    path.write_text(path.read_text().replace("languages: [jpn]", select))
    told = kakehi("check", path)
    assert told.code == 2
    assert select.partition(":")[0] in told.err
