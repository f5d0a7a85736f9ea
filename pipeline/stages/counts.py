"""Mergeable counts: what a task counts of each batch it writes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kakehi.pipeline.storage.schemas import TokenizedBy, flat_ids


def count_batch(table: str, out: pa.RecordBatch, batch: pa.RecordBatch) -> dict[str, int]:
    """Count what one batch of a row-wise table says.

    Args:
        table: that was written.
        out: the batch written.
        batch: the batch it was made from; verdicts are weighed with its `characters`.
    """
    counts: Counter[str] = Counter(rows=out.num_rows)
    if table == "verdict":
        counts.update(count_verdicts(out.column("verdict"), batch.column("characters")))
        if "objections" in out.schema.names:
            counts.update(_count_objections(out.column("objections")))
    if table == "tokens":
        counts["tokens"] = pc.sum(out.column("length")).as_py() or 0
        counts["encoded"] = len(out) - out.column("ids").null_count
        if unknown := _count_unknown(out, counts["tokens"]):
            counts["unknown_tokens"] = unknown
    return dict(counts)


def count_verdicts(verdict: pa.Array, characters: pa.Array) -> dict[str, int]:
    """Count documents and characters by verdict; `kept` where it is null."""
    table = pa.table({"verdict": verdict, "characters": characters})
    groups = table.group_by("verdict").aggregate([("characters", "sum"), ("characters", "count")])
    counts: dict[str, int] = {}
    for row in groups.to_pylist():
        name = "kept" if row["verdict"] is None else f"verdict/{row['verdict']}"
        counts[f"{name}/documents"] = row["characters_count"]
        counts[f"{name}/characters"] = row["characters_sum"] or 0
    return counts


def _count_unknown(out: pa.RecordBatch, tokens: int) -> int:
    unknown = TokenizedBy.read_from(out.schema).unknown
    if unknown < 0 or not tokens:
        return 0
    ids = flat_ids(out.column("ids"), np.uint8)
    return int(np.count_nonzero(ids.view(f"<u{len(ids) // tokens}") == unknown))


def _count_objections(objections: pa.Array) -> dict[str, int]:
    counts: Counter[str] = Counter()
    every = pc.value_counts(pc.list_flatten(objections))
    counts.update({f"objection/{item['values']}": item["counts"] for item in every.to_pylist()})
    alone = pc.list_flatten(objections.filter(pc.equal(pc.list_value_length(objections), 1)))
    counts.update({f"alone/{item['values']}": item["counts"] for item in pc.value_counts(alone).to_pylist()})
    return counts
