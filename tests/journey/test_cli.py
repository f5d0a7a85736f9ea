"""The command as its user meets it: what it prints and where, exit codes, interrupted runs, damaged work folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.cli.main import cli
from tests.journey.conftest import ROOT

COMMANDS = sorted(cli.commands)

MANIFEST = """\
corpus: small
sources:
  wiki: {ingest: {files: "wiki/*.jsonl", fields: {text: text, id: id, url: url}}}
  notes: {ingest: {files: "notes/*.jsonl", fields: {text: text, id: id, url: url}}}
measure: [script]
screen:
  all: [{characters: {min: 40}}]
dedupe: {priority: [{source: [wiki, notes]}, longest]}
train: {vocab_size: 400, num_threads: 1}
encode: {eod: "</s>"}
pack: {sequence_tokens: 64, lanes: 2, tile_rows: 4}
index: {jobs: [{data_parallel: 2}]}
export: {formats: [parquet]}
"""


def fill(make, root: Path) -> Path:
    """Write inputs in which every verdict occurs, and their manifest."""
    rows = [
        {"id": f"w{i}", "url": f"https://wiki.example/{i}", "text": make.text(("w", i), 12)}
        for i in range(20)
    ]
    rows.append({"id": "short", "url": "https://wiki.example/short", "text": "みじかい。"})
    rows.append({"id": "none", "url": "https://wiki.example/none"})
    make.jsonl(root / "wiki" / "a.jsonl", rows)
    copy = make.text(("w", 0), 12)
    notes = [{"id": "same", "url": "https://notes.example/same", "text": copy}]
    notes.append(
        {"id": "near", "url": "https://notes.example/near", "text": copy + "\nひとつだけ足した文です。"}
    )
    notes.append({"id": "own", "url": "https://notes.example/own", "text": make.text("own", 12)})
    make.jsonl(root / "notes" / "b.jsonl", notes)
    return make.file(root / "m.yaml", MANIFEST)


@pytest.fixture(scope="module")
def whole(make, kakehi, tmp_path_factory):
    """Give a manifest and the work folder of its whole run; tests of this module leave both as they are."""
    root = tmp_path_factory.mktemp("whole")
    manifest = fill(make, root)
    said = kakehi("run", manifest, "--work", root / "w")
    assert said.code == 0, said.err
    return manifest, root / "w", said


@pytest.fixture
def fresh(make, tmp_path):
    """Give a manifest of two steps, and a work folder for it to spoil."""
    make.texts(tmp_path / "a.jsonl", 5)
    text = "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\nmeasure: [script]\nexact: {stage: exact}\n"
    return make.file(tmp_path / "m.yaml", text), tmp_path / "w"


def actions(kakehi, manifest: Path, work: Path, *more: str) -> dict[str, tuple[str, str]]:
    """Plan; give step to (run or skip, reason)."""
    said = kakehi("plan", manifest, "--work", work, *more)
    assert said.code == 0, said.err
    found = {}
    for line in said.out.partition("\n\n")[0].splitlines():
        words = line.split()
        at = next(i for i, word in enumerate(words) if word in {"run", "skip"})
        found[words[0]] = (words[at], " ".join(words[at + 1 :]))
    return found


def content(work: Path) -> dict[str, object]:
    """Read every published table of a work folder, by its place."""
    places = sorted(path.relative_to(work) for path in work.rglob("*.parquet"))
    return {place.as_posix(): pq.read_table(work / place) for place in places if place.parts[0] != "tmp"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(kakehi, name):
    """`--help` of each ends with a line that can be typed."""
    said = kakehi(name, "--help")
    assert said.code == 0
    assert said.out.partition("Example:\n")[2].strip().startswith(f"kakehi {name} ")


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["--version"], 0, "kakehi, version", ""),
        (["--help"], 0, "Commands:", ""),
        (["chek"], 2, "", "Did you mean 'check'?"),
        (["check"], 2, "", "Missing argument"),
        (["run", "no.yaml", "--machine", "none.yaml"], 2, "", "no.yaml: can't be read"),
        (["lookup", "no", "--token", "0"], 3, "", "no: there is no manifest.json beside it"),
        (["lookup", "no", "--token", str(2**70)], 2, "", "--token"),
    ],
)
def test_exit_codes_and_where_the_words_go(kakehi, arguments, code, out, err):
    """What was asked for goes to stdout, what went wrong to stderr."""
    said = kakehi(*arguments)
    assert said.code == code
    assert out in said.out
    assert err in said.err
    assert (said.out == "") == (code != 0)


def test_a_run_prints_the_funnel_on_stdout_and_talks_on_stderr(whole):
    """The funnel and the places of what was made are data; the plan and the rates are talk."""
    _, work, said = whole
    for line in ("records in", "reject: missing_field", "drop: dedupe:exact", "drop: dedupe:near"):
        assert line in said.out
        assert line not in said.err
    assert "drop: screen:characters.min" in said.out
    assert "first run" in said.err
    assert "done in" in said.err
    assert str(next((work / "pack").rglob("*.bin"))) in said.out


def test_a_second_run_has_nothing_to_do(whole, kakehi):
    """It says so, and prints the same funnel."""
    manifest, work, said = whole
    again = kakehi("run", manifest, "--work", work)
    assert (again.code, again.out) == (0, said.out)
    assert "nothing to do" in again.err


def test_explain_tells_every_verdict(whole, kakehi):
    """For each verdict there is: the objection with value and bound, or the partner with its similarity."""
    manifest, work, _ = whole
    told = {
        name: kakehi("explain", manifest, f"https://{place}/{name}", "--work", work).out
        for place, name in (
            ("wiki.example", "0"),
            ("wiki.example", "short"),
            ("wiki.example", "none"),
            ("notes.example", "same"),
            ("notes.example", "near"),
            ("notes.example", "own"),
        )
    }
    assert "objection   screen:characters.min: 5, min is 40" in told["short"]
    assert "not encoded" in told["short"]
    assert "rejected    missing_field" in told["none"]
    assert "objects: dedupe:exact" in told["same"]
    assert "similarity 1.0000" in told["same"]
    assert "objects: dedupe:near" in told["near"]
    assert "https://wiki.example/0, similarity 0.9" in told["near"]
    assert "stands for 3 documents" in told["0"]
    assert "stands for 1 document" in told["own"]
    for name in ("0", "own"):
        assert "small_text_document.bin, tokens" in told[name]


def test_explain_takes_an_id_and_says_where_nothing_is(whole, kakehi):
    """An id finds the document a URL does; an unknown name is an error with a hint."""
    manifest, work, _ = whole
    by_url = kakehi("explain", manifest, "https://notes.example/own", "--work", work).out
    number = by_url.split()[1]
    assert kakehi("explain", manifest, number, "--work", work).out == by_url
    said = kakehi("explain", manifest, "https://nowhere.example/", "--work", work)
    assert said.code == 3
    assert "hint: ids have 32" in said.err


def test_lookup_names_the_document_of_a_token(whole, kakehi):
    """The first token has a document; the last one is of the guard, and the one behind is none."""
    manifest, work, _ = whole
    [binary] = (work / "pack").rglob("*.bin")
    prefix, tokens = binary.with_suffix(""), binary.stat().st_size // 2
    said = kakehi("lookup", prefix, "--token", 0)
    found = json.loads(said.out)
    assert found["first_token"] == 0 < found["tokens"]
    assert found["id"] in kakehi("explain", manifest, found["url"], "--work", work).out
    for token in (tokens - 1, tokens):
        said = kakehi("lookup", prefix, "--token", token)
        assert said.code == 3
        assert f"got {token}" in said.err


def test_check_looks_at_binaries_and_maps(whole, kakehi):
    """What a run made has no fault."""
    _, work, _ = whole
    [binary] = (work / "pack").rglob("*.bin")
    [cache] = (work / "index").rglob("cache")
    said = kakehi("check", binary.with_suffix(""), "--maps", cache)
    assert (said.code, "no fault found" in said.out) == (0, True)


def test_the_quickstart_is_copied_into_an_empty_folder_only(kakehi, tmp_path):
    """What the demo needs, byte for byte, under a manifest that is whole; a second time nothing is touched."""
    home = tmp_path / "new"
    said = kakehi("quickstart", home)
    assert (said.code, said.out.count("\n")) == (0, 3), said.err
    own, copies = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (ROOT / "manifests", home)
    )
    wanted = {"quickstart.yaml", "quickstart", "machines"}
    assert copies == {place: held for place, held in own.items() if place.parts[0] in wanted}
    assert "no fault found" in kakehi("check", home / "quickstart.yaml").out
    again = kakehi("quickstart", home)
    assert (again.code, "is not empty" in again.err) == (3, True)
    assert kakehi("quickstart", home / "quickstart.yaml").code == 2


@pytest.mark.parametrize("words", [["--version"], ["run", "--help"]])
def test_the_module_is_the_command(kakehi, words):
    """`python -m kakehi` says what `kakehi` says, its name in the usage too."""
    line = [sys.executable, "-m", "kakehi", *words]
    said = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "kakehi" in said.stdout.split("\n")[0]
    assert said.stdout == kakehi(*words).out


def test_export_copies_into_an_empty_folder_only(whole, kakehi, tmp_path):
    """What is exported is the kept text; a folder with something in it is left alone."""
    manifest, work, _ = whole
    said = kakehi("export", manifest, "--work", work, "--to", tmp_path / "new")
    assert said.code == 0, said.err
    rows = [row for line in said.out.splitlines() for row in pq.read_table(line).to_pylist()]
    assert len(rows) == 21
    assert {row["url"] for row in rows} >= {"https://wiki.example/0", "https://notes.example/own"}
    again = kakehi("export", manifest, "--work", work, "--to", tmp_path / "new")
    assert again.code == 3
    assert "is not empty" in again.err


def test_export_before_a_run_is_refused(make, kakehi, tmp_path):
    """The way out is in the hint."""
    said = kakehi("export", fill(make, tmp_path), "--work", tmp_path / "w", "--to", tmp_path / "new")
    assert said.code == 3
    assert "hint: kakehi run" in said.err


def test_defaults_are_a_manifest_of_the_same_addresses(whole, kakehi, tmp_path):
    """With every default written in, there is nothing to do."""
    manifest, work, _ = whole
    said = kakehi("defaults", manifest)
    filled = manifest.with_name("filled.yaml")
    filled.write_text(said.out)
    try:
        assert "nothing to do" in kakehi("run", filled, "--work", work).err
    finally:
        filled.unlink()


def test_limit_and_until(make, kakehi, tmp_path):
    """`--limit` reads so many records of each source, `--until` ends with a step, or with a manifest's key."""
    manifest, work = fill(make, tmp_path), tmp_path / "w"
    said = kakehi("run", manifest, "--work", work, "--limit", 2, "--until", "dedupe")
    assert said.code == 0, said.err
    assert said.out.split("records in")[1].split()[0] == "4"
    assert (work / "keep").exists()
    assert not (work / "train").exists()
    until = kakehi("run", manifest, "--work", work, "--until", "ingest")
    assert until.code == 0
    assert until.out.split("records in")[1].split()[0] == "25"


def test_until_an_unknown_step_names_the_nearest(whole, kakehi):
    """A step that is misspelt is found."""
    manifest, work, _ = whole
    said = kakehi("plan", manifest, "--work", work, "--until", "scren")
    assert said.code == 2
    assert "did you mean 'screen'?" in said.err


def test_all_faults_of_a_manifest_come_at_once(make, kakehi, tmp_path):
    """Unknown keys, wrong types and wrong bounds are listed together, each with its line."""
    path = make.file(
        tmp_path / "m.yaml",
        "corpus: c\n"
        "sources:\n"
        "  t: {ingest: {file: a.jsonl}}\n"
        "mesure: [script]\n"
        "screen:\n"
        "  all: [{characters: {min: many}}]\n"
        "train:\n"
        "  vocab_size: big\n"
        "  sed: 1\n"
        "encode:\n",
    )
    said = kakehi("check", path)
    assert said.code == 2
    found = [
        line.removeprefix("error: ").removeprefix(f"{path}:").split(":")[0] for line in said.err.splitlines()
    ]
    for number in ("3", "4", "6", "8", "9", "10"):
        assert number in found, said.err
    assert "did you mean 'seed'?" in said.err
    assert "did you mean 'measure'?" in said.err


def test_a_circle_of_origins_is_refused(make, kakehi, tmp_path):
    """Two steps that name each other are a fault with its line."""
    make.texts(tmp_path / "a.jsonl", 1)
    path = make.file(
        tmp_path / "m.yaml",
        "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\n"
        "measure: [script]\nscreen: {stage: screen, from: other}\nother: {stage: screen, from: screen}\n",
    )
    said = kakehi("check", path)
    assert said.code == 2
    assert "a cycle" in said.err
    assert f"{path}:4:" in said.err


def test_a_work_folder_that_is_a_file(whole, kakehi, tmp_path):
    """A file in the way is a wrong argument; one below it is an error that says how to go on."""
    manifest, _, _ = whole
    (tmp_path / "file").write_text("x")
    assert kakehi("run", manifest, "--work", tmp_path / "file").code == 2
    said = kakehi("run", manifest, "--work", tmp_path / "file" / "below")
    assert said.code == 3
    assert "name another folder" in said.err
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_work_folder_that_cant_be_written_to(whole, kakehi, tmp_path):
    """A read-only folder is an error that says how to go on."""
    manifest, _, _ = whole
    tmp_path.chmod(0o500)
    said = kakehi("run", manifest, "--work", tmp_path / "w")
    assert said.code == 3
    assert "hint: name a folder" in said.err


def test_an_output_of_another_size_is_found_by_every_run(fresh, kakehi):
    """The plan names the file, its size and the one it should have; a run makes it anew."""
    manifest, work = fresh
    assert kakehi("run", manifest, "--work", work).code == 0
    before = content(work)
    [table] = (work / "measure").rglob("*.parquet")
    table.write_bytes(table.read_bytes() + b"x")
    found = actions(kakehi, manifest, work)
    assert found["ingest"][0] == "skip"
    assert found["measure"][0] == "run"
    assert "bytes, receipt says" in found["measure"][1]
    assert kakehi("run", manifest, "--work", work).code == 0
    assert content(work) == before


def test_an_output_of_the_same_size_is_found_by_verify(fresh, kakehi):
    """Sizes are compared always, bytes with `--verify`."""
    manifest, work = fresh
    assert kakehi("run", manifest, "--work", work).code == 0
    before = content(work)
    [table] = (work / "exact").rglob("*.parquet")
    raw = bytearray(table.read_bytes())
    raw[20] ^= 1
    table.write_bytes(raw)
    assert actions(kakehi, manifest, work)["exact"][0] == "skip"
    assert actions(kakehi, manifest, work, "--verify")["exact"][0] == "run"
    said = kakehi("run", manifest, "--work", work, "--verify")
    assert said.code == 0
    assert "has other bytes" in said.err
    assert content(work) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil", ["remove", "empty", "garbage", "null", "list", "other step", "words as counts"]
)
@pytest.mark.parametrize("step", ["ingest", "exact"])
def test_a_receipt_changed_by_hand_is_none(fresh, kakehi, step, spoil):
    """A step whose receipt can't be believed is done again, and nothing crashes."""
    manifest, work = fresh
    assert kakehi("run", manifest, "--work", work).code == 0
    before = content(work)
    [receipt] = [path for path in (work / step).rglob("*.json") if path.name != "recipe.json"]
    whole = json.loads(receipt.read_bytes())
    spoilt = {
        "empty": "",
        "garbage": "{",
        "null": "null",
        "list": "[1]",
        "other step": json.dumps({**whole, "step": "measure"}),
        "words as counts": json.dumps({**whole, "counts": {"rows": "many"}}),
    }
    receipt.unlink() if spoil == "remove" else receipt.write_text(spoilt[spoil])
    assert actions(kakehi, manifest, work)[step][0] == "run"
    assert kakehi("run", manifest, "--work", work).code == 0
    assert content(work) == before


@pytest.mark.parametrize("broken", ["", "{", "[]", "null", '{"step": "measure"}', "\0"])
def test_a_recipe_broken_by_hand_does_not_crash(fresh, make, kakehi, broken):
    """What can't be read is passed over, whatever changes next, and written anew when its step runs."""
    manifest, work = fresh
    assert kakehi("run", manifest, "--work", work).code == 0
    for recipe in work.rglob("recipe.json"):
        recipe.write_text(broken)
    assert {action for action, _ in actions(kakehi, manifest, work).values()} == {"skip"}
    changed = make.file(
        manifest.with_name("n.yaml"), manifest.read_text().replace("[script]", "[script, lines]")
    )
    assert actions(kakehi, changed, work)["measure"] == ("run", "1/1 first run")
    assert kakehi("run", changed, "--work", work).code == 0
    assert kakehi("clean", manifest, changed, "--work", work).out == ""


def test_clean_removes_what_no_manifest_reaches(make, kakehi, fresh):
    """Without `--yes` nothing goes; with it only what none of the manifests given needs, and what was left half done."""
    manifest, work = fresh
    assert kakehi("run", manifest, "--work", work).code == 0
    kept = content(work)
    other = make.file(
        manifest.with_name("n.yaml"), manifest.read_text().replace("[script]", "[script, lines]")
    )
    assert kakehi("run", other, "--work", work).code == 0
    (work / "tmp" / "left").mkdir(parents=True)
    every = sorted(work.rglob("*"))
    assert kakehi("clean", manifest, other, "--work", work).out.count("would remove") == 1
    said = kakehi("clean", manifest, "--work", work)
    assert said.out.count("would remove") == 2
    assert "add --yes" in said.err
    assert sorted(work.rglob("*")) == every
    assert kakehi("clean", manifest, "--work", work, "--yes").out.count("removed") == 2
    assert content(work) == kept
    assert {action for action, _ in actions(kakehi, manifest, work).values()} == {"skip"}


def broken(*_: object, **__: object) -> None:
    raise KeyError("broken")


@pytest.mark.parametrize(
    ("step", "first", "last"),
    [
        ("exact", "dedupe.exact._group", "dedupe.exact._write"),
        ("pair", "dedupe.pair._keys", "dedupe.pair._verify"),
    ],
)
def test_what_was_shuffled_is_not_shuffled_again(kakehi, fresh, monkeypatch, step, first, last):
    """A run that fails late leaves its files to the next, which needs no more of what made them, and removes them."""
    manifest, work = fresh
    manifest.write_text(manifest.read_text().replace("exact: {stage: exact}", "dedupe: {}"))
    assert kakehi("run", manifest, "--work", work).code == 0
    wanted = content(work)
    for receipt in (work / step).glob("*/receipt.json"):
        receipt.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(f"kakehi.pipeline.stages.{last}", broken)
        said = kakehi("run", manifest, "--work", work)
    assert said.code == 5
    assert f"{step}: " in said.err
    [left] = (work / step).glob("*/.shuffle")
    assert list(left.rglob("*.records"))
    assert kakehi("clean", manifest, "--work", work).out == ""
    monkeypatch.setattr(f"kakehi.pipeline.stages.{first}", broken)
    assert kakehi("run", manifest, "--work", work).code == 0
    assert content(work) == wanted
    assert not left.exists()
    left.mkdir()
    assert kakehi("clean", manifest, "--work", work, "--yes").out.count("removed") == 1
    assert not left.exists()


def test_clean_removes_the_shards_of_inputs_that_are_gone(make, kakehi, tmp_path):
    """A file that changed has left a shard nobody reads."""
    make.texts(tmp_path / "a.jsonl", 2)
    manifest = make.file(tmp_path / "m.yaml", "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\n")
    work = tmp_path / "w"
    assert kakehi("run", manifest, "--work", work).code == 0
    stale = set(content(work))
    make.texts(tmp_path / "a.jsonl", 3)
    assert kakehi("run", manifest, "--work", work).code == 0
    assert kakehi("clean", manifest, "--work", work, "--yes").code == 0
    assert len(content(work)) == 2
    assert not stale & set(content(work))


def start(manifest: Path, work: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a run as a process of its own."""
    code = "import sys; from kakehi.pipeline.cli.main import main; sys.argv[0] = 'kakehi'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "run", os.fspath(manifest), "--work", os.fspath(work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def many_files(make, root: Path) -> Path:
    """Write ten WARC files of one shard, slow enough to be caught in the middle."""
    for i in range(10):
        pages = [make.page(f"https://many.example/{i}/{j}", 400) for j in range(12)]
        make.warc(root / f"{i:02}.warc.gz", pages)
    return make.file(
        root / "m.yaml", "corpus: c\nsources: {w: {extract: {files: '*.warc.gz'}}}\nmeasure: [script]\n"
    )


def wait_for_part(work: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the first files of the shard are committed."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(list(work.glob("extract/*/*/.*.parts/*.json"))) >= 2:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    pytest.fail("no part was committed")


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_stopped_in_the_middle_of_a_shard_goes_on(make, kakehi, tmp_path, sign, code):
    """Files that are done stay done, and the end is what an undisturbed run gives."""
    manifest, work = many_files(make, tmp_path), tmp_path / "w"
    process = start(manifest, work)
    wait_for_part(work, process)
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    if sign == signal.SIGINT:
        assert "run again to go on" in err
        assert "Traceback" not in err
        assert not list((work / "tmp").iterdir())
    done = {path.name: path.stat().st_mtime_ns for path in work.glob("extract/*/*/.*.parts/[0-9]*.json")}
    assert 2 <= len(done) < 10
    again = kakehi("run", manifest, "--work", work)
    assert again.code == 0, again.err
    assert not list(work.glob("extract/*/*/.*.parts"))
    assert kakehi("run", manifest, "--work", tmp_path / "undisturbed").code == 0
    assert content(work) == content(tmp_path / "undisturbed")
    kakehi("clean", manifest, "--work", work, "--yes")
    assert not list((work / "tmp").iterdir())


@pytest.mark.slow
def test_exit_codes_reach_the_shell(make, tmp_path):
    """As a process of its own: data on stdout and 0, or words on stderr and the error's code."""
    make.texts(tmp_path / "a.jsonl", 2)
    good = make.file(tmp_path / "m.yaml", "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\n")
    out, err = start(good, tmp_path / "w").communicate(timeout=60)
    assert "records in" in out
    assert "records in" not in err
    bad = start(make.file(tmp_path / "n.yaml", "corpus: c\n"), tmp_path / "w")
    out, err = bad.communicate(timeout=60)
    assert (bad.returncode, out) == (2, "")
    assert err.startswith("error: ")
