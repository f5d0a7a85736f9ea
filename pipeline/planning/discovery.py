"""Look at inputs and at earlier runs, and plan."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kakehi.pipeline.errors import DataError, ManifestError, nearest
from kakehi.pipeline.manifest.model import Manifest, SourceSpec
from kakehi.pipeline.planning.inputs import KnownInputs, explain_changes, other_bytes
from kakehi.pipeline.planning.planner import (
    NOT_YET,
    Step,
    fetch_steps,
    fetching_steps,
    known_steps,
    plan,
    waiting,
)
from kakehi.pipeline.planning.resolve import fetched_files
from kakehi.pipeline.sources.formats import hub
from kakehi.pipeline.stages.dedupe.history import content_of
from kakehi.pipeline.storage.addresses import Recipe
from kakehi.pipeline.storage.shards import MEGABYTE, InputFile, Shard, dataset_shard, find_files, group
from kakehi.pipeline.storage.store import Receipt, Store, file_digest


@dataclass(kw_only=True)
class OnDisk:
    """What the work folder says of earlier runs (`planner.Receipts`).

    Args:
        store: the work folder.
        verify: compare digests, not sizes alone.
        inputs: files of shards by source and name, whose bytes are compared with what was read of them.
    """

    store: Store
    verify: bool = False
    inputs: Mapping[tuple[str, str], Sequence[InputFile]] = field(default_factory=dict)
    _recipes: dict[str, list[Recipe]] = field(default_factory=dict)
    _other: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def missing(self, step: str, address: str, source: str | None, shard: str | None) -> str | None:
        """Say why an output is not there or not whole."""
        receipt = self.store.receipt(step, address, source, shard)
        if receipt is None:
            there = self.store.receipt_path(step, address, source, shard).exists()
            return "its receipt is damaged" if there else NOT_YET
        return self._other_input(receipt, source, shard) or self.store.fault(receipt, verify=self.verify)

    def _other_input(self, receipt: Receipt, source: str | None, shard: str | None) -> str | None:
        """Say which input of a shard has other bytes, of the step that read it and of all that came of it."""
        if source is None or shard is None:
            return next(filter(None, self._other.values()), None)
        if (source, shard) in self.inputs and (
            source,
            shard,
        ) not in self._other:  # the step that reads it comes first
            self._other[source, shard] = other_bytes(receipt, self.inputs[source, shard])
        return self._other.get((source, shard))

    def recipes(self, step: str, source: str | None) -> Sequence[Recipe]:
        """List earlier recipes of a step, the newest first."""
        if step not in self._recipes:
            self._recipes[step] = [recipe for _, recipe in self.store.recipes(step)]
        return [recipe for recipe in self._recipes[step] if recipe.get("source") == source]


def find_fetch_shards(manifest: Manifest, *, limit: int | None = None) -> dict[str, list[Shard]]:
    """Find what is to be fetched, of every source that fetches."""
    found = {}
    for source in manifest.sources:
        if source.fetch and (shards := source.fetch.stage.shards):
            found[source.name] = shards(source.fetch.parameters, source.name, manifest.root, limit)
    return found


def discover(
    manifest: Manifest,
    *,
    limit: int | None = None,
    fetched: Mapping[str, Sequence[InputFile]] | None = None,
    absent: list[str] | None = None,
    known: Callable[[InputFile], InputFile] = lambda file: file,
) -> dict[str, list[Shard]]:
    """Find the inputs of every source and group them into shards.

    Args:
        manifest: checked and filled in.
        limit: records to read of each source, or None.
        fetched: files of the sources that fetch theirs; a source that is not there is left out.
        absent: takes the names of sources without a file, which then have no shard; None where that is an error.
        known: gives a file the time under which its bytes were read before.

    Raises:
        DataError: a pattern that names no file.
    """
    found: dict[str, list[Shard]] = {}
    fetched = fetched or {}
    for source in manifest.sources:
        chosen = source.selection
        if source.fetch and source.name not in fetched:
            continue
        if chosen.files or source.fetch:
            try:
                files = (
                    fetched.get(source.name, []) if source.fetch else find_files(chosen.files, manifest.root)
                )
            except DataError:
                if absent is None:
                    raise
                absent.append(source.name)
                found[source.name] = []
                continue
            out = _left_out(source, [file.name for file in files])
            found[source.name] = group(
                source.name,
                [known(file) for file in files if file.name not in out.inputs],
                target_bytes=int(chosen.shard_mb * MEGABYTE),
                limit=limit,
                skip=out.records,
            )
        else:
            found[source.name] = [_dataset(source, manifest.root, limit)]
    return found


class _LeftOut(NamedTuple):
    """What `skip` names: whole inputs, and records by input and offset."""

    inputs: set[str]
    records: set[tuple[str, int]]


def _left_out(source: SourceSpec, inputs: Sequence[str]) -> _LeftOut:
    """Read `skip`; what it names must be there, else a slip of the pen would leave out nothing.

    Raises:
        DataError: it names no input, or leaves none.
    """
    out = _LeftOut(set(), set())
    for entry in source.selection.skip:
        name, at, place = entry.rpartition("@")
        if entry in inputs:
            out.inputs.add(entry)
        elif at and name in inputs and place.isdecimal():
            out.records.add((name, int(place)))
        else:
            raise DataError(
                f"source {source.name!r}: skip names {entry!r}, but no such input{nearest(name or entry, inputs)}",
                hint="wanted FILE, or FILE@PLACE for one record, as errors and `kakehi explain` name them",
            )
    if inputs and out.inputs >= set(inputs):
        raise DataError(f"source {source.name!r}: skip leaves no input", hint="leave out the source instead")
    return out


def make_plan(
    manifest: Manifest,
    store: Store,
    *,
    until: str | None = None,
    limit: int | None = None,
    verify: bool = False,
    verify_inputs: bool = False,
    absent: list[str] | None = None,
) -> list[Step]:
    """Look at inputs and receipts, and plan.

    Where something has to be fetched, the steps that fetch are the whole plan (`planner.waiting`).

    Args:
        manifest: checked and filled in.
        store: the work folder.
        until: last step (or stage) to plan, or None for all.
        limit: records to read of each source, or None.
        verify: compare digests of outputs, not sizes alone.
        verify_inputs: compare digests of inputs, not sizes and times alone.
        absent: as in `discover`.

    Raises:
        ManifestError: `until` names no step.
        DataError: a pattern that names no file.
    """
    if until is not None and until not in known_steps(manifest):
        raise ManifestError(f"--until {until}: no such step{nearest(until, known_steps(manifest))}")
    receipts = OnDisk(store=store, verify=verify)
    shards = find_fetch_shards(manifest, limit=limit)
    fetches = fetch_steps(manifest, shards, receipts, file_digest=file_digest)
    if until in fetching_steps(manifest) or any(step.action == "run" for step in fetches):
        return fetches
    fetched = {str(step.source): fetched_files(step, store) for step in fetches}
    allowed = {source.name for source in manifest.sources if source.selection.allow_empty}
    for name in (name for name, files in fetched.items() if not files and name not in allowed):
        raise DataError(
            f"source {name!r}: nothing was fetched",
            hint="kakehi report says what became of all; allow_empty: true in the source lets it be",
        )
    every = discover(manifest, limit=limit, fetched=fetched, absent=absent, known=KnownInputs(store).known)
    if verify_inputs:
        receipts.inputs = {(shard.source, shard.name): shard.files for of in every.values() for shard in of}
    steps = plan(manifest, every, receipts, file_digest=_content, until=until, fetched=fetches)
    return explain_changes(steps, store)


def whole_plan(manifest: Manifest, store: Store, *, limit: int | None = None) -> list[Step]:
    """Plan all of a manifest, for what makes no sense of a part.

    Raises:
        DataError: some source has to be fetched first.
    """
    steps = make_plan(manifest, store, limit=limit)
    if names := waiting(steps):
        raise DataError(
            f"{', '.join(names)}: not fetched yet, so what follows is not known",
            hint=f"kakehi run {manifest.path} --until {steps[0].name}",
        )
    return steps


def _content(path: Path) -> str:
    """Digest what a parameter names: a file, or the folder of an earlier run."""
    return content_of(path) if path.is_dir() else file_digest(path)


def _dataset(source: SourceSpec, root: Path, limit: int | None) -> Shard:
    """Make the shard of a dataset; what is local has the state of its files in its identity."""
    spec = source.selection.model_dump(exclude={"files", "shard_mb", "skip", "allow_empty"})
    skip = _left_out(source, [spec["dataset"]]).records
    if hub.is_local(spec["dataset"], root):
        inside = [f"{glob.escape(spec['dataset'])}/**"] if (root / spec["dataset"]).is_dir() else []
        return dataset_shard(
            source.name,
            spec,
            files=find_files(spec["data_files"] or inside, root),
            root=root,
            limit=limit,
            skip=skip,
        )
    try:
        hub.check_pinned(spec["dataset"], spec["revision"])
    except ValueError as error:
        raise ManifestError(f"source {source.name!r}: {error}") from error
    return dataset_shard(source.name, spec, limit=limit, skip=skip)
