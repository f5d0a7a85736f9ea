"""Token pieces on their way from tables of shards to rows of binaries: what the tasks of `pack` do.

    count      lengths of a shard's documents, how many pieces of each length, and its part of the table of documents
    spread     a shard's pieces of one epoch, sorted by bucket: tokens to a file, what they are to a shuffle's records
    assemble   a bucket, which is a range of rows of one binary: its pieces from all those files, written in place

All three leave files that are not made again, and write the same bytes whenever they run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from kakehi.arrays import BoolN, Int64N, UInt64N
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.stages.pack.model import PIECE, Bucket, Counted, Load, PackSettings
from kakehi.pipeline.storage.atomic import set_aside
from kakehi.pipeline.storage.checked import CheckedFile, write_table
from kakehi.pipeline.storage.notes import read_note, write_note
from kakehi.pipeline.storage.schemas import TokenizedBy, flat_ids
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Counts
from kakehi.splitmix64 import mixed
from kakehi.tokenizer.packed import provenance
from kakehi.tokenizer.packed.copy_ranges import Tokens, move
from kakehi.tokenizer.packed.permutation import key_of, permuted
from kakehi.tokenizer.packed.rows import Pieces, count_cut, count_pieces

#: Parallel file systems want large writes, but less than their client's cache at once, 128 MiB on Fugaku.
_WRITE_BYTES: Final = 16 << 20


def count(shard: ShardTables, *, settings: PackSettings, folder: Path) -> Counted:
    """Count a shard's pieces, and write its rows of the table of documents."""
    lengths, rows = _lengths(shard)
    _refuse_strangers(shard, settings)
    held = held_out(shard, rows, settings)
    training = np.repeat(lengths, np.where(held, 0, copies_of(shard, rows, settings)))
    columns = {name: shard.column("documents", name).take(pa.array(rows)) for name in ("id", "source", "url")}
    table = pa.table(
        {
            **columns,
            "shard": pa.array([shard.name] * len(rows), pa.string()),
            "row": pa.array(rows.astype(np.uint64)),
            "tokens": pa.array(lengths.astype(np.uint64)),
        },
        schema=provenance.DOCUMENTS,
    )
    with set_aside(folder / f"{shard.ordinal}.parquet") as aside:
        write_table(table, aside, compression="lz4")
    return Counted(
        documents=len(rows),
        tokens=int(lengths.sum()),
        pieces=count_pieces(training, settings.sequence_tokens),
        held_out=count_pieces(lengths[held], settings.sequence_tokens),
    )


def held_out(shard: ShardTables, rows: Int64N, settings: PackSettings) -> BoolN:
    """Say which documents are held out: by a hash of their id, so always the same ones, bool[n]."""
    below = settings.held_out.get(shard.source, 0)
    if not below:
        return np.zeros(len(rows), np.bool_)
    ids = pc.take(shard.column("documents", "id").combine_chunks(), pa.array(rows))
    words = np.frombuffer(memoryview(ids.buffers()[1] or b""), "<u8")[2 * ids.offset :][: 2 * len(ids) : 2]
    return np.asarray(mixed(words ^ np.uint64(key_of(settings.seed, "held out"))) < np.uint64(below))


def copies_of(shard: ShardTables, rows: Int64N, settings: PackSettings) -> Int64N:
    """Say how often an epoch has each document: as the greatest size named that is not over its cluster's says."""
    sizes = shard.cluster_sizes() if settings.copies else None
    if sizes is None:
        return np.ones(len(rows), np.int64)
    least, copies = np.array(settings.copies, np.int64).T
    return np.concatenate(([1], copies))[np.searchsorted(least, sizes[rows], side="right")]


def spread(load: Load, *, settings: PackSettings, folder: Path) -> Spread:
    """Cut one shard's documents into the pieces of a lot, and sort them by bucket.

    The tokens go to a file in `folder`, in the order of the records.
    """
    lengths, of = _loaded(load, settings)
    pieces = load.lot.plan.place(lengths, load.before)
    pieces = pieces._replace(document=of[pieces.document])
    row = _rows_of(load.lot.numbers_of(pieces.row), settings, held_out=load.lot.held_out)
    bucket = np.searchsorted(settings.buckets, row, side="right") - 1
    order = np.argsort(bucket, kind="stable")[
        np.count_nonzero(row < 0) :
    ]  # rows that are not taken come first
    tokens = _taken(load.shard, pieces, order, settings)
    length = pieces.length[order]
    records = np.empty(len(order), PIECE)
    records["row"], records["order"], records["length"] = row[order], pieces.order[order], length
    records["document"] = load.documents_before + pieces.document[order]
    records["document_token"] = pieces.start[order]
    records["first"] = np.cumsum(length) - length
    records["digest"] = _digests(tokens, bucket[order], length)
    records["lot"] = load.number
    with set_aside(tokens_path(folder, load)) as aside:
        tokens.tofile(aside)
    return Spread(records, bucket[order])


def tokens_path(folder: Path, load: Load) -> Path:
    """Name the file that `spread` writes the tokens of a load to."""
    return folder / f"{load.number}-{load.shard.ordinal}.tokens"


def assemble(bucket: Bucket, *, settings: PackSettings, epochs: tuple[int, ...], folder: Path) -> Counts:
    """Write the rows of a bucket in their place, and its rows of the table of pieces beside."""
    done = folder / f"{bucket.part.number}.json"
    if (counted := read_note(done)) is not None:
        return counted
    size = settings.sequence_tokens
    records, values = _gathered(bucket, np.dtype(settings.dtype))
    row = records["row"].astype(np.int64) - bucket.binary.first - bucket.first
    arrived = records["length"].astype(np.int64)
    filled = np.bincount(row, weights=arrived, minlength=bucket.rows).astype(np.int64)
    order = np.lexsort((records["order"], row))
    first = (np.cumsum(arrived) - arrived)[order]
    records, row, lengths = records[order], row[order], arrived[order]
    in_row = np.cumsum(lengths) - lengths - (np.cumsum(filled) - filled)[row]
    _write_rows(
        folder / f"{bucket.binary.name}.bin", bucket, settings, values, first, lengths, row * size + in_row
    )
    table = pa.table(
        {
            "document": records["document"],
            "epoch": np.array(epochs, np.uint16)[records["lot"]],
            "document_token": records["document_token"],
            "first_token": ((bucket.first + row) * size + in_row).astype(np.uint64),
            "tokens": records["length"],
        },
        schema=provenance.PIECES,
    )
    pieces = folder / f"{bucket.part.number}.parquet"
    with set_aside(pieces) as aside:
        write_table(table, aside, compression="lz4")
    tokens = np.bincount(records["lot"], weights=lengths, minlength=len(epochs)).astype(np.int64)
    rows = np.bincount(records["lot"][np.flatnonzero(np.diff(row, prepend=-1))], minlength=len(epochs))
    counts = {
        "pieces": len(records),
        "tokens": int(lengths.sum()),
        **{f"lot/{number}": int(count) for number, count in enumerate(tokens)},
        **{f"rows/{number}": int(count) for number, count in enumerate(rows)},  # each is of one lot
    }
    write_note(done, counts, (pieces,))
    return counts


def cut_of(load: Load, *, settings: PackSettings) -> tuple[int, int]:
    """Count a shard's documents that this packing cuts, and that concatenation would cut."""
    lengths, _ = _loaded(load, settings)
    plan = load.lot.plan
    ours = count_cut(lengths, load.before, packing=plan.packing, key=plan.key)
    return ours, count_cut(lengths, load.before, packing="concat", key=plan.key)


def _loaded(load: Load, settings: PackSettings) -> tuple[Int64N, Int64N]:
    """Give the tokens of each document of a load, as often as it has it and 0 for another lot's, and its place."""
    lengths, rows = _lengths(load.shard)
    chosen = held_out(load.shard, rows, settings) == load.lot.held_out
    copies = 1 if load.lot.held_out else np.where(chosen, copies_of(load.shard, rows, settings), 1)
    times = np.broadcast_to(copies, len(rows))
    return np.repeat(np.where(chosen, lengths, 0), times), np.repeat(np.arange(len(rows)), times)


def _lengths(shard: ShardTables) -> tuple[Int64N, Int64N]:
    """Give the tokens of each encoded document, and their rows in the shard."""
    every = shard.column("tokens", "length").to_numpy()
    rows = np.flatnonzero(every)
    return every[rows].astype(np.int64), rows


def _refuse_strangers(shard: ShardTables, settings: PackSettings) -> None:
    [path] = shard.paths["tokens"]
    got = TokenizedBy.read_from(CheckedFile(path).schema_arrow)
    if (got.tokenizer, got.eod) != (settings.tokenizer, settings.eod):
        raise DataError(
            f"{path}: got tokens of tokenizer {got.tokenizer[:16]!r} with eod {got.eod!r}, "
            f"wanted {settings.tokenizer[:16]!r} and {settings.eod!r}",
            hint="remove the folder of its step and run again",
        )


def _rows_of(numbers: Int64N, settings: PackSettings, *, held_out: bool) -> Int64N:
    """Shuffle numbered rows and give their places among the rows of all binaries, -1 for those not taken."""
    taken = numbers >= 0
    key = key_of(settings.seed, "rows", int(held_out))
    number = np.zeros(len(numbers), np.int64)
    number[taken] = permuted(numbers[taken].astype(np.uint64), settings.rows[held_out], key).astype(np.int64)
    places = np.full(len(numbers), -1, np.int64)
    start = 0
    for binary in settings.binaries:
        if binary.held_out != held_out:
            continue
        held = binary.layout.rows - 1  # the guard is nobody's
        inside = taken & (number >= start) & (number < start + held)
        places[inside] = binary.first + binary.layout.row_of(number[inside] - start)
        start += held
    return places


def _taken(shard: ShardTables, pieces: Pieces, order: Int64N, settings: PackSettings) -> Tokens:
    """Read a shard's ids row group by row group and lay those of its pieces end to end in another order.

    Args:
        shard: whose table of tokens is read.
        pieces: of encoded documents, those of other lots without any.
        order: of the pieces that are taken.
        settings: that hold for all.
    """
    out = np.empty(int(pieces.length[order].sum()), settings.dtype)
    to = np.full(len(pieces.row), -1, np.int64)
    to[order] = np.cumsum(pieces.length[order]) - pieces.length[order]
    document = piece = 0
    for batch in shard.batches("tokens"):
        every = batch.column("length").to_numpy()
        lengths, ids = every[every > 0], flat_ids(batch.column("ids"), settings.dtype)
        _refuse(shard, ids, lengths, document, settings)
        last = int(np.searchsorted(pieces.document, document + len(lengths)))
        here = np.arange(piece, last)[to[piece:last] >= 0]
        first = (np.cumsum(lengths) - lengths)[pieces.document[here] - document] + pieces.start[here]
        move(ids, first, pieces.length[here], out, to[here])
        document, piece = document + len(lengths), last
    return out


def _refuse(shard: ShardTables, ids: Tokens, lengths: Int64N, document: int, settings: PackSettings) -> None:
    """Hold ids to the vocabulary, and the end mark to the end of each document, where alone it may be."""
    [path] = shard.paths["tokens"]
    if len(ids) and not 0 <= ids.min() <= ids.max() < settings.vocab_size:
        raise DataError(
            f"{path}: ids: got {ids.min()} to {ids.max()}, wanted 0 to {settings.vocab_size - 1}",
            hint="remove the folder of its step and run again",
        )
    last = np.cumsum(lengths) - 1
    marks = np.flatnonzero(ids == settings.eod)
    if not np.array_equal(marks, last):
        strange = np.setxor1d(marks, last)
        where = document + int(np.searchsorted(last, strange[0]))
        raise DataError(
            f"{path}: end mark {settings.eod}: got it missing from or inside {len(strange)} documents, the first "
            f"the encoded one in place {where}, wanted it at the end of each and nowhere else",
            hint="a text must not encode to the end mark; choose another eod, or a tokenizer that has it as control piece",
        )


def _digests(tokens: Tokens, bucket: Int64N, lengths: Int64N) -> UInt64N:
    """Digest the tokens of each bucket, for each of its pieces."""
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    ends = np.append(starts, len(bucket))[1:]
    stop = np.concatenate(([0], np.cumsum(lengths)))
    found = [
        xxhash.xxh3_64_intdigest(tokens[stop[a] : stop[b]].data) for a, b in zip(starts, ends, strict=True)
    ]
    return np.repeat(np.array(found, np.uint64), ends - starts)


def _gathered(bucket: Bucket, dtype: np.dtype[Any]) -> tuple[Entries, Tokens]:
    """Read a bucket's records and tokens, those of the first file first."""
    found = list(bucket.part.by_source())
    tokens = np.empty(sum(int(records["length"].sum()) for records in found), dtype)
    at = 0
    for index, (path, records) in enumerate(zip(bucket.tokens, found, strict=True)):
        if not len(records):
            continue
        room = tokens[at : at + int(records["length"].sum())]
        with path.open("rb") as file:
            file.seek(int(records["first"][0]) * dtype.itemsize)
            read = file.readinto(room.data.cast("B"))
        if read != room.nbytes or xxhash.xxh3_64_intdigest(room.data) != records["digest"][0]:
            bucket.part.path(index).unlink(missing_ok=True)
            raise DataError(f"{path}: other bytes than were written", hint="run again: it is made anew")
        at += len(room)
    return np.concatenate([np.empty(0, PIECE), *found]), tokens


def _write_rows(
    path: Path,
    bucket: Bucket,
    settings: PackSettings,
    values: Tokens,
    first: Int64N,
    lengths: Int64N,
    to: Int64N,
) -> None:
    """Write the rows of a bucket forward: its pieces where they belong, in ascending order, and end marks between."""
    size, layout = settings.sequence_tokens, bucket.binary.layout
    row_bytes = size * np.dtype(settings.dtype).itemsize
    step = max(1, _WRITE_BYTES // row_bytes) * size
    end = min(bucket.rows * size, layout.tokens(size) - bucket.first * size)
    out = np.empty(min(step, end), settings.dtype)
    with path.open("r+b", buffering=0) as file:
        file.seek(bucket.first * row_bytes)
        for start in range(0, end, step):
            here = slice(*np.searchsorted(to, (start, start + step)))  # no piece goes over the end of a row
            rows = out[: end - start]
            rows.fill(settings.eod)
            move(values, first[here], lengths[here], rows, to[here] - start)
            left = rows.data.cast("B")
            while left:
                left = left[file.write(left) :]
        os.fsync(file.fileno())
