"""The mix of the Fugaku-LLM run, and stand-ins for its sets."""

import runpy
import sys
from pathlib import Path

import pytest

from kakehi.pipeline.engines.machine import load_machine
from kakehi.pipeline.manifest.compile import load

ROOT = Path(__file__).parents[2]


def test_the_mix_sums_to_four_hundred_billion() -> None:
    """34 sets, each asked for its tokens, in rows of 2,048."""
    manifest = load(ROOT / "manifests" / "fugaku-llm.yaml")
    [pack] = [step.parameters for step in manifest.steps if step.stage.name == "pack"]
    assert len(manifest.sources) == len(pack["mix"]) == 34
    assert sum(share["tokens"] for share in pack["mix"].values()) == 400_000_000_000
    assert pack["sequence_tokens"] == 2048


def test_jobs_are_those_of_the_published_scripts() -> None:
    """TP 6, PP 8, batches of 2,016 rows, and an evaluation every 100 steps of rows that the fork can read."""
    manifest = load(ROOT / "manifests" / "fugaku-llm.yaml")
    steps = {step.stage.name: step.parameters for step in manifest.steps}
    jobs = steps["index"]["jobs"]
    assert [job["data_parallel"] for job in jobs] == [144, 224, 252, 288]
    for job in jobs:
        assert job["nodes"] == 6 * 8 * job["data_parallel"]
        assert job["readers"] == 8 * job["data_parallel"]
        assert (job["global_batch"], steps["pack"]["lanes"] % job["data_parallel"]) == (2016, 0)
    schedule = steps["index"]["schedule"]
    assert (schedule["global_batch"], schedule["eval_interval"], schedule["eval_iters"]) == (2016, 100, 10)
    assert steps["pack"]["validation_behind"]


@pytest.mark.slow
def test_it_runs_on_stand_ins(kakehi, tmp_path, monkeypatch) -> None:
    """The plan says the real sizes; a millionth of each set goes the whole way in one binary."""
    monkeypatch.setattr(sys, "argv", ["standins.py", "--out", str(tmp_path), "--scale", "2e-6"])
    runpy.run_path(str(ROOT / "bench" / "standins.py"), run_name="__main__")
    machine = ROOT / "manifests" / "machines" / "fugaku.yaml"
    said = kakehi("plan", tmp_path / "fugaku-llm.yaml", "--work", tmp_path / "w", "--machine", machine)
    assert said.code == 0, said.err
    assert "195,312,500 rows of 2,048 tokens" in said.out
    said = kakehi("run", tmp_path / "fugaku-llm-small.yaml", "--work", tmp_path / "w")
    assert said.code == 0, said.err
    assert "fugaku-llm_text_document.bin" in said.out


def test_every_limit_of_fugaku_has_a_source_and_a_date() -> None:
    """Numbers that nobody vouches for are not limits."""
    limits = load_machine(ROOT / "manifests" / "machines" / "fugaku.yaml").limits
    assert limits is not None
    for name in type(limits).model_fields:
        limit = getattr(limits, name)
        assert limit is not None, name
        assert limit.source
        assert limit.date[:4].isdigit()
