"""Hop 0: what is fetched is planned first, published by rename, and then an input like any other."""

import json
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MANIFEST = """\
corpus: c
sources:
  cc:
    archive: {{paths: "lists/*.paths", base: "{base}"}}
    extract: {{language: ja, sample_rejects: 0}}
  own: {{ingest: {{files: a.jsonl}}}}
measure: [script]
screen: {{all: [{{characters: {{min: 40}}}}]}}
report:
"""


@pytest.fixture
def manifest(make, tmp_path: Path) -> Path:
    """Write an archive of two files, a list of them, and a manifest with one more source."""
    for number in range(2):
        urls = [f"https://p.example/{number}/{page}" for page in range(3)]
        make.warc(tmp_path / "far" / "crawl" / f"{number}.warc.gz", [make.page(url) for url in urls])
    make.file(tmp_path / "lists" / "a.paths", "crawl/0.warc.gz\ncrawl/1.warc.gz\n")
    make.texts(tmp_path / "a.jsonl", 4)
    return make.file(tmp_path / "m.yaml", MANIFEST.format(base=(tmp_path / "far").as_uri() + "/"))


def fetched(work: Path) -> list[Path]:
    return sorted((work / "archive").rglob("*.warc.gz"))


def test_a_plan_before_fetching_has_the_fetching_alone_and_says_so(manifest, kakehi, tmp_path):
    """What comes after is not known yet; the cost of fetching is said."""
    said = kakehi("plan", manifest, "--work", tmp_path / "w")
    assert said.code == 0
    [step, cost, rest] = said.out.splitlines()
    assert step.split()[:2] == ["archive", "cc"]
    assert step.endswith("run  1/1  first run")
    assert cost == "archive cc: 2 files, whole"
    assert rest == "what follows is planned once cc is fetched"
    assert not (tmp_path / "w").exists()


def test_a_run_fetches_and_goes_on_and_a_second_one_has_nothing_to_do(manifest, kakehi, tmp_path):
    """Both plans are shown; the funnel begins with what was asked for; its files are inputs of stable names."""
    work = tmp_path / "w"
    said = kakehi("run", manifest, "--work", work)
    assert said.code == 0, said.err
    assert "archive  cc" in said.err
    assert "extract  cc" in said.err
    lines = [line.split() for line in said.out.splitlines()]
    assert ["asked", "for", "(archive)", "6"] in lines
    assert ["records", "in", "10"] in lines
    [receipt] = [json.loads(path.read_text()) for path in (work / "extract").rglob("all-*.json")]
    names = [Path(file["name"]) for file in receipt["inputs"]]
    assert [name.parts[:2] for name in names] == [("archive", "cc")] * 2
    assert not any(str(tmp_path) in str(name) for name in names)
    assert "nothing to do: all 8 steps" in kakehi("run", manifest, "--work", work).err
    assert not list((work / "archive").rglob(".*.parts"))


def test_a_touched_list_and_another_place_of_the_archive_fetch_nothing_anew(manifest, kakehi, make, tmp_path):
    """A list is known by its content, and a mirror has the same bytes; one more list brings its own piece."""
    work = tmp_path / "w"
    assert kakehi("run", manifest, "--work", work, "--until", "archive").code == 0
    assert not (work / "extract").exists()
    (tmp_path / "far").rename(tmp_path / "mirror")
    os.utime(tmp_path / "lists" / "a.paths", (1, 1))
    manifest.write_text(manifest.read_text().replace("/far/", "/mirror/"))
    assert kakehi("run", manifest, "--work", work).code == 0
    assert len(fetched(work)) == 2
    make.file(tmp_path / "more.paths", "crawl/1.warc.gz\n")
    manifest.write_text(manifest.read_text().replace('"lists/*.paths"', '["lists/*.paths", more.paths]'))
    said = kakehi("plan", manifest, "--work", work)
    assert "run  1/2  1 of 2 shards new" in said.out


def test_damage_is_found_and_fetched_again(manifest, kakehi, tmp_path):
    """A size at once, other bytes with --verify; the rest is as it was, so nothing behind it runs again."""
    work = tmp_path / "w"
    assert kakehi("run", manifest, "--work", work).code == 0
    first, second = fetched(work)
    whole = [first.read_bytes(), second.read_bytes()]
    first.write_bytes(whole[0][:-1])
    assert "archive" in kakehi("plan", manifest, "--work", work).out.splitlines()[0]
    assert kakehi("run", manifest, "--work", work).code == 0
    second.write_bytes(whole[1][:-1] + b"x")
    assert "nothing to do" in kakehi("run", manifest, "--work", work).err
    said = kakehi("run", manifest, "--work", work, "--verify")
    assert said.code == 0
    assert "other bytes than its receipt says" in said.err
    assert "extract" not in said.err
    assert [path.read_bytes() for path in fetched(work)] == whole


def test_bytes_changed_behind_a_receipt_stop_the_extraction(manifest, kakehi, tmp_path):
    """What is read is what was fetched, or an error: its digest is looked at in passing."""
    work = tmp_path / "w"
    assert kakehi("run", manifest, "--work", work, "--until", "archive").code == 0
    path = fetched(work)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    said = kakehi("run", manifest, "--work", work)
    assert said.code == 3
    assert "its receipt says" in said.err


def test_commands_that_need_the_whole_plan_say_what_is_missing(manifest, kakehi, tmp_path):
    """Before fetching, no other step is known: clean would remove what it cannot see."""
    work = tmp_path / "w"
    for command in (["sweep"], ["clean"], ["export", "--to", str(tmp_path / "out")]):
        said = kakehi(command[0], manifest, "--work", work, *command[1:])
        assert said.code == 3
        assert "cc: not fetched yet" in said.err
        assert "--until archive" in said.err
    assert "cc: 1 files, 32 bytes, 1 shards for archive to fetch" in kakehi("check", manifest).out
    assert "not made yet" in kakehi("report", manifest, "--work", work).err


def test_clean_keeps_what_was_fetched_and_takes_what_no_manifest_asks_for(manifest, kakehi, tmp_path):
    """A limited run has a piece of its own."""
    work = tmp_path / "w"
    assert kakehi("run", manifest, "--work", work).code == 0
    assert kakehi("clean", manifest, "--work", work).out == ""
    assert kakehi("run", manifest, "--work", work, "--limit", "2", "--until", "archive").code == 0
    assert len(fetched(work)) == 3
    assert kakehi("clean", manifest, "--work", work, "--yes").code == 0
    assert len(fetched(work)) == 2
    assert "nothing to do" in kakehi("run", manifest, "--work", work).err


def test_a_walltime_ends_before_fetching_and_the_next_run_goes_on(manifest, kakehi, tmp_path):
    """Exit code 75, as for every other step."""
    work = tmp_path / "w"
    said = kakehi("run", manifest, "--work", work, "--walltime", "0s")
    assert said.code == 75
    assert not fetched(work)
    assert kakehi("run", manifest, "--work", work).code == 0


def test_defaults_print_the_fetching_too(manifest, kakehi, make, tmp_path):
    """What is printed is a manifest of the same addresses."""
    work = tmp_path / "w"
    assert kakehi("run", manifest, "--work", work).code == 0
    again = make.file(tmp_path / "again.yaml", kakehi("defaults", manifest).out)
    assert "archive:" in again.read_text()
    assert "nothing to do" in kakehi("run", again, "--work", work).err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{archive: {paths: a, base: 'file:///x'}}", "wanted one of extract, ingest"),
        ("{archive: {paths: a, base: 'file:///x'}, ingest: {}}", "ingest: reads no WARC"),
        ("{archive: {paths: a, base: 'file:///x'}, extract: {files: b}}", "wanted neither files nor dataset"),
        ("{archive: {pathes: a, base: 'file:///x'}, extract: {}}", "did you mean 'paths'"),
        ("{archive: [], extract: {}}", "archive: got [], wanted a mapping"),
        ("{archiv: {}, extract: {files: a}}", "did you mean 'archive'"),
    ],
)
def test_faults_of_a_manifest_are_told_with_their_line(make, kakehi, tmp_path, source, said):
    """As those of every other step."""
    path = make.file(tmp_path / "m.yaml", f"corpus: c\nsources:\n  s: {source}\n")
    told = kakehi("check", path)
    assert told.code == 2
    assert f"{path}:3: " in told.err
    assert said in told.err


@pytest.mark.parametrize("limit", [(), ("--limit", 5)])
def test_a_source_that_fetches_nothing_is_an_error_unless_it_may(manifest, kakehi, make, tmp_path, limit):
    """With `allow_empty` the sources beside it are a corpus."""
    make.file(tmp_path / "lists" / "a.paths", "crawl/gone.warc.gz\n")
    text = manifest.read_text().replace(
        '"lists/*.paths"', '"lists/*.paths", missing: 1.0, server: {retries: 0}'
    )
    manifest.write_text(text)
    said = kakehi("run", manifest, "--work", tmp_path / "w", *limit)
    assert said.code == 3
    assert "source 'cc': nothing was fetched" in said.err
    assert "allow_empty: true" in said.err
    manifest.write_text(text.replace("sample_rejects: 0", "sample_rejects: 0, allow_empty: true"))
    said = kakehi("run", manifest, "--work", tmp_path / "w", *limit)
    assert said.code == 0, said.err
    assert ["documents", "4"] in [line.split()[:2] for line in said.out.splitlines()]
