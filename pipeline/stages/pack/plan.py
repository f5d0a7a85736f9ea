"""What `pack` decides before it moves a token: lots, binaries, and what lies in front of every shard. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kakehi.arrays import Int64N
from kakehi.pipeline.errors import ParameterError
from kakehi.pipeline.stages.pack.model import Binary, Counted, Load, PackSettings
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.tokenizer.packed.indexed import MOST_SEQUENCES
from kakehi.tokenizer.packed.lanes import Lanes
from kakehi.tokenizer.packed.mix import Lot, Share, epochs_of, rows_of_epochs
from kakehi.tokenizer.packed.rows import Packing, RowPlan, plan_rows


def plan_rows_of_sources(
    shards: Sequence[ShardTables],
    counted: Sequence[Counted],
    shares: Mapping[str, Share],
    *,
    packing: Packing,
    seed: int,
) -> list[Lot]:
    """Plan the rows of every source and epoch, those for validation last."""
    pieces, held = _summed(shards, counted, held_out=False), _summed(shards, counted, held_out=True)
    tokens = {name: int(found @ np.arange(len(found))) for name, found in pieces.items()}
    lots: list[Lot] = []
    for name, epochs in epochs_of(shares, tokens).items():
        first = plan_rows(pieces[name], packing=packing, seed=seed, name=name)
        for epoch, taken in enumerate(rows_of_epochs(epochs, first.rows)):
            lots.append(_lot(name, epoch, first.again(seed, name, epoch), taken, lots))
    training = len(lots)
    for name, found in held.items():
        plan = plan_rows(found, packing=packing, seed=seed, name=name)
        if plan.rows:
            lots.append(_lot(name, 0, plan, plan.rows, lots[training:], held_out=True))
    return lots


def _summed(
    shards: Sequence[ShardTables], counted: Sequence[Counted], *, held_out: bool
) -> dict[str, Int64N]:
    found: dict[str, Int64N] = {}
    for shard, part in zip(shards, counted, strict=True):
        more = part.held_out if held_out else part.pieces
        found[shard.source] = found.get(shard.source, np.zeros_like(more)) + more
    return found


def _lot(
    name: str, epoch: int, plan: RowPlan, taken: int, before: Sequence[Lot], *, held_out: bool = False
) -> Lot:
    first = sum(lot.taken for lot in before)
    return Lot(source=name, epoch=epoch, plan=plan, taken=taken, first=first, held_out=held_out)


def lay_out(
    corpus: str, settings: PackSettings, shape: tuple[int, int], file_gb: float | None
) -> tuple[Binary, ...]:
    """Lay out the binaries: training in one, or as many as their size asks; validation in one of its own."""
    (training, validation), (lanes, tile_rows) = settings.rows, shape
    if not training:
        raise ParameterError(
            "pack.mix: got no row for training, wanted one at least: every share rounds to nothing",
            hint=f"ask for more of a source, or lower sequence_tokens ({settings.sequence_tokens})",
        )
    if training < lanes:
        raise ParameterError(
            f"pack.lanes: got {lanes} lanes for {training} rows, wanted a row a lane at least",
            hint=f"lower lanes or sequence_tokens ({settings.sequence_tokens}); a limited run may end before: --until encode",
        )
    row_bytes = settings.sequence_tokens * np.dtype(settings.dtype).itemsize
    if tile_rows * row_bytes >= 1 << 31:
        raise ParameterError(
            f"pack.tile_rows: got {tile_rows} rows of {row_bytes} bytes, wanted less than 2**31 bytes",
            hint=f"readers count bytes of a tile in 31 bits; {max(1, (1 << 20) // row_bytes)} rows are 1 MiB",
        )
    most = max(1, int(file_gb * 1e9) // row_bytes - 1) if file_gb else training
    if most < training and lanes > 1:
        raise ParameterError(
            f"pack.file_gb: got {file_gb}, wanted at least {(training + 1) * row_bytes / 1e9:.3g}: lanes are one file",
            hint="layout: stock makes several; or raise file_gb",
        )
    count = -(-training // most)
    sizes = [training // count + (number < training % count) for number in range(count)]
    names = (
        [f"{corpus}_text_document"]
        if count == 1
        else [f"{corpus}_{i:02d}_text_document" for i in range(count)]
    )
    made: list[Binary] = []
    for name, rows, kind in [
        *((name, rows, False) for name, rows in zip(names, sizes, strict=True)),
        *([(f"{corpus}_valid_text_document", validation, True)] if validation else []),
    ]:
        plain = kind or lanes == 1
        layout = Lanes(
            lanes=1 if plain else lanes,
            tile_rows=1 if plain else tile_rows,
            samples=rows if plain else rows - rows % lanes,
            rows=rows + 1,  # the guard: the last label
        )
        made.append(Binary(name, layout, sum(other.layout.rows for other in made), kind))
    return tuple(made)


def refuse_pieces(lots: Sequence[Lot], binaries: Sequence[Binary]) -> None:
    """Refuse sequences that are pieces where readers could not number them, or would shuffle them apart.

    Raises:
        ParameterError: 2**31 pieces or more; several binaries for training.
    """
    training = sum(not binary.held_out for binary in binaries)
    if training > 1:
        raise ParameterError(
            f"pack.sequences: got pieces in {training} binaries for training, wanted one: "
            "Megatron makes the maps of blends itself, and would tear rows into their pieces",
            hint="raise file_gb, or leave it out; or sequences: tiles",
        )
    for held_out in (False, True):
        mine = [lot for lot in lots if lot.held_out is held_out and lot.plan.rows]
        count = sum(int(lot.plan.counts.sum()) * lot.taken // lot.plan.rows for lot in mine)
        if count >= MOST_SEQUENCES:
            raise ParameterError(
                f"pack.sequences: got about {count:,} pieces, wanted less than 2**31: readers number sequences in int32",
                hint="sequences: tiles, or take less of each source (mix) and pack twice",
            )


def pair_loads(
    shards: Sequence[ShardTables], counted: Sequence[Counted], lots: Sequence[Lot]
) -> dict[str, Load]:
    """Pair every shard with the lots of its source, and say what of these lies in front of it."""
    loads: dict[str, Load] = {}
    for number, lot in enumerate(lots):
        before = np.zeros(lot.plan.sequence_tokens + 1, np.int64)
        documents = 0
        for shard, part in zip(shards, counted, strict=True):
            if shard.source == lot.source:
                kind = "validation" if lot.held_out else f"epoch {lot.epoch}"
                loads[f"{shard.label} {kind}"] = Load(shard, lot, number, documents, before)
                before = before + (part.held_out if lot.held_out else part.pieces)
            documents += part.documents
    return loads


def bucket_ranges(settings: PackSettings, bucket_bytes: int) -> list[tuple[Binary, int, int]]:
    """Cut all binaries into ranges of rows: (binary, first row of it, rows), each of so many bytes at most."""
    row_bytes = settings.sequence_tokens * np.dtype(settings.dtype).itemsize
    most = max(1, bucket_bytes // row_bytes)
    return [
        (binary, first, min(most, binary.layout.rows - first))
        for binary in settings.binaries
        for first in range(0, binary.layout.rows, most)
    ]
