"""Look at the first records of sources before anything runs: is the format right, are the mapped fields there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.manifest.model import Manifest, SourceSpec
from kakehi.pipeline.sources.formats import hub, open_records
from kakehi.pipeline.sources.formats.records import Reading, listed_keys, nearest_key
from kakehi.pipeline.sources.split import Split
from kakehi.pipeline.storage.shards import Shard

#: Records of a source that are looked at.
FIRST: Final = 100


def look_at_sources(
    manifest: Manifest, shards: Mapping[str, Sequence[Shard]], memory_bytes: int
) -> Iterator[str]:
    """Yield a warning for every mapped field that the first records of a source lack.

    Args:
        manifest: checked.
        shards: of its sources.
        memory_bytes: of a worker.

    Raises:
        DataError: the first input of a source is of another format than it is read as.
    """
    for source in manifest.sources:
        if source.stage.name == "ingest" and source.fetch is None:
            yield from _look_at(source, shards[source.name], manifest, memory_bytes)


def _look_at(
    source: SourceSpec, shards: Sequence[Shard], manifest: Manifest, memory_bytes: int
) -> Iterator[str]:
    split = _first_split(source, shards, manifest, memory_bytes)
    if split is None:
        return
    fields = {str(ours): str(theirs) for ours, theirs in source.parameters["fields"].items()}
    reading = Reading(accept_broken=True, max_window_bytes=memory_bytes // 2)
    try:
        for _ in islice(open_records(split, source.parameters["format"], fields, reading), FIRST):
            pass
    except (ValueError, OSError) as error:
        place = f"{split.file.path}: " if split.file else ""
        said, _, hint = str(error).removeprefix(place).partition("\nhint: ")
        raise DataError(f"source {source.name!r}: {split.name}: {said}", hint=hint or None) from error
    yield from _lacking(source, split, fields, reading.counts)


def _first_split(
    source: SourceSpec, shards: Sequence[Shard], manifest: Manifest, memory_bytes: int
) -> Split | None:
    """Take the first input; a dataset that would have to be fetched from the hub is none."""
    files = sorted(file for shard in shards for file in shard.files)
    if files:
        return Split(source.name, files[0], {}, None, memory_bytes=memory_bytes)
    spec = next((shard.spec for shard in shards if shard.spec), None)
    if spec is None or not hub.is_local(str(source.selection.dataset), manifest.root):
        return None
    return Split(source.name, None, dict(spec), None, memory_bytes=memory_bytes)


def _lacking(
    source: SourceSpec, split: Split, fields: Mapping[str, str], counts: Counter[str]
) -> Iterator[str]:
    rows = counts["mapped"]
    keys = [key.removeprefix("key/") for key in counts if key.startswith("key/")]
    for field, path in fields.items():
        if rows and not field.endswith("?") and counts[f"absent/{field}"] == rows:
            yield (
                f"source {source.name!r}: none of the first {rows} records of {split.name} "
                f"has {path!r} (for {field}); keys that are there: {listed_keys(keys)}{nearest_key(path, keys)}"
            )
