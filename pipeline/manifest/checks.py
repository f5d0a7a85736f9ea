"""What one step asks of others: signals that somebody measures, tables that exactly one step writes, no cycle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from kakehi.filters.signals import FAMILIES
from kakehi.pipeline.errors import DataError, nearest
from kakehi.pipeline.manifest.model import StepSpec, writers_of
from kakehi.pipeline.manifest.yaml_tree import Location, YamlFile
from kakehi.pipeline.stages.catalogue import STAGES
from kakehi.pipeline.stages.dedupe.compare import refuse_history
from kakehi.pipeline.stages.dedupe.history import open_history
from kakehi.pipeline.stages.dedupe.representatives import is_number
from kakehi.pipeline.stages.dedupe.sign import signed_by
from kakehi.pipeline.stages.measure import FamilySpec, signal_types
from kakehi.pipeline.stages.pack.index import MASKS_NOTHING, PACK_PIECES
from kakehi.pipeline.stages.screen import LABELS, NUMBERS, Threshold
from kakehi.pipeline.stages.stage import Asked
from kakehi.tokenizer.packed.lanes import Parallel, refuse_lanes


def check_signals(reading: YamlFile, steps: Sequence[StepSpec]) -> None:
    """Refuse thresholds on signals that nobody measures, and bounds that do not fit the signal's type."""
    types: dict[str, pa.DataType] = {}
    for step in steps:
        if step.stage.name == "measure":
            for spec in step.parameters["families"]:
                found = signal_types([FamilySpec(**spec)])
                twice = sorted(found.keys() & types.keys())
                if twice:
                    reading.fault(
                        (step.key,), f"{step.key}: two families measure {twice[0]!r}; name one of them"
                    )
                types |= found
    _check_preferences(reading, steps, types)
    for step in steps:
        if step.stage.name != "screen":
            continue
        every = [Threshold(**rule) for mine in step.parameters.values() for rule in mine["rules"]]
        _refuse_unmeasured(reading, step.key, dict.fromkeys(rule.signal for rule in every), types)
        for signal, of_labels in dict.fromkeys((rule.signal, rule.of_labels) for rule in every):
            if signal not in types:
                continue
            if _is_text(types[signal]) != of_labels:
                wanted = " or ".join(LABELS if _is_text(types[signal]) else NUMBERS)
                reading.fault((step.key,), f"{step.key}: {signal!r} is {types[signal]}, wanted {wanted}")


def _refuse_unmeasured(
    reading: YamlFile, key: str, signals: Iterable[str], types: Mapping[str, pa.DataType]
) -> None:
    """Refuse bounds on what is not measured: by the family that would, where one of ours does."""
    homes = {signal.name: name for name, family in FAMILIES.items() for signal in family.signals}
    lacking: dict[str, list[str]] = {}
    for signal in signals:
        if signal in types:
            continue
        if signal not in homes:
            meant = nearest(signal, [*types, *homes])
            known = meant if "did you mean" in meant else nearest(signal, types)
            reading.fault((key,), f"{key}: no family measures {signal!r}{known}")
        else:
            lacking.setdefault(homes[signal], []).append(signal)
    for family, mine in lacking.items():
        more = f" and {len(mine) - 1} more are" if len(mine) > 1 else " is"
        said = (
            f"{key}: {mine[0]!r}{more} not measured; add {family}, or the rule set that needs it, to measure"
        )
        reading.fault((key,), said)


def _check_preferences(
    reading: YamlFile, steps: Sequence[StepSpec], types: Mapping[str, pa.DataType]
) -> None:
    """Refuse a priority by a signal that nobody measures, or that is no number."""
    for step in steps:
        for preference in step.parameters["priority"] if step.stage.name == "keep" else ():
            signal = preference.get("signal") if isinstance(preference, Mapping) else None
            if signal is None:
                continue
            known = ", ".join(sorted(types)) or "none; add measure"
            if signal not in types:
                said = f"{step.key}.priority: no family measures {signal!r}; there are: {known}"
                reading.fault((step.key, "priority"), said)
            elif not is_number(types[signal]):
                said = f"{step.key}.priority: {signal!r} is {types[signal]}, wanted a number"
                reading.fault((step.key, "priority"), said)


def check_origins(reading: YamlFile, steps: Sequence[StepSpec]) -> None:
    """Refuse `from:` that names nothing, itself, a later step, or what the stage doesn't read."""
    order = {step.name: index for index, step in enumerate(steps)}
    for step in steps:
        for name in step.origin:
            at: Location = (step.key, "from")
            sources = [other for other in steps if name in {other.name, other.key}]
            if not sources:
                reading.fault(at, f"{step.key}: from names no step {name!r}{nearest(name, order)}")
            elif any(order[other.name] >= order[step.name] for other in sources):
                reading.fault(at, f"{step.key}: from names {name!r}, which comes later or is itself: a cycle")
            elif not any(other.stage.writes in step.stage.reads for other in sources):
                reading.fault(at, f"{step.key}: reads nothing that {name!r} writes")


def check_reads(reading: YamlFile, steps: Sequence[StepSpec]) -> None:
    """Refuse a step whose table nobody writes, or several do."""
    for index, step in enumerate(steps):
        for table in step.stage.reads:
            writers = (
                [] if table in {"documents", "verdict"} else writers_of(table, steps[:index], step.origin)
            )
            if len(writers) > 1:
                names = ", ".join(writer.name for writer in writers)
                reading.fault((step.key,), f"{step.key}: {names} all write {table}; name one with from:")
            elif not writers and table not in {"documents", "verdict"}:
                makers = ", ".join(stage.name for stage in STAGES if stage.writes == table)
                reading.fault((step.key,), f"{step.key}: reads {table}, which no step writes; add {makers}")


def check_parameters(
    reading: YamlFile, steps: Sequence[StepSpec], sources: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse what a stage says can never run, whatever else is wrong."""
    for index, step in enumerate(steps):
        if step.stage.refuse is None:
            continue
        upstream = {
            table: [other.parameters for other in writers_of(table, steps[:index], step.origin)]
            for table in step.stage.reads
        }
        for place, said in step.stage.refuse(Asked(step.parameters, upstream, sources)):
            at = (step.key, *place)
            reading.fault(at, f"{'.'.join(map(str, at))}: {said}")


def check_histories(reading: YamlFile, steps: Sequence[StepSpec]) -> None:
    """Refuse earlier runs that offer nothing, or whose keys were signed unlike those here."""
    for index, step in enumerate(steps):
        if step.stage.name != "compare":
            continue
        signed = [signed_by(sign.parameters) for sign in writers_of("keys", steps[:index], step.origin)]
        for name, folder in step.parameters["against"].items():
            try:
                refuse_history(name, open_history(folder), signed[0])
            except DataError as error:
                said = f"{error.message}; {error.hint}"
                reading.fault((step.key, "against", name), f"{step.key}.against.{name}: {said}")


def check_packing(reading: YamlFile, steps: Sequence[StepSpec]) -> None:
    """Refuse copies by sizes that nobody counts, masks by sequences that are tiles, jobs that share lanes."""
    for index, step in enumerate(steps):
        asked = step.parameters
        if step.stage.name == "pack" and asked["copies"] and not _stages(steps[:index], "keep"):
            said = f"{step.key}.copies: no step says how many documents one stands for; add dedupe"
            reading.fault((step.key, "copies"), said)
        if step.stage.name != "index":
            continue
        for packed in (other.parameters for other in writers_of("packed", steps[:index], step.origin)):
            if asked["inter_document_masking"] and packed["sequences"] == "tiles":
                said = f"{MASKS_NOTHING.format(step.key)}; {PACK_PIECES}"
                reading.fault((step.key, "inter_document_masking"), said)
            if packed["layout"] == "lanes":
                jobs = [Parallel(job["micro_batch"], job["data_parallel"]) for job in asked["jobs"]]
                try:
                    refuse_lanes(packed["lanes"], jobs)
                except ValueError as error:
                    reading.fault((step.key, "jobs"), f"pack.{error}".replace("\nhint: ", "; "))


def _stages(steps: Sequence[StepSpec], name: str) -> list[StepSpec]:
    return [step for step in steps if step.stage.name == name]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
