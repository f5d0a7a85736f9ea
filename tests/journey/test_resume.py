"""What changes is redone, with its reason; what doesn't is left alone."""

import gzip
import shutil
import time

import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.engines.lock import RunLock
from tests.journey.conftest import ROOT, Journey

pytestmark = pytest.mark.slow


def test_nothing_is_to_do_and_quickly(journey: Journey) -> None:
    """A second run finds every step done."""
    started = time.monotonic()
    done = journey.run()
    assert "nothing to do: all" in done.stderr
    assert time.monotonic() - started < 10  # 1.2 s measured; the promise of 3 s is bench/'s to hold
    assert not journey.todo()


def test_one_more_file_redoes_one_shard(journey: Journey) -> None:
    """Row-wise work is done for the new file's shard alone; corpus steps say which shards are new."""
    before = {step.name: {s.name for s in step.shards} for step in journey.plan() if step.source == "docs"}
    source = ROOT / "manifests" / "quickstart" / "warc" / "docs-00003.warc.gz"
    shutil.copyfile(source, journey.home / "quickstart" / "warc" / "docs-00009.warc.gz")
    todo = {(s.name, s.source): s for s in journey.plan() if s.action == "run"}
    for name in ("extract", "measure", "screen", "sign"):
        step = todo[name, "docs"]
        assert len(step.todo) <= 2  # one, or the two halves of a shard that grew too large
        assert len(before[name] & {s.name for s in step.shards}) >= len(before[name]) - 1
        assert step.reason.endswith("shards new")
    assert not {source for name, source in todo if name in {"extract", "ingest", "measure", "sign"}} - {
        "docs"
    }
    assert "shards changed" in todo["exact", None].reason
    journey.run()
    assert not journey.todo()


def test_a_changed_threshold_extracts_and_measures_nothing(journey: Journey) -> None:
    """Only screening and what reads verdicts runs again, and the reason names both values."""
    journey.edit("duplicate_line_share: {max: 0.30}", "duplicate_line_share: {max: 0.2}")
    todo = journey.todo()
    assert not {"extract docs", "ingest wiki", "measure docs", "sign docs", "exact", "pair"} & set(todo)
    assert todo["screen docs"] == "parameter changed: rules[3].max 0.3 → 0.2"
    assert todo["keep"].startswith("upstream changed: screen docs")
    journey.run()
    assert not journey.todo()


def test_a_changed_similarity_redoes_keep_and_not_pair(journey: Journey) -> None:
    """Pairs know no threshold."""
    journey.edit("similarity: 0.8", "similarity: 0.95")
    todo = journey.todo()
    assert todo["keep"] == "parameter changed: similarity 0.8 → 0.95"
    assert not {"pair", "sign docs", "exact"} & set(todo)


def test_a_changed_input_is_extracted_again(journey: Journey) -> None:
    """A file of another size or time is another shard."""
    [path] = (journey.home / "quickstart" / "warc").glob("*-00000.warc.gz")
    path.write_bytes(path.read_bytes() + gzip.compress(b""))
    extract = next(s for s in journey.plan() if s.name == "extract")
    assert len(extract.todo) == 1
    said = f"1 of {len(extract.shards)} shards new; quickstart/warc/{path.name} changed: size "
    assert extract.reason.startswith(said)


def test_outputs_changed_by_hand_are_redone(journey: Journey) -> None:
    """Another size is found by every run; what is made anew has the old content."""
    step = next(s for s in journey.plan() if (s.name, s.source) == ("measure", "wiki"))
    path = journey.store.table(step.name, step.address, "wiki", step.shards[0].name)
    old = pq.read_table(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert "receipt says" in journey.todo()["measure wiki"]
    journey.run()
    assert pq.read_table(path).equals(old)


def test_verify_finds_the_same_size_with_other_bytes(journey: Journey) -> None:
    """One flipped bit in a corpus step's output is found by --verify, and only by it."""
    path = journey.folder("pack") / "quickstart_text_document.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "nothing to do" in journey.run().stderr
    assert "other bytes than its receipt says" in journey.run("--verify", command="plan").stdout
    journey.run("--verify")
    assert path.read_bytes() == whole


def test_a_limited_run_does_not_mix_with_a_whole_one(fresh: Journey) -> None:
    """`--limit` reads so many records of each source, and a whole run afterwards starts anew."""
    done = fresh.run("--limit", "5", "--until", "screen")
    assert "records in" in done.stdout
    assert (
        next(line for line in done.stdout.splitlines() if line.startswith("records in")).split()[-1] == "15"
    )
    assert all(reason for reason in fresh.todo().values())
    assert "extract docs" in fresh.todo()


def test_clean_leaves_a_run_under_way_alone(journey: Journey) -> None:
    """What a run has not published yet looks unreached; so nothing is removed while a lock is held."""
    attempt = journey.store.attempt()
    with RunLock(journey.store.root):
        refused = journey.run("--yes", command="clean", check=False)
        assert refused.returncode == 5
        assert "a run is under way" in refused.stderr
        assert attempt.exists()
        assert str(attempt.name) in journey.run(command="clean").stdout
    journey.run("--yes", command="clean")
    assert not attempt.exists()
    assert not journey.todo()
