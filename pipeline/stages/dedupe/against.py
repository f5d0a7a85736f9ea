"""against: a document that is similar enough to one that an earlier run kept leaves for it."""

from __future__ import annotations

from typing import Annotated, Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.schemas import EARLIER, HITS

#: Verdict, before the name of the run.
OF_RUN: Final = "dedupe:earlier:"


def against(
    batch: pa.RecordBatch, *, similarity: Annotated[float, Field(gt=0, le=1)] = 0.8
) -> pa.RecordBatch:
    """Object to documents that an earlier run has already; what has a verdict keeps that one.

    Args:
        batch: hits, and `kept` where nothing objected so far.
        similarity: Jaccard of shingle sets from which two documents are the same; that of `keep`.
    """
    enough = pc.greater_equal(batch.column("similarity"), similarity).fill_null(False)
    leaves = pc.and_(enough, batch.column("kept"))
    named = pc.binary_join_element_wise(OF_RUN, batch.column("partner_run"), "")
    columns = [named, *(batch.column(name) for name in HITS.names)]
    gone = [pc.if_else(leaves, column, pa.scalar(None, column.type)) for column in columns]
    return pa.RecordBatch.from_arrays(gone, schema=EARLIER)


STAGE = Stage(
    run=against,
    shape="rows",
    reads=("documents", "hits", "verdict"),
    writes="verdict",
    version=1,
    columns=("characters",),
    only_with="against",
)
