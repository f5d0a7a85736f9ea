"""Hugging Face datasets, without the hub: folders, builders, and what is refused before any request."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest

from kakehi.pipeline.sources.formats import hub
from kakehi.pipeline.sources.formats.records import Reading, Record

ROWS = [{"body": "一", "key": 1}, {"body": None, "key": 2}, {"body": "三", "key": 3}]
FIELDS = {"text": "body", "id": "key"}


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    """Forbid the hub, and keep caches out of the home folder."""
    import datasets  # noqa: PLC0415 - the module under test imports it late as well

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", value=True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def check(items):
    """Check that the three rows came in order."""
    assert [(item.offset, item.length, item.record_id) for item in items] == [
        (0, 1, "1"),
        (1, 1, "2"),
        (2, 1, "3"),
    ]
    assert items[0] == Record(record_id="1", offset=0, length=1, text="一")
    assert items[1].reason == "missing_field"


def test_saved_on_disk(tmp_path):
    """A folder written by save_to_disk is read, alone or as a dictionary of splits."""
    import datasets  # noqa: PLC0415 - the module under test imports it late as well

    rows = datasets.Dataset.from_list(ROWS)
    rows.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": rows, "dev": rows.select([0])}).save_to_disk(str(tmp_path / "many"))
    check(list(hub.read(str(tmp_path / "one"), fields=FIELDS)))
    check(list(hub.read(str(tmp_path / "many"), fields=FIELDS)))
    assert len(list(hub.read(str(tmp_path / "many"), fields=FIELDS, split="dev"))) == 1
    with pytest.raises(ValueError, match="split 'test': found none, wanted one of dev, train"):
        list(hub.read(str(tmp_path / "many"), fields=FIELDS, split="test"))
    with pytest.raises(ValueError, match="is no dataset written by save_to_disk"):
        list(hub.read(str(tmp_path), fields=FIELDS))


def test_builder_with_local_files(tmp_path):
    """A builder streams local files and needs no revision; it needs files, and the columns."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    check(list(hub.read("json", fields=FIELDS, data_files=[str(path)])))
    with pytest.raises(ValueError, match="data_files is empty"):
        list(hub.read("json", fields=FIELDS))
    with pytest.raises(ValueError, match="column 'missing'"):
        list(hub.read("json", fields={"text": "missing"}, data_files=[str(path)]))
    with pytest.raises(ValueError, match="can't be opened"):
        list(hub.read("json", fields=FIELDS, data_files=[str(tmp_path / "none.jsonl")]))


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "3f2a"])
def test_unpinned_hub_dataset_is_refused(revision):
    """A hub dataset without a whole commit is refused with a hint, before any request."""
    with pytest.raises(ValueError, match=r"org/name: revision .*, wanted a commit of 40 .*\nhint: "):
        list(hub.read("org/name", fields=FIELDS, revision=revision))


def test_paths_lead_into_rows(tmp_path):
    """A dataset's columns may hold objects; what may be missing may, and what is no text costs itself."""
    path = tmp_path / "rows.jsonl"
    rows = [
        {"body": "一", "meta": {"url": "https://a.example/", "n": 1}},
        {"body": "三", "meta": {"url": None, "n": 2}},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    fields = {"text": "body", "url": "meta.url", "id": "meta.n", "title?": "heading", "fetched": "meta"}
    counts = Counter()
    first, second = hub.read("json", fields=fields, data_files=[str(path)], reading=Reading(counts=counts))
    assert (first.host, first.record_id, first.title, first.fetched) == ("a.example", "1", None, None)
    assert (second.url, second.record_id) == (None, "2")
    assert counts == {"mapped": 2, "absent/title": 2, "lost/fetched": 2}
    with pytest.raises(ValueError, match=r"column 'metas.url' \(for url\).*columns: body, meta"):
        list(hub.read("json", fields={**fields, "url": "metas.url"}, data_files=[str(path)]))


def test_what_breaks_in_the_middle_is_told(tmp_path):
    """A builder's own error becomes one of ours, with the records read before it."""
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode())[:-12])
    with pytest.raises(ValueError, match=r"json: can't be (opened|read on behind 0 records)"):
        list(hub.read("json", fields=FIELDS, data_files=[str(path)]))
