"""A work folder that somebody made up leads no command out of it."""

import hashlib
import json
import os

import pytest

from kakehi.pipeline.storage.addresses import address


@pytest.fixture
def finished(kakehi, make, tmp_path, monkeypatch):
    """Run a corpus of two documents up to its export; give the manifest and the work folder."""
    monkeypatch.chdir(tmp_path)
    make.texts(tmp_path / "a.jsonl", 2)
    manifest = make.file(
        tmp_path / "m.yaml",
        "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\n"
        "measure: [script]\nscreen: {all: []}\nexport: {}\n",
    )
    said = kakehi("run", manifest, "--work", tmp_path / "work")
    assert said.code == 0, said.err
    return manifest, tmp_path / "work"


def test_export_writes_below_its_folder_alone(kakehi, finished, tmp_path):
    """A receipt with `../`, one with an absolute name: as if there were none; a link out is an error."""
    manifest, work = finished
    [path] = work.glob("export/*/receipt.json")
    (tmp_path / "evil.txt").write_bytes(b"planted")
    plain = path.read_text()
    told = {"size": 7, "sha256": hashlib.sha256(b"planted").hexdigest()}
    for name in ("../../../evil.txt", os.fspath(tmp_path / "evil.txt")):
        receipt = json.loads(plain)
        receipt["outputs"].append({"name": name, **told})
        path.write_text(json.dumps(receipt))
        said = kakehi("export", manifest, "--work", work, "--to", tmp_path / "a" / "b" / "c" / "d")
        assert (said.code, "not made yet" in said.err) == (3, True)
        assert not list(tmp_path.rglob("a/**/evil.txt"))
    path.write_text(plain)
    [out] = work.glob("export/*/parquet/*")
    content = out.read_bytes()
    out.unlink()
    (tmp_path / "secret").write_bytes(content)
    out.symlink_to(tmp_path / "secret")
    said = kakehi("export", manifest, "--work", work, "--to", tmp_path / "out")
    assert (said.code, "is a link that leads out" in said.err) == (3, True)
    assert not list(tmp_path.glob("out/parquet/*"))


def test_clean_removes_nothing_behind_a_link(kakehi, finished, make, tmp_path):
    """A step folder, a folder of an address, that of attempts: links to what is not ours; a linked work folder is one."""
    manifest, work = finished
    victim = make.file(tmp_path / "victim" / "aa" / "recipe.json", "{}").parent.parent
    kept = make.file(victim / "file", "mine")
    (work / "evilstep").symlink_to(victim)
    (work / "tmp").rmdir()
    (work / "tmp").symlink_to(victim)
    (work / "ingest" / "bb").symlink_to(victim / "aa")
    linked = tmp_path / "linked"
    linked.symlink_to(work)
    said = kakehi("clean", manifest, "--work", linked, "--yes")
    assert said.code == 0, said.err
    assert kept.exists()
    assert (victim / "aa" / "recipe.json").exists()
    assert not (work / "ingest" / "bb").is_symlink()
    assert "evilstep: is a link" in said.err
    assert kakehi("plan", manifest, "--work", linked).out.count("skip") == 4


def test_recipes_that_are_none_of_ours_are_left_out(kakehi, finished):
    """Another shape under the right hash, and brackets without end: what they would be compared with is made anew."""
    manifest, work = finished
    for made in ({}, [], {"version": 1, "params": [], "libraries": {}, "upstream": {}}):
        home = work / "ingest" / address(made)
        home.mkdir()
        (home / "recipe.json").write_text(json.dumps(made))
    (work / "ingest" / "deep").mkdir()
    (work / "ingest" / "deep" / "recipe.json").write_text("[" * 200_000)
    manifest.write_text(manifest.read_text().replace("files: a.jsonl", "files: a.jsonl, fields: {text: id}"))
    said = kakehi("plan", manifest, "--work", work)
    assert said.code == 0, said.err
    assert "run" in said.out


def test_events_of_other_shapes_are_passed_over(kakehi, finished):
    """`status` tells what is whole of a file of events."""
    _, work = finished
    [path] = work.glob("runs/*.jsonl")
    whole = kakehi("status", "--work", work).out
    more = [
        "[]",
        "7",
        "{}",
        '{"event": []}',
        '{"event": "begin"}',
        '{"event": "done", "time": "x"}',
        "[" * 200_000,
    ]
    more += [
        '{"event": "done", "time": 1e300}',
        '{"event": "done", "time": 1, "counts": {"rows": "x"}}',
        '{"event": "note"}',
    ]
    path.write_text(path.read_text() + "\n".join(more) + "\n")
    said = kakehi("status", "--work", work)
    assert (said.code, said.out) == (0, whole), said.err
