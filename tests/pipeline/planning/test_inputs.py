"""Inputs are compared by size and time, and where only the time differs by their bytes."""

import json
import os
from pathlib import Path

from kakehi.pipeline.planning.inputs import SAME_BYTES

MANIFEST = "corpus: c\nsources: {s: {ingest: {files: '*.jsonl', shard_mb: 0.000001}}}\nmeasure: [script]\n"


def _run(kakehi, root: Path, *more: str) -> str:
    said = kakehi("run", root / "m.yaml", "--work", root / "w", *more)
    assert said.code == 0, said.err
    return str(said.err)


def _plan(kakehi, root: Path, *more: str) -> str:
    return str(kakehi("plan", root / "m.yaml", "--work", root / "w", *more).out)


def _digests(root: Path) -> dict[str, list[str]]:
    found = {}
    for path in sorted((root / "w").glob("*/*/s/*.json")):
        told = json.loads(path.read_bytes())
        found[path.parts[-4] + path.name] = [output["sha256"] for output in told["outputs"]]
    return found


def test_a_touch_runs_nothing_again_and_a_change_does(make, kakehi, tmp_path: Path) -> None:
    """A plan says which file changed and what about it, and reads none; a run compares bytes and adopts them."""
    for name in "ab":
        make.texts(tmp_path / f"{name}.jsonl", 2, seed=name)
    make.file(tmp_path / "m.yaml", MANIFEST)
    _run(kakehi, tmp_path)
    before = _digests(tmp_path)
    for time in (10**18, 10**18 + 10**9):  # a copy without times, twice
        os.utime(tmp_path / "a.jsonl", ns=(time, time))
        planned = _plan(kakehi, tmp_path)
        assert "a.jsonl changed: time" in planned
        assert "compares its bytes first" in planned
        assert (
            not (tmp_path / "w" / SAME_BYTES).exists()
            or str(time) not in (tmp_path / "w" / SAME_BYTES).read_text()
        )
        assert "nothing to do" in _run(kakehi, tmp_path)
        assert "changed" not in _plan(kakehi, tmp_path)
    assert _digests(tmp_path) == before
    content = (tmp_path / "a.jsonl").read_text()
    (tmp_path / "a.jsonl").write_text(content.replace("a-0", "x-0"))  # the same size
    assert "done in" in _run(kakehi, tmp_path)
    (tmp_path / "b.jsonl").write_text(content + "\n")
    assert "b.jsonl changed: size" in _plan(kakehi, tmp_path)
    (tmp_path / "w" / SAME_BYTES).write_bytes(b"[")
    assert "done in" in _run(kakehi, tmp_path)


def test_verify_inputs_finds_other_bytes_under_an_old_time(make, kakehi, tmp_path: Path) -> None:
    """All that came of them is made anew, even where the run that found it was ended; the rest is left alone."""
    for name in "ab":
        make.texts(tmp_path / f"{name}.jsonl", 2, seed=name)
    make.file(tmp_path / "m.yaml", MANIFEST)
    _run(kakehi, tmp_path)
    before, path = _digests(tmp_path), tmp_path / "a.jsonl"
    state = path.stat()
    path.write_text(path.read_text().replace(json.dumps("は")[1:-1], json.dumps("ハ")[1:-1]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size
    assert "nothing to do" in _run(kakehi, tmp_path, "--verify")
    assert "a.jsonl has other bytes than were read" in _plan(kakehi, tmp_path, "--verify", "inputs")
    assert _digests(tmp_path) == before
    said = kakehi(
        "run", "--verify", "inputs", tmp_path / "m.yaml", "--work", tmp_path / "w", "--until", "ingest"
    )
    assert said.code == 0, said.err
    planned = _plan(kakehi, tmp_path)
    assert "1 of 2 shards new" in planned
    _run(kakehi, tmp_path)
    changed = {name for name, digests in _digests(tmp_path).items() if before[name] != digests}
    assert len(changed) == 2
    assert "nothing to do" in _run(kakehi, tmp_path, "--verify", "inputs")
    assert "nothing to do" in kakehi("run", "--verify", tmp_path / "m.yaml", "--work", tmp_path / "w").err
