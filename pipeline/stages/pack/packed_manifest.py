"""What `manifest.json` tells of packed binaries: counts, sources, and each binary with the digests of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.pack.model import Binary, Counted, PackSettings
from kakehi.pipeline.storage.store import Counts, file_digest, merge
from kakehi.tokenizer.packed.mix import Lot

MANIFEST: Final = "manifest.json"


def bin_bytes(binary: Binary, settings: PackSettings) -> int:
    """Give the size of a binary's `.bin`."""
    return binary.layout.tokens(settings.sequence_tokens) * np.dtype(settings.dtype).itemsize


def count_packed(
    counted: Sequence[Counted],
    settings: PackSettings,
    made: Mapping[str, tuple[Counts, Sequence[Path]]],
    cut: Mapping[str, tuple[int, int]],
) -> Counts:
    """Count rows, samples, tokens and documents of all binaries.

    Args:
        counted: what each shard has.
        settings: of this packing.
        made: counts of each binary, and parts of its table of pieces.
        cut: by source, documents cut, and those that concatenation would have cut.
    """
    written = merge(counts for counts, _ in made.values())
    samples = sum(binary.layout.samples for binary in settings.binaries if not binary.held_out)
    return {
        "documents": sum(part.documents for part in counted),
        "tokens": written["tokens"],
        "bytes": sum(bin_bytes(binary, settings) for binary in settings.binaries),
        "rows": sum(settings.rows),
        "samples": samples,
        "spare_rows": settings.rows[0] - samples,
        "validation_rows": settings.rows[1],
        "padding": sum(settings.rows) * settings.sequence_tokens - written["tokens"],
        "pieces": written["pieces"],
        "documents_cut": sum(ours for ours, _ in cut.values()),
        "documents_concat_would_cut": sum(theirs for _, theirs in cut.values()),
    }


def tell_sources(
    inputs: Inputs,
    counted: Sequence[Counted],
    lots: Sequence[Lot],
    cut: Mapping[str, tuple[int, int]],
    written: Counts,
) -> dict[str, Any]:
    """Tell of every source what it has, what was cut, and each of its epochs.

    Args:
        inputs: of the step.
        counted: what each shard has.
        lots: rows by source and epoch.
        cut: by source, documents cut, and those that concatenation would have cut.
        written: tokens of each lot, `lot/NUMBER`.
    """
    told = {}
    for name in inputs.sources:
        mine = [part for shard, part in zip(inputs.shards, counted, strict=True) if shard.source == name]
        ours, theirs = cut.get(name, (0, 0))
        told[name] = {
            "documents": sum(part.documents for part in mine),
            "tokens": sum(part.tokens for part in mine),
            "documents_cut": ours,
            "documents_concat_would_cut": theirs,
            "epochs": [
                _told_lot(lot, written[f"lot/{number}"])
                for number, lot in enumerate(lots)
                if lot.source == name
            ],
        }
    return told


def _told_lot(lot: Lot, tokens: int) -> dict[str, Any]:
    room = lot.taken * lot.plan.sequence_tokens
    return {
        "for": "validation" if lot.held_out else "training",
        "rows": lot.plan.rows,
        "rows_taken": lot.taken,
        "tokens_taken": tokens,
        "fill": round(tokens / room, 6) if room else None,
    }


def tell_binary(
    binary: Binary, counts: Counts, sequences: int, lots: Sequence[Lot], out: Path
) -> dict[str, Any]:
    """Tell of a binary its layout, what it holds, of which sources, and its files."""
    paths = [out / f"{binary.name}{ending}" for ending in (".bin", ".idx", ".provenance.parquet")]
    return {
        "for": "validation" if binary.held_out else "training",
        **asdict(binary.layout),
        "sequences": sequences,
        "tokens": counts["tokens"],
        "pieces": counts["pieces"],
        "sources": _by_source(lots, counts),
        "files": tell_files(*paths),
    }


def _by_source(lots: Sequence[Lot], counts: Counts) -> dict[str, dict[str, int]]:
    """Say how many rows and tokens of each source a binary has; a row is of one source."""
    found: dict[str, dict[str, int]] = {}
    for number, lot in enumerate(lots):
        if rows := counts[f"rows/{number}"]:
            before = found.get(lot.source, {"rows": 0, "tokens": 0})
            tokens = before["tokens"] + counts[f"lot/{number}"]
            found[lot.source] = {"rows": before["rows"] + rows, "tokens": tokens}
    return found


def tell_files(*paths: Path) -> dict[str, Any]:
    """Tell sizes and digests of files, by name."""
    return {path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)} for path in paths}
