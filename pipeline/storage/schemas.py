"""The tables that stages hand on: their names, columns and units.

Row-wise tables of one shard share its name, row count and row order. Inside the pipeline a row is a uint64:
the shard's ordinal in its upper 24 bits, the row in its lower 40.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kakehi.arrays import AnyN, BoolN, Int64N, UInt64N

Table = Literal[
    "warcs",
    "documents",
    "rejects",
    "signals",
    "verdict",
    "groups",
    "keys",
    "pairs",
    "hits",
    "history",
    "tokenizer",
    "tokens",
    "packed",
    "maps",
]

ROW_BITS: Final = 40

_TOKENIZER_KEY: Final = b"kakehi.tokenizer"
_EOD_KEY: Final = b"kakehi.eod"
_UNKNOWN_KEY: Final = b"kakehi.unknown"

ID: Final = pa.binary(16)

DOCUMENTS: Final = pa.schema(
    [
        pa.field("id", ID, nullable=False),  # hash of source + record id, or of source + file + offset
        pa.field("source", pa.string(), nullable=False),  # name in the manifest
        pa.field("url", pa.string()),
        pa.field("host", pa.string()),
        pa.field("fetched", pa.string()),  # ISO 8601 as the record has it
        pa.field("title", pa.string()),
        pa.field("text", pa.large_string(), nullable=False),  # normalised, never empty
        pa.field("text_hash", pa.binary(16), nullable=False),  # xxh3-128 of the UTF-8 text
        pa.field("characters", pa.int64(), nullable=False),  # code points of text
        pa.field("codec", pa.string()),  # Python's name of the charset the bytes were read with
        pa.field("codec_from", pa.string()),  # what decided it
        pa.field("replaced", pa.int64(), nullable=False),  # U+FFFD put in by decoding
        pa.field("gate", pa.string()),  # objection of the gate that let this one through as a sample
        pa.field(
            "consent", pa.list_(pa.string())
        ),  # what the record says of being stored, or null for nothing
        pa.field("input", pa.string(), nullable=False),  # input file, relative to the manifest
        pa.field("offset", pa.int64(), nullable=False),  # place of the record in it
        pa.field("length", pa.int64(), nullable=False),
    ]
)

REJECTS: Final = pa.schema(
    [
        pa.field("id", ID, nullable=False),
        pa.field("url", pa.string()),
        pa.field("input", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("note", pa.string()),
    ]
)

#: Ids are bytes, little-endian uint16 or int32 as `token_dtype` says: Parquet would make 32 bits of 16, and list them.
TOKENS: Final = pa.schema(
    [
        pa.field("ids", pa.large_binary()),  # null where the document is not kept
        pa.field("length", pa.int64()),  # tokens, the end mark too; 0 there
    ]
)

GROUPS: Final = pa.schema(
    [
        pa.field("group", pa.uint64(), nullable=False),  # row of the group's first member
        pa.field("group_size", pa.uint32(), nullable=False),
    ]
)

PAIRS: Final = pa.schema(
    [
        pa.field("a", pa.uint64(), nullable=False),  # row of one group's first member; a < b
        pa.field("b", pa.uint64(), nullable=False),
        pa.field("shared", pa.int64(), nullable=False),  # shingles both have
        pa.field("union", pa.int64(), nullable=False),  # shingles either has; similarity = shared / union
    ]
)

HITS: Final = pa.schema(
    [
        pa.field(
            "similarity", pa.float64()
        ),  # Jaccard of shingle sets, measured; null where no earlier document was met
        pa.field("partner", ID),  # id of the most similar document that an earlier run kept
        pa.field("partner_run", pa.string()),  # the manifest's name for that run
        pa.field("partner_url", pa.string()),
        pa.field("partner_row", pa.uint64()),  # row in that run
    ]
)

EARLIER: Final = pa.schema([pa.field("verdict", pa.string()), *HITS])

KEEP: Final = pa.schema(
    [
        pa.field("verdict", pa.string()),
        pa.field("partner", ID),  # id of the kept document this one duplicates
        pa.field("partner_row", pa.uint64()),
        pa.field("similarity", pa.float64()),  # Jaccard of shingle sets, measured; 1 for equal texts
        pa.field("cluster_size", pa.uint32(), nullable=False),  # documents that this kept one stands for
    ]
)


class TokenizedBy(NamedTuple):
    """What a table of tokens says of itself in its schema.

    Args:
        tokenizer: its sha256, '' where nothing is said.
        eod: id that ends every document, -1 where nothing is said.
        unknown: id that stands for lost text, -1 where there is none.
    """

    tokenizer: str
    eod: int
    unknown: int = -1

    @classmethod
    def read_from(cls, schema: pa.Schema) -> TokenizedBy:
        """Read it out of a table's schema."""
        said = schema.metadata or {}
        ids = (int(said.get(key, b"-1")) for key in (_EOD_KEY, _UNKNOWN_KEY))
        return cls(said.get(_TOKENIZER_KEY, b"").decode(), *ids)

    def write_to(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema with all of it in its metadata."""
        return schema.with_metadata(
            {_TOKENIZER_KEY: self.tokenizer, _EOD_KEY: str(self.eod), _UNKNOWN_KEY: str(self.unknown)}
        )


def rows_of(ordinal: int, count: int) -> UInt64N:
    """Number the rows of one shard.

    Returns:
        uint64[count]: ordinal in the upper 24 bits, row in the lower 40.
    """
    return np.arange(count, dtype=np.uint64) + (np.uint64(ordinal) << np.uint64(ROW_BITS))


def shard_and_row(row: int) -> tuple[int, int]:
    """Split a row number into the shard's ordinal and the row in it."""
    return row >> ROW_BITS, row & ((1 << ROW_BITS) - 1)


def packed_ids(ids: AnyN, lengths: Int64N, kept: BoolN) -> pa.LargeBinaryArray:
    """Cut ids into the bytes of each document, null where it is not kept; no byte is copied."""
    offsets = np.concatenate(([0], np.cumsum(lengths) * ids.dtype.itemsize))
    buffers = [pa.array(kept).buffers()[1], pa.py_buffer(offsets), pa.py_buffer(ids)]
    return pa.Array.from_buffers(pa.large_binary(), len(lengths), buffers)


def flat_ids(column: pa.Array, dtype: npt.DTypeLike) -> AnyN:
    """Lay the ids of a column end to end again; no byte is copied."""
    _, offsets, values = column.buffers()
    places = np.frombuffer(memoryview(offsets or b""), np.int64)
    first, last = places[[column.offset, column.offset + len(column)]]
    return (
        np.frombuffer(memoryview(values or b""), np.uint8)[first:last].view(dtype)
        if last
        else np.empty(0, dtype)
    )
