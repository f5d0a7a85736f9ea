"""against: who leaves for a document of an earlier run, and that nobody has two verdicts."""

import pyarrow as pa

from kakehi.pipeline.stages.dedupe.against import against
from kakehi.pipeline.storage.schemas import EARLIER, HITS


def batch(similarities, kept):
    """Give hits of these similarities in a run `old`."""
    rows = [
        {"similarity": one, "partner": b"x" * 16, "partner_run": "old", "partner_url": None, "partner_row": 7}
        if one is not None
        else {}
        for one in similarities
    ]
    hits = pa.RecordBatch.from_pylist(rows, schema=HITS)
    return hits.append_column("kept", pa.array(kept, pa.bool_()))


def test_the_threshold_is_enough_and_names_run_and_partner():
    """Below it, and without a hit, nothing is said at all."""
    found = against(batch([0.8, 0.79, None, 1.0], [True] * 4), similarity=0.8)
    assert found.schema == EARLIER
    rows = found.to_pylist()
    assert [row["verdict"] for row in rows] == ["dedupe:earlier:old", None, None, "dedupe:earlier:old"]
    assert [row["partner"] for row in rows] == [b"x" * 16, None, None, b"x" * 16]
    assert [row["similarity"] for row in rows] == [0.8, None, None, 1.0]


def test_what_has_a_verdict_gets_no_second_one():
    """It is counted once in the funnel."""
    found = against(batch([1.0, 1.0], [False, True]))
    assert found.column("verdict").to_pylist() == [None, "dedupe:earlier:old"]
    assert found.column("partner").to_pylist()[0] is None


def test_no_rows():
    """An empty batch has the columns."""
    assert against(batch([], [])).schema == EARLIER
