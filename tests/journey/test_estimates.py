"""What corpus steps say they will take, beside what they took: within a fifth, and refused where it can't be had."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import NamedTuple

import pytest

MANIFEST = """\
corpus: c
sources: {s: {ingest: {files: "s/*.jsonl", shard_mb: 0.000001}}}
dedupe: {}
remember:
report:
"""


class Usage(NamedTuple):
    """What the system says of a disk."""

    total: int
    used: int
    free: int


@pytest.fixture(scope="module")
def ran(make, kakehi, tmp_path_factory) -> tuple[Path, str]:
    """Run 4,000 documents, a fifth of them near copies, a few equal ones; give the folder and what the plan said before."""
    home, draw = tmp_path_factory.mktemp("estimates"), random.Random(5)  # noqa: S311 - not for secrets
    texts = [make.text(i, 4 + i % 30) for i in range(3200)]
    for _ in range(800):
        lines = draw.choice(texts).split("\n")
        for _ in range(draw.choice((0, 1, 1, 2, 4))):
            lines[draw.randrange(len(lines))] = make.text(draw.random(), 1)
        texts.append("\n".join(lines))
    for part in range(4):
        make.jsonl(home / "s" / f"{part}.jsonl", ({"text": text} for text in texts[part::4]))
    path = make.file(home / "m.yaml", MANIFEST)
    assert kakehi("run", path, "--work", home / "work", "--until", "sign").code == 0
    plan = kakehi("plan", path, "--work", home / "work").out
    said = kakehi("run", path, "--work", home / "work")
    assert said.code == 0, said.err
    return home, plan


def near(estimated: int, taken: int) -> bool:
    """Within 20 %, but for the heads of files."""
    return abs(estimated - taken) <= 0.2 * taken + 8192


@pytest.mark.parametrize("step", ["exact", "pair", "keep", "remember"])
def test_promise_and_fact_are_within_a_fifth(ran: tuple[Path, str], step: str) -> None:
    """Scratch and tables on disk; of `keep` scratch is estimated as the most it can be."""
    [path] = (ran[0] / "work" / step).glob("*/receipt.json")
    receipt = json.loads(path.read_bytes())
    estimated, tables = receipt["promised"], sum(output["size"] for output in receipt["outputs"])
    assert near(estimated["table_bytes"], tables), (estimated, tables)
    if step == "keep":
        assert estimated["scratch_bytes"] >= receipt["scratch_bytes"] > 0
    else:
        assert near(estimated["scratch_bytes"], receipt["scratch_bytes"]), (
            estimated,
            receipt["scratch_bytes"],
        )


def test_compare_promises_again_once_it_knows_what_is_found(
    ran: tuple[Path, str], make, kakehi, tmp_path: Path
) -> None:
    """A month of 1,500 documents, two fifths of them near copies of what the run before kept."""
    draw = random.Random(7)  # noqa: S311 - not for secrets
    texts = [make.text(10**6 + i, 4 + i % 30) for i in range(900)]
    for number in range(600):
        lines = make.text(number * 5, 4 + number * 5 % 30).split("\n")
        lines[draw.randrange(len(lines))] = make.text(draw.random(), 1)
        texts.append("\n".join(lines))
    make.jsonl(tmp_path / "s.jsonl", ({"text": text} for text in texts))
    manifest = make.file(
        tmp_path / "m.yaml",
        "corpus: d\nsources: {s: {ingest: {files: s.jsonl}}}\n"
        f"dedupe: {{against: {{before: {ran[0] / 'work'}}}}}\n",
    )
    said = kakehi("run", manifest, "--work", tmp_path / "w")
    assert said.code == 0, said.err
    [path] = (tmp_path / "w" / "compare").glob("*/receipt.json")
    receipt = json.loads(path.read_bytes())
    assert receipt["counts"]["met"] > 400
    assert near(receipt["promised"]["scratch_bytes"], receipt["scratch_bytes"]), receipt
    tables = sum(output["size"] for output in receipt["outputs"])
    assert near(receipt["promised"]["table_bytes"], tables), (receipt, tables)


def test_plan_and_report_say_it(ran: tuple[Path, str], kakehi) -> None:
    """Before the start a line a step, as far as it is known; afterwards estimate beside fact."""
    home, plan = ran
    assert "\npair: 1.2 MB of scratch, 0.0 kB of tables, " in plan
    assert "candidates and their texts are estimated once they are found" in plan
    lines = kakehi("report", home / "m.yaml", "--work", home / "work").out.splitlines()
    [told] = [line for line in lines if line.startswith("pair ")]
    assert told.count("estimated") == told.count("taken") == 3


def test_a_disk_without_room_is_refused_before_the_step(
    ran: tuple[Path, str], kakehi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 3, and nothing of the step is written; with room again it runs."""
    manifest = ran[0] / "m.yaml"
    assert kakehi("run", manifest, "--work", tmp_path / "w", "--until", "sign").code == 0
    with monkeypatch.context() as patch:
        patch.setattr("kakehi.pipeline.execution.estimates.shutil.disk_usage", lambda _: Usage(1, 1, 500_000))
        said = kakehi("run", manifest, "--work", tmp_path / "w", "--until", "pair")
        assert said.code == 3
        assert "pair: will take 1.2 MB of disk, 500.0 kB are free in the work folder" in said.err
        assert not list((tmp_path / "w" / "pair").rglob("*.records"))
        assert kakehi("plan", manifest, "--work", tmp_path / "w").code == 3
    assert kakehi("run", manifest, "--work", tmp_path / "w", "--until", "pair").code == 0


def test_candidates_that_are_too_many_are_refused_once_they_are_known(
    ran: tuple[Path, str], kakehi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keys would fit, their candidates' texts do not: no text is moved, and what is done is kept."""
    manifest = ran[0] / "m.yaml"
    assert kakehi("run", manifest, "--work", tmp_path / "w", "--until", "sign").code == 0
    with monkeypatch.context() as patch:
        patch.setattr(
            "kakehi.pipeline.execution.estimates.shutil.disk_usage", lambda _: Usage(1, 1, 2_000_000)
        )
        said = kakehi("run", manifest, "--work", tmp_path / "w", "--until", "pair")
        assert (said.code, "pair: will take" in said.err) == (3, True)
    left = {path.parent.name for path in (tmp_path / "w" / "pair").rglob("*.records")}
    assert left == {"keys", "found", "pairs", "needed"}
    assert kakehi("run", manifest, "--work", tmp_path / "w", "--until", "pair").code == 0


def test_a_worker_too_small_for_a_shard_is_refused(
    ran: tuple[Path, str], kakehi, make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 2, by `plan` and by `run`, with the number that would do."""
    machine = make.file(tmp_path / "machine.yaml", "bytes_per_worker: 256MiB")
    manifest, work = ran[0] / "m.yaml", tmp_path / "w"
    assert kakehi("run", manifest, "--work", work, "--until", "sign").code == 0
    monkeypatch.setattr("kakehi.pipeline.stages.dedupe.keys.READ_BYTES", 300)
    for name in ("plan", "run"):
        said = kakehi(name, manifest, "--work", work, "--machine", machine, "--until", "pair")
        assert (said.code, said.err.count("\nhint: bytes_per_worker: ")) == (2, 1), said.err
        assert "pair: its largest shard takes a task of" in said.err
