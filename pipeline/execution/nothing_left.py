"""Refuse to go on where a source gave nothing, a mapped field was nowhere, or nothing was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow.compute as pc

from kakehi.pipeline.errors import CorpusError, DataError
from kakehi.pipeline.execution.failed_shards import joined
from kakehi.pipeline.execution.tokenizer_loss import check_loss
from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.planning.resolve import receipts_of
from kakehi.pipeline.sources.formats.broken import ACCEPTED
from kakehi.pipeline.sources.formats.records import listed_keys, nearest_key
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.storage.store import Receipt, Store, merge

#: Reasons that an error lists.
_SHOWN = 5


def check_source(step: Step, manifest: Manifest, store: Store) -> list[str]:
    """Refuse a source step that came to nothing, once all its shards are done; return what a user has to know of it.

    Raises:
        DataError: no document came of it, no record had a mapped field, or its inputs are broken and were kept only
            because an earlier run was told to.
    """
    receipts = receipts_of(step, store) if step.stage.shape == "source" else []
    if step.stage.shape != "source" or len(receipts) < len(step.shards):
        return []
    [source] = [source for source in manifest.sources if source.name == step.source]
    counts, where = merge(receipt.counts for receipt in receipts), f"{step.name}: source {source.name!r}"
    if counts.get(ACCEPTED) and not source.parameters.get("accept_broken"):
        raise DataError(
            f"{where}: {_files(counts[ACCEPTED], 'broken file was', 'broken files were')} read as far as "
            "there is, by an earlier run",
            hint="accept_broken: true in the source says so again; or fetch them again",
        )
    _refuse_no_field(where, step.parameters.get("fields", {}), counts)
    warnings = [*_lost_fields(where, counts)]
    if not counts.get("documents") and not source.selection.allow_empty:
        if not _is_cut_short(step, receipts):
            raise DataError(f"{where}: {_nothing_came(step, counts)}", hint=_way_out(source.name))
        warnings.append(f"{where}: {_nothing_came(step, counts)}, as far as --limit reads")
    return warnings


def check_step(step: Step, steps: list[Step], manifest: Manifest, store: Store) -> list[str]:
    """Refuse a step that came to nothing or loses text, once it is done; return what a user has to know of it.

    Raises:
        DataError: as `check_source` and `check_loss`.
    """
    return check_source(step, manifest, store) + check_loss(step, steps, manifest, store)


def check_steps(steps: list[Step], manifest: Manifest, store: Store) -> list[str]:
    """Refuse as `check_step`, for steps of a plan that are all done; return all there is to know.

    Raises:
        DataError: one for all of them.
    """
    failed: list[CorpusError] = []
    told: list[str] = []
    for step in steps:
        try:
            told += check_step(step, steps, manifest, store)
        except DataError as error:
            failed.append(error)
    if failed:
        raise joined(failed)
    return told


def refuse_nothing_kept(step: Step, inputs: Inputs, store: Store) -> None:
    """Stop before a tokenizer is trained on nothing, and say which rules dropped everything.

    Raises:
        DataError: no document is kept.
    """
    reads_kept = "verdict" in step.stage.reads and step.stage.writes != "verdict"
    if step.stage.shape != "corpus" or not reads_kept or step.stage.summary:
        return
    sources = merge(r.counts for s in step.upstream["documents"] for r in receipts_of(s, store))
    total = merge(r.counts for origin in step.upstream["verdict"] for r in receipts_of(origin, store))
    dropped = {
        key.removeprefix("verdict/").removesuffix("/documents"): value
        for key, value in total.items()
        if key.startswith("verdict/") and key.endswith("/documents")
    }
    documents = sources.get("documents", 0)
    # Two steps may object to one document, so the sum alone does not say that none is left.
    if documents > sum(dropped.values()) or (documents and _keeps_any(inputs)):
        return
    if not documents:
        raise DataError(
            f"{step.name}: nothing is left: 0 documents, no input gave one",
            hint="leave out what needs documents, or run with --until a step before it",
        )
    raise DataError(
        f"{step.name}: nothing is left: {documents:,} documents, all dropped ({_worst(dropped)})",
        hint="loosen the first rule named, or see `kakehi report` for the values of its signal",
    )


def _keeps_any(inputs: Inputs) -> bool:
    return any(
        pc.sum(batch.column("kept")).as_py()
        for shard in inputs.shards
        for batch in shard.batches("documents", "verdict")
    )


def _refuse_no_field(where: str, fields: Mapping[str, str], counts: Mapping[str, int]) -> None:
    """Refuse a field that no row had; inputs without rows have no fields."""
    rows = counts.get("mapped", 0)
    lacking = [
        (field, path)
        for field, path in fields.items()
        if rows and not field.endswith("?") and counts.get(f"absent/{field}") == rows
    ]
    if not lacking:
        return
    keys = _named(counts, "key/")
    said = [
        f"{where}: none of {rows:,} records has {path!r} (for {field}); "
        f"keys that are there: {listed_keys(keys)}{nearest_key(path, keys)}"
        for field, path in lacking
    ]
    optional = " or ".join(f"'{field}?: {path}'" for field, path in lacking if field != "text")
    may = f"; {optional} says that no record need have it" if optional else ""
    raise DataError("\n".join(said), hint=f"mend fields in the source{may}")


def _lost_fields(where: str, counts: Mapping[str, int]) -> Iterator[str]:
    for field, lost in sorted(_named(counts, "lost/").items()):
        there = counts["mapped"] - counts.get(f"absent/{field}", 0)
        yield f"{where}: {field} is left out of {lost:,} of {there:,} records that have it: it is no text"


def _nothing_came(step: Step, counts: Mapping[str, int]) -> str:
    records, files = counts.get("records", 0), sum(len(shard.files) for shard in step.shards)
    if not records:
        held = f": {_files(files, 'file holds', 'files hold')} no record" if files else ""
        return f"no document came of it{held}"
    keys = _named(counts, "key/")
    there = f"; keys that are there: {listed_keys(keys)}" if keys else ""
    return f"no document came of {records:,} records ({_worst(_named(counts, 'reject/'))}){there}"


def _files(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"


def _way_out(source: str) -> str:
    return f"docs/rejects.md says what each reason means; if it may be so: allow_empty: true in source {source!r}"


def _is_cut_short(step: Step, receipts: list[Receipt]) -> bool:
    """Say whether a limit ended the reading: what lies behind it may well give documents."""
    return any(
        shard.limit is not None and receipt.counts.get("records", 0) >= shard.limit
        for shard, receipt in zip(step.shards, receipts, strict=True)
    )


def _named(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {key.removeprefix(prefix): count for key, count in counts.items() if key.startswith(prefix)}


def _worst(counts: Mapping[str, int]) -> str:
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    return ", ".join(f"{name} {count:,}" for name, count in listed)
