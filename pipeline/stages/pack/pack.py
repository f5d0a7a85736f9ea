"""pack: token ids to rows of one length in Megatron `.bin/.idx`, laid out for those who read them forward.

Planned once from how many pieces there are of each length, then moved once: each shard's pieces go to files sorted by
bucket (a range of rows of a binary), and each bucket is written in its place. Memory is that of a shard or a bucket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from kakehi.arrays import Int64N
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.shuffle import Shuffles
from kakehi.pipeline.errors import ParameterError
from kakehi.pipeline.stages.encode import load_encoder
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.pack import tasks
from kakehi.pipeline.stages.pack.job_tokenizer import keep_tokenizer
from kakehi.pipeline.stages.pack.model import PIECE, Binary, Bucket, Counted, Load, PackSettings
from kakehi.pipeline.stages.pack.packed_manifest import (
    MANIFEST,
    bin_bytes,
    count_packed,
    tell_binary,
    tell_files,
    tell_sources,
)
from kakehi.pipeline.stages.pack.plan import (
    bucket_ranges,
    lay_out,
    pair_loads,
    plan_rows_of_sources,
    refuse_pieces,
)
from kakehi.pipeline.stages.pack.portions import Copies, Mix, Portion
from kakehi.pipeline.stages.pack.refusals import refuse_pack
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.checked import CheckedFile
from kakehi.pipeline.storage.schemas import TokenizedBy
from kakehi.pipeline.storage.store import Counts, merge
from kakehi.tokenizer.encoding import Encoder
from kakehi.tokenizer.packed import indexed, provenance
from kakehi.tokenizer.packed.mix import Lot, Share, epochs_of, held_out_below
from kakehi.tokenizer.packed.pieces import Sequences, sequence_lengths
from kakehi.tokenizer.packed.rows import Packing

#: A bucket takes 2.6 times its bytes (400 MB for one of 157, measured), and half of a worker is for it.
_BUCKET_FACTOR: Final = 6


def pack(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    sequence_tokens: Annotated[int, Field(ge=2, le=1 << 20)] = 2048,
    packing: Packing = "best-fit",
    layout: Literal["lanes", "stock"] = "lanes",
    lanes: Annotated[int, Field(ge=1, lt=1 << 31)] = 64,
    tile_rows: Annotated[int, Field(ge=1, lt=1 << 31)] = 256,
    sequences: Sequences = "tiles",
    mix: Mix | None = None,
    copies: Copies = [],  # noqa: B006 - pydantic copies defaults
    validation_rows: Annotated[int, Field(ge=0, lt=1 << 31)] = 0,
    validation_behind: bool = False,
    seed: Annotated[int, Field(ge=0)] = 1,
    file_gb: Annotated[float, Field(gt=0, le=1e9)] | None = None,
) -> Counts:
    """Pack every encoded document into rows.

    Args:
        inputs: tokens, documents and the tokenizer.
        out: folder for the binaries, their provenance, `manifest.json` and the tokenizer.
        engine: runs a task for each shard and each bucket.
        sequence_tokens: S, tokens of a row; Megatron's `--seq-length`.
        packing: cut documents longer than S only (`best-fit`), or wherever a row ends (`concat`).
        layout: `lanes` for readers that go forward, `stock` for Megatron's own shuffles.
        lanes: Λ, a multiple of every planned micro batch × data-parallel size; for `layout: lanes`.
        tile_rows: rows of a lane that lie together; for `layout: lanes`.
        sequences: what the `.idx` counts: `tiles` (rows, for `layout: stock`), or `pieces` of documents, for readers
            that keep documents from each other by it.
        mix: how much of each source; null for one epoch of each.
        copies: how often an epoch has a document, by the least size of its cluster of look-alikes; once below the
            least size named.
        validation_rows: about so many rows of documents held out from training, in binaries of their own.
        validation_behind: whether the binary for training has these rows too, behind all others, for readers that know
            one prefix.
        seed: of all shuffles.
        file_gb: largest `.bin`, in 10^9 bytes; more of them where `layout` is `stock`.
    """
    encoder = load_encoder(inputs.artifacts["tokenizer"])
    keep_tokenizer(inputs.artifacts["tokenizer"], out)
    settings = replace(_settings(inputs, encoder, sequence_tokens, seed), copies=tuple(copies))
    shares = _shares(inputs.sources, mix)
    shuffles = inputs.shuffles("pack", engine)
    counted, settings = _count(inputs, shuffles, settings, shares, validation_rows)
    lots = plan_rows_of_sources(inputs.shards, counted, shares, packing=packing, seed=seed)
    training, validation = (sum(lot.taken for lot in lots if lot.held_out is kind) for kind in (False, True))
    settings = replace(settings, rows=(training, validation))
    shape = (lanes, tile_rows) if layout == "lanes" else (1, 1)
    settings = replace(settings, binaries=lay_out(inputs.corpus, settings, shape, file_gb))
    if sequences == "pieces":
        refuse_pieces(lots, settings.binaries)
    pair = _pair(settings.binaries) if validation_behind else None
    loads = pair_loads(inputs.shards, counted, lots)
    made = _move(inputs, shuffles, settings, lots, loads)
    cut = _cut(shuffles, settings, loads)
    documents = _join_documents(inputs, out)
    written = {
        binary.name: _finish(binary, out, settings, made[binary.name][1], sequences)
        for binary in settings.binaries
    }
    behind: dict[str, Any] = {}
    if pair:
        indexed.append(out / pair[0], out / pair[1])
        behind[pair[0]] = {"behind": {"binary": pair[1]}}
    counts = count_packed(counted, settings, made, cut)
    about = {
        "corpus": inputs.corpus,
        "sequence_tokens": sequence_tokens,
        "packing": packing,
        "layout": layout,
        **({} if sequences == "tiles" else {"sequences": sequences}),
        "seed": seed,
        "copies": copies,
        "eod": settings.eod,
        "vocab_size": settings.vocab_size,
        "dtype": np.dtype(settings.dtype).name,
        "tokenizer": settings.tokenizer,
        "counts": counts,
        "sources": tell_sources(inputs, counted, lots, cut, merge(told for told, _ in made.values())),
        "files": tell_files(documents),
        "binaries": {
            binary.name: tell_binary(binary, made[binary.name][0], written[binary.name], lots, out)
            | behind.get(binary.name, {})
            for binary in settings.binaries
        },
    }
    (out / MANIFEST).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return counts


def _settings(inputs: Inputs, encoder: Encoder, sequence_tokens: int, seed: int) -> PackSettings:
    said = [
        TokenizedBy.read_from(CheckedFile(shard.paths["tokens"][0]).schema_arrow)
        for shard in inputs.shards[:1]
    ]
    return PackSettings(
        sequence_tokens=sequence_tokens,
        seed=seed,
        dtype=encoder.dtype.str,
        vocab_size=encoder.vocab_size,
        eod=said[0].eod if said else -1,
        tokenizer=encoder.digest,
        held_out={},
    )


def _shares(sources: Sequence[str], mix: Mapping[str, Portion] | None) -> dict[str, Share]:
    if mix is None:
        return dict.fromkeys(sources, Share(epochs=Fraction(1)))
    return {name: mix[name].share for name in sources}


def _count(
    inputs: Inputs,
    shuffles: Shuffles,
    settings: PackSettings,
    shares: Mapping[str, Share],
    validation_rows: int,
) -> tuple[list[Counted], PackSettings]:
    """Count all shards; once more where documents are held out, since how many depends on what there is."""

    def counted(settings: PackSettings) -> list[Counted]:
        task = partial(tasks.count, settings=settings, folder=inputs.scratch / "documents")
        return shuffles.gather(inputs.by_label, task)

    found = counted(settings)
    if not sum(part.documents for part in found):
        raise ValueError("got no document, wanted one at least; no reader maps an empty file")
    if not validation_rows:
        return found, settings
    have = _tokens_by_source(inputs, found)
    asked = {name: have[name] * epochs for name, epochs in epochs_of(shares, have).items()}
    total, wanted = sum(asked.values()), validation_rows * settings.sequence_tokens
    held = {name: held_out_below(int(wanted * asked[name] / (total or 1)), have[name]) for name in have}
    settings = replace(settings, held_out=held)
    return counted(settings), settings


def _tokens_by_source(inputs: Inputs, counted: Sequence[Counted]) -> dict[str, int]:
    have = dict.fromkeys(inputs.sources, 0)
    for shard, part in zip(inputs.shards, counted, strict=True):
        have[shard.source] += part.tokens
    return have


def _move(
    inputs: Inputs, shuffles: Shuffles, settings: PackSettings, lots: Sequence[Lot], loads: Mapping[str, Load]
) -> dict[str, tuple[Counts, list[Path]]]:
    """Write every binary; give its counts, and the parts of its table of pieces in order."""
    ranges = bucket_ranges(settings, inputs.bytes_per_worker // _BUCKET_FACTOR)
    settings = replace(settings, buckets=tuple(binary.first + first for binary, first, _ in ranges))
    scattered = shuffles.scatter(
        "pieces",
        loads,
        partial(tasks.spread, settings=settings, folder=inputs.scratch / f"tokens-{len(ranges)}"),
        [f"{binary.name} from row {first}, {rows} rows" for binary, first, rows in ranges],
        PIECE,
    )
    folder = inputs.scratch / f"rows-{len(ranges)}"
    _make_room(settings, folder)
    files = tuple(
        tasks.tokens_path(inputs.scratch / f"tokens-{len(ranges)}", load) for load in loads.values()
    )
    buckets = {
        name: Bucket(part=part, tokens=files, binary=binary, first=first, rows=rows)
        for (name, part), (binary, first, rows) in zip(scattered.parts.items(), ranges, strict=True)
    }
    task = partial(tasks.assemble, settings=settings, epochs=tuple(lot.epoch for lot in lots), folder=folder)
    results = shuffles.gather(buckets, task)
    made = {}
    for binary in settings.binaries:
        mine = [number for number, (of, _, _) in enumerate(ranges) if of == binary]
        parts = [folder / f"{number}.parquet" for number in mine]
        made[binary.name] = (merge([results[number] for number in mine]), parts)
    return made


def _make_room(settings: PackSettings, folder: Path) -> None:
    """Make files of their full size to write rows into; where one is new, nothing of it was written yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for binary in settings.binaries:
        path = folder / f"{binary.name}.bin"
        size = bin_bytes(binary, settings)
        if not path.exists() or path.stat().st_size != size:
            for done in folder.glob("*.json"):
                done.unlink()
            with path.open("wb") as file:
                file.truncate(size)


def _finish(
    binary: Binary, out: Path, settings: PackSettings, parts: Sequence[Path], sequences: Sequences
) -> int:
    """Move a binary to its place, and write its table of pieces and its index; give the number of sequences."""
    prefix = out / binary.name
    parts[0].with_name(f"{binary.name}.bin").replace(out / f"{binary.name}.bin")
    provenance.join(parts, provenance.path_beside(prefix), provenance.PIECES)
    size, layout = settings.sequence_tokens, binary.layout

    def lengths() -> Iterator[Int64N]:
        if sequences == "tiles":
            return indexed.repeated(layout.runs(size))
        firsts = provenance.first_tokens(provenance.path_beside(prefix))
        return sequence_lengths(firsts, layout.tokens(size), size)

    return indexed.write_index(prefix, np.dtype(settings.dtype), lengths)


def _pair(binaries: Sequence[Binary]) -> tuple[str, str]:
    """Name the binary for training and the one whose rows come behind it.

    Raises:
        ParameterError: there is not one of each.
    """
    training, held_out = ([one.name for one in binaries if one.held_out is kind] for kind in (False, True))
    if (len(training), len(held_out)) != (1, 1):
        raise ParameterError(
            f"pack.validation_behind: got {len(training)} binaries for training and {len(held_out)} for validation, "
            "wanted one of each",
            hint="raise validation_rows or file_gb, or leave validation_behind out",
        )
    return training[0], held_out[0]


def _join_documents(inputs: Inputs, out: Path) -> Path:
    """Write the table of all documents, of which each shard's part was written as it was counted."""
    path = out / f"{inputs.corpus}.documents.parquet"
    parts = [inputs.scratch / "documents" / f"{shard.ordinal}.parquet" for shard in inputs.shards]
    provenance.join(parts, path, provenance.DOCUMENTS)
    return path


def _cut(shuffles: Shuffles, settings: PackSettings, loads: Mapping[str, Load]) -> dict[str, tuple[int, int]]:
    """Count, by source, documents cut, and those that concatenation would have cut, each in its first epoch."""
    first = {name: load for name, load in loads.items() if load.lot.epoch == 0}
    task = partial(tasks.cut_of, settings=settings)
    found: dict[str, tuple[int, int]] = {}
    for load, (ours, theirs) in zip(first.values(), shuffles.gather(first, task), strict=True):
        before = found.get(load.lot.source, (0, 0))
        found[load.lot.source] = (before[0] + ours, before[1] + theirs)
    return found


STAGE = Stage(
    run=pack,
    shape="corpus",
    reads=("documents", "tokenizer", "tokens"),
    optional=("verdict",),
    writes="packed",
    version=5,
    added=("sequences", "validation_behind"),
    libraries=("numpy",),
    kernels=("move",),
    refuse=refuse_pack,
)
