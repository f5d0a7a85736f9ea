"""`kakehi plan --machine` says what training on the binaries will cost, and refuses what a machine can't bear."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FUGAKU = ROOT / "manifests" / "machines" / "fugaku.yaml"

MANIFEST = """\
corpus: c
sources: {{a: {{ingest: {{files: a.jsonl}}}}, b: {{ingest: {{files: b.jsonl}}}}}}
train: {{vocab_size: 400}}
encode: {{eod: "</s>"}}
pack: {pack}
index: {{jobs: [{{data_parallel: 288, global_batch: 2016, readers: 576, nodes: 13824}}]}}
"""


@pytest.fixture
def plan(make, kakehi, tmp_path):
    """Plan a manifest of two small sources with what pack is given."""
    for name in "ab":
        make.texts(tmp_path / f"{name}.jsonl", 20, seed=name)

    def planned(pack: str, machine: Path = FUGAKU):
        manifest = make.file(tmp_path / "m.yaml", MANIFEST.format(pack=pack))
        return kakehi("plan", manifest, "--work", tmp_path / "w", "--machine", machine)

    planned.run = lambda: kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w", "--until", "encode")
    return planned


def test_tokens_of_a_mix_are_known_beforehand(plan) -> None:
    """The 13 B run's 380 billion tokens, before a file is read."""
    said = plan("{lanes: 2016, mix: {a: 379e9, b: 999420416}}")
    assert said.code == 0, said.err
    assert "fugaku: pack: 185,546,592 rows of 2,048 tokens, lanes (Λ 2,016, B 256)" in said.out
    assert "1.287 ×: 1.006, and the shuffle_index, 0.281" in said.out
    assert "3,456 at the start" in said.out


def test_training_costs_are_known_without_any_input(plan, kakehi, tmp_path) -> None:
    """Sources without a file are named, and exit code is 0; what would run is another question, and an error as ever."""
    (tmp_path / "b.jsonl").unlink()
    said = plan("{lanes: 2016, mix: {a: 379e9, b: 999420416}}")
    assert said.code == 0, said.err
    assert said.out.startswith("no file yet for 1 of 2 sources, so what would run is not known: b\n")
    assert "fugaku: pack: 185,546,592 rows of 2,048 tokens" in said.out
    assert "is known once encode has run" in plan("{lanes: 2016}").out
    said = kakehi("plan", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert (said.code, "'b.jsonl': no file of that name" in said.err) == (3, True)
    assert kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w", "--machine", FUGAKU).code == 3
    published = ROOT / "manifests" / "fugaku-llm.yaml"
    said = kakehi("plan", published, "--work", tmp_path / "w", "--machine", FUGAKU)
    assert (said.code, said.out.count("fugaku: pack: 195,312,500 rows")) == (0, 4), said.err


def test_a_job_takes_the_batch_of_the_schedule(make, kakehi, tmp_path) -> None:
    """Where it names none of its own: what a step reads is the same."""
    make.texts(tmp_path / "a.jsonl", 20)
    make.texts(tmp_path / "b.jsonl", 20)
    pack, machine = "{lanes: 2016, mix: {a: 379e9, b: 999420416}}", ("--machine", FUGAKU)
    said = []
    for given in ("jobs: [{global_batch: 2016, ", "schedule: {global_batch: 2016}, jobs: [{", "jobs: [{"):
        text = (
            MANIFEST.format(pack=pack)
            .replace("jobs: [{", given)
            .replace(" global_batch: 2016, readers", " readers")
        )
        manifest = make.file(tmp_path / "m.yaml", text)
        said.append(kakehi("plan", manifest, "--work", tmp_path / "w", *machine).out.split("fugaku: ")[1])
    assert said[0] == said[1] != said[2]


def test_without_a_mix_they_are_known_once_encode_has_run(plan) -> None:
    """Before, it says so; afterwards the rows are those of the receipts."""
    pack = "{sequence_tokens: 32, lanes: 288, tile_rows: 2048, mix: {a: {weight: 1}, b: {weight: 1}}}"
    assert "is known once encode has run" in plan(pack).out
    assert plan.run().code == 0
    said = plan(pack)
    assert "is known once encode" not in said.out
    assert "rows of 32 tokens" in said.out


def test_pieces_are_planned_once_documents_are_counted(plan) -> None:
    """Before, they are planned as tiles, and it says so; afterwards the shape names them."""
    pack = "{sequence_tokens: 32, lanes: 288, tile_rows: 2048, sequences: pieces, mix: {a: 9e3, b: 9e3}}"
    assert "planned as if its sequences were tiles: how many pieces there will be" in plan(pack).out
    assert plan.run().code == 0
    said = plan(pack).out
    assert "as if its sequences were tiles" not in said
    assert "pieces as sequences" in said


@pytest.mark.parametrize(
    ("pack", "limit", "nearest"),
    [
        ("{lanes: 2016, tile_rows: 1024, mix: {a: 300e9, b: 80e9}}", "stripe_bytes", "tile_rows: 256"),
        ("{lanes: 2016, mix: {a: 3000e9, b: 80e9}}", "quota_bytes", "rows fit"),
        (
            "{layout: stock, file_gb: 1, mix: {a: 300e9, b: 80e9}}",
            "opens_at_start",
            "layout: lanes makes one",
        ),
    ],
)
def test_a_limit_that_is_broken_is_named(plan, pack: str, limit: str, nearest: str) -> None:
    """With the nearest layout that fits, and exit code 2; the costs are said all the same."""
    said = plan(pack)
    assert said.code == 2
    assert f"error: pack: {limit}: got" in said.err or f"\npack: {limit}: got" in said.err
    assert f"nearest that fits: {nearest}" in said.err or nearest in said.err
    assert "fugaku: pack: " in said.out


SMALL = """\
name: small
engine: inline
limits: {quota_bytes: {value: 20KiB, source: "made up", date: "2026"}}
"""


def test_a_run_is_refused_as_its_plan_is(plan, kakehi, tmp_path) -> None:
    """Before anything is done, where the mix says how many tokens there will be."""
    planned = plan("{lanes: 2016, tile_rows: 1024, mix: {a: 300e9, b: 80e9}}")
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w", "--machine", FUGAKU)
    assert (said.code, said.err) == (2, planned.err)
    assert "nearest that fits: tile_rows: 256" in said.err
    assert not (tmp_path / "w" / "ingest").exists()


def test_a_run_is_refused_once_its_tokens_are_counted(plan, make, kakehi, tmp_path) -> None:
    """Not earlier, and with all that was done before kept; a machine that bears it goes on."""
    plan("{sequence_tokens: 2, lanes: 288, tile_rows: 4, validation_rows: 0}")
    small = make.file(tmp_path / "small.yaml", SMALL)
    words = ("run", tmp_path / "m.yaml", "--work", tmp_path / "w", "--machine")
    said = kakehi(*words, small)
    assert said.code == 2
    assert "pack: quota_bytes: got" in said.err
    assert "limits of small, with their sources" in said.err
    assert not (tmp_path / "w" / "pack").exists()
    assert len(list((tmp_path / "w" / "encode").glob("*/?/*.parquet"))) == 2
    small.write_text(SMALL.replace("20KiB", "20GiB"), encoding="utf-8")
    said = kakehi(*words, small)
    assert said.code == 0, said.err
    assert list((tmp_path / "w" / "pack").glob("*/*.bin"))


def test_a_machine_without_limits_refuses_nothing(plan, make, tmp_path) -> None:
    """Costs are counted in pages of 4 KiB there."""
    machine = make.file(tmp_path / "plain.yaml", "name: plain\n")
    said = plan("{lanes: 2016, tile_rows: 1, mix: {a: 300e9, b: 80e9}}", machine)
    assert (said.code, "of 4 KiB a row" in said.out) == (0, True)
