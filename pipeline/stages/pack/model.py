"""What the parts of `pack` tell each other: binaries to be, what shards have to give, loads, buckets and their terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from kakehi.arrays import Int64N
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.tokenizer.packed.lanes import Lanes
from kakehi.tokenizer.packed.mix import Lot

#: One piece. `row` is counted through all binaries; `first` is the piece's place in its file of tokens, and `digest`
#: that of all tokens of its bucket in it.
PIECE: Final = np.dtype(
    [
        *((name, "<u8") for name in ("row", "order", "document", "document_token", "first", "digest")),
        ("length", "<u4"),
        ("lot", "<u2"),
    ]
)


class Binary(NamedTuple):
    """A `.bin` to be: its name, its layout, its first row among those of all binaries, and what for it is."""

    name: str
    layout: Lanes
    first: int
    held_out: bool


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What a shard has to give.

    Args:
        documents: encoded ones.
        tokens: of these.
        pieces: int64[S + 1], how many of each length, of documents for training, each as often as an epoch has it.
        held_out: the same of documents for validation.
    """

    documents: int
    tokens: int
    pieces: Int64N
    held_out: Int64N


@dataclass(frozen=True, kw_only=True)
class PackSettings:
    """What holds for every piece.

    Args:
        sequence_tokens: S.
        seed: of the corpus.
        dtype: of the ids, as numpy writes it.
        vocab_size: ids are below.
        eod: id that ends every document and fills rows.
        tokenizer: its digest.
        copies: how often an epoch has a document, by the least size of its cluster.
        held_out: by source, the threshold under which a document's hash holds it out.
        binaries: in order, those for training first.
        rows: of all lots for training, and of all for validation.
        buckets: int64[k], the first row of each bucket.
    """

    sequence_tokens: int
    seed: int
    dtype: str
    vocab_size: int
    eod: int
    tokenizer: str
    held_out: dict[str, int]
    copies: tuple[tuple[int, int], ...] = ()
    binaries: tuple[Binary, ...] = ()
    rows: tuple[int, int] = (0, 0)
    buckets: tuple[int, ...] = ()


class Load(NamedTuple):
    """Pieces of one shard for one lot: how many documents and pieces of each length lie in front of the shard."""

    shard: ShardTables
    lot: Lot
    number: int
    documents_before: int
    before: Int64N


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A range of rows of one binary, and where its pieces are.

    Args:
        part: its records.
        tokens: the files of tokens, in the order of the records' files.
        binary: whose rows they are.
        first: first row, of that binary.
        rows: how many.
    """

    part: Part
    tokens: tuple[Path, ...]
    binary: Binary
    first: int
    rows: int
