"""sign: text to the MinHash band keys by which look-alikes find each other.

Row-wise over every document, not only over one of each exact group as the design first had it: signing is 1 % of the
cost, and so a new input file signs its own shard and no other. Equal texts have equal keys; `pair` takes one of each.
"""

from __future__ import annotations

from typing import Annotated

import pyarrow as pa
from pydantic import Field

from kakehi.filters.duplicates.minhash import band_keys
from kakehi.filters.texts import view
from kakehi.pipeline.stage import Stage


def sign(
    batch: pa.RecordBatch,
    *,
    ngram: Annotated[int, Field(ge=1, le=64)] = 5,
    bands: Annotated[int, Field(ge=1, le=1000)] = 14,
    rows: Annotated[int, Field(ge=1, le=1000)] = 8,
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1,
) -> pa.RecordBatch:
    """Give each text one 64-bit key a band.

    Args:
        batch: `text`.
        ngram: characters (code points) a shingle.
        bands: keys a document; more catch less similar pairs.
        rows: hashes a key; more miss less similar pairs.
        seed: of the permutations.
    """
    keys = band_keys(view(batch.column("text")), ngram=ngram, bands=bands, rows=rows, seed=seed)
    return pa.RecordBatch.from_arrays(
        [pa.array(keys[:, band]) for band in range(bands)], names=[f"key_{band}" for band in range(bands)]
    )


STAGE = Stage(
    run=sign,
    shape="rows",
    reads=("documents",),
    writes="keys",
    version=1,
    libraries=("datasketch", "numpy"),
    columns=("text",),
)
