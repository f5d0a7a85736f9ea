"""`kakehi check`."""

from __future__ import annotations

from pathlib import Path

from kakehi.pipeline.cli.plan_view import shown
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.engines.machine import load_machine
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.inspection.first_records import look_at_sources
from kakehi.pipeline.inspection.provenance import faults, open_packed
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning import discovery


def check(target: Path, cache: Path | None) -> None:
    """Check a manifest and its inputs, or a packed prefix and its index maps; change nothing."""
    if target.with_name(f"{target.name}.idx").exists() or target.with_name(f"{target.name}.bin").exists():
        _check_packed(target, cache)
    else:
        _check_manifest(target)


def _check_manifest(manifest: Path) -> None:
    read = load(manifest)
    shards = {**discovery.discover(read), **discovery.find_fetch_shards(read)}
    for line in look_at_sources(read, shards, load_machine(None).bytes_per_worker):
        say(f"warning: {line}", err=True)
    for source in read.sources:
        mine = shards[source.name]
        files = [file for shard in mine for file in shard.files]
        size = sum(file.size for file in files)
        parts = (
            f"{len(mine)} shards for {source.fetch.name} to fetch" if source.fetch else f"{len(mine)} shards"
        )
        say(f"{source.name}: {len(files)} files, {size:,} bytes, {parts}")
    say(f"{manifest}: {len(read.sources)} sources, {len(read.steps)} steps, no fault found")


def _check_packed(prefix: Path, cache: Path | None) -> None:
    packed = open_packed(prefix)
    found = list(faults(packed, cache))
    if found:
        raise DataError(
            "\n".join(found), hint="copy it again, or run again: what is not as it was is made anew"
        )
    told = packed.about["binaries"][prefix.name]
    size = sum(file["bytes"] for file in told["files"].values())
    maps = f", maps in {shown(cache)} checked too" if cache else ""
    say(f"{prefix}: {told['rows']:,} rows, {told['tokens']:,} tokens, {size:,} bytes, no fault found{maps}")
