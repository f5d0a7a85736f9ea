"""pack: token ids to Megatron `.bin/.idx` in document order, with the document of every token beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.inputs import Inputs
from kakehi.pipeline.stage import Counts, Stage
from kakehi.pipeline.stages.encode import load_encoder
from kakehi.tokenizer.packed import indexed, provenance


def pack(inputs: Inputs, out: Path, engine: Engine) -> Counts:  # noqa: ARG001 - one writer, front to back
    """Write every encoded document once, in the order of the corpus.

    Args:
        inputs: tokens, documents and the tokenizer.
        out: folder for `<corpus>_text_document.bin`, `.idx` and `.provenance.parquet`.
        engine: not used.
    """
    encoder = load_encoder(inputs.artifacts["tokenizer"])
    prefix = out / f"{inputs.corpus}_text_document"
    tokens = documents = 0
    with (
        indexed.Writer(prefix, vocab_size=encoder.vocab_size) as writer,
        provenance.Writer(provenance.path_beside(prefix)) as table,
    ):
        for shard in inputs.shards:
            start = 0
            for batch in shard.batches("documents", "tokens", columns=("id", "source", "url")):
                here = batch.column("ids").is_valid()
                lists = batch.column("ids").filter(here)
                lengths = np.diff(lists.offsets.to_numpy()).astype(np.int64)
                writer.add(lists.flatten().to_numpy(), lengths)
                table.add(
                    _rows(batch.filter(here), shard.name, start + np.flatnonzero(here), tokens, lengths)
                )
                tokens, documents = tokens + int(lengths.sum()), documents + len(lengths)
                start += batch.num_rows
    return {"documents": documents, "tokens": tokens, "bytes": tokens * np.dtype(encoder.dtype).itemsize}


def _rows(
    batch: pa.RecordBatch,
    shard: str,
    places: npt.NDArray[np.int64],
    first: int,
    lengths: npt.NDArray[np.int64],
) -> pa.Table:
    """Say of each document which tokens are its own."""
    starts = first + np.cumsum(lengths) - lengths
    columns = {
        "id": batch.column("id"),
        "source": batch.column("source"),
        "url": batch.column("url"),
        "shard": pa.array([shard] * len(lengths), pa.string()),
        "row": pa.array(places.astype(np.uint64)),
        "first_token": pa.array(starts.astype(np.uint64)),
        "tokens": pa.array(lengths.astype(np.uint32)),
    }
    return pa.Table.from_pydict(columns, schema=provenance.SCHEMA)


STAGE = Stage(
    run=pack,
    shape="corpus",
    reads=("documents", "tokenizer", "tokens"),
    writes="packed",
    version=1,
    libraries=("numpy",),
)
