"""What `explain` tells of steps that it knows nothing of but what they write."""

from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.inspection.explain import FoundRow, _hop
from kakehi.pipeline.storage.store import Store


@pytest.mark.parametrize(
    ("verdict", "lines"), [("shout:long", ["shout       objects: shout:long"]), (None, [])]
)
def test_any_stage_that_writes_verdicts_has_its_line(tmp_path, verdict, lines):
    """A new stage needs no word in explain.py for it."""
    store = Store(tmp_path)
    path = store.table("shout", "ab", "web", "s")
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"verdict": pa.array([verdict], pa.string())}), path)
    step = SimpleNamespace(name="shout", address="ab", stage=SimpleNamespace(name="shout", writes="verdict"))
    place = FoundRow(shard=SimpleNamespace(source="web", name="s"), row=0, values={}, rejected=False)
    assert _hop(step, store, place) == lines
