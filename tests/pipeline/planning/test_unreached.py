"""What no plan reaches is found, and nothing else."""

from pathlib import Path

import pytest

from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning import discovery
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.planning.unreached import unreached
from kakehi.pipeline.storage.store import Receipt, Store

HEX = "0123456789abcdef" * 2


@pytest.fixture
def planned(make, tmp_path: Path) -> tuple[Step, Store]:
    """Plan one source step of one shard, and write its output and its recipe."""
    make.texts(tmp_path / "a.jsonl", 2)
    manifest = make.file(tmp_path / "m.yaml", "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\n")
    store = Store(tmp_path / "work")
    [step] = discovery.make_plan(load(manifest), store)
    store.keep_recipe(step.name, step.address, step.recipe)
    make.file(store.table(step.name, step.address, "t", step.shards[0].name), b"rows")
    return step, store


def receipt(step: Step) -> Receipt:
    return Receipt(step=step.name, source="t", shard=step.shards[0].name, address=step.address)


def publish(store: Store, told: Receipt) -> None:
    attempt = store.attempt()
    table = attempt / str(told.source) / f"{told.shard}.parquet"
    table.parent.mkdir()
    table.write_bytes(b"rows")
    store.publish(attempt, told)


def test_what_a_plan_reaches_stays(planned: tuple[Step, Store]) -> None:
    """Tables, receipts and recipes of the plan's addresses and shards."""
    step, store = planned
    publish(store, receipt(step))
    assert unreached([step], store) == []


def test_other_addresses_other_shards_and_attempts_go(make, planned: tuple[Step, Store]) -> None:
    """A folder of another address whole; of ours, files of shards that are gone; and all of tmp."""
    step, store = planned
    home = store.folder(step.name, step.address)
    other = make.file(store.root / "ingest" / "0" / "recipe.json", "{}").parent
    old = [make.file(home / "t" / name, "") for name in (".01-old.parts", "01-old.json", "01-old.parquet")]
    attempt = store.attempt()
    assert unreached([step], store) == [other, *old, attempt]


def test_half_written_json_goes(make, planned: tuple[Step, Store]) -> None:
    """Of a receipt, a recipe or a corpus step's receipt, under the name it would have been renamed from."""
    step, store = planned
    home = store.folder(step.name, step.address)
    names = [f".recipe.json.{HEX}", f".receipt.json.{HEX}", f"t/.{step.shards[0].name}.json.{HEX}"]
    half = [make.file(home / name, "{") for name in names]
    assert sorted(unreached([step], store)) == sorted(half)


def test_parts_stay_until_their_shard_is_published(make, planned: tuple[Step, Store]) -> None:
    """Before, they are what a killed run has done; afterwards nobody reads them."""
    step, store = planned
    parts = store.parts(step.name, step.address, "t", step.shards[0].name)
    make.file(parts / "0.parquet", b"")
    assert unreached([step], store) == []
    publish(store, receipt(step))
    assert unreached([step], store) == [parts]


def test_a_work_folder_that_is_not_there_has_nothing(
    make, planned: tuple[Step, Store], tmp_path: Path
) -> None:
    """Nothing has run, nothing is to remove."""
    assert unreached([planned[0]], Store(tmp_path / "none")) == []
