"""Turn a manifest's tree into sources and steps with every default filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from kakehi.pipeline.errors import ManifestError, nearest
from kakehi.pipeline.manifest.checks import (
    check_histories,
    check_origins,
    check_packing,
    check_parameters,
    check_reads,
    check_signals,
)
from kakehi.pipeline.manifest.families import with_files, with_needs
from kakehi.pipeline.manifest.job_checks import check_jobs
from kakehi.pipeline.manifest.model import Fetched, Manifest, Selection, SourceSpec, StepSpec
from kakehi.pipeline.manifest.rule_sets import needs_of, read_rules
from kakehi.pipeline.manifest.yaml_tree import Location, YamlFile, is_name, listed_names, parse, validated
from kakehi.pipeline.stages.catalogue import STAGES, TOGETHER
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.store import OWN_FOLDERS
from kakehi.pipeline.storage.utf8_names import refuse_odd_name

#: In `screen`, the name for what holds for every source.
EVERY: Final = "all"


def load(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        ManifestError: every fault found, each with its line and the nearest name.
        DataError: its name, or that of a folder above it, is no UTF-8.
    """
    refuse_odd_name(path.absolute(), "manifest")
    reading = YamlFile(path=path, tree=parse(path))
    manifest = compile_tree(reading)
    if reading.faults:
        lines = [f"{path}:{line}: {message}" for line, message in sorted(set(reading.faults))]
        raise ManifestError(
            "\n".join(lines), hint="kakehi defaults MANIFEST prints every key with its default"
        )
    return manifest


def compile_tree(reading: YamlFile) -> Manifest:
    """Turn a tree into a manifest; faults are left with the reading."""
    tree = reading.tree
    corpus = tree.get("corpus")
    if not isinstance(corpus, str) or not corpus.replace("-", "").replace("_", "").isalnum():
        reading.fault(("corpus",), f"corpus: got {corpus!r}, wanted a name of letters, digits, - and _")
    sources = tuple(_sources(reading, tree.get("sources")))
    instances = {key: value for key, value in tree.items() if key not in {"corpus", "sources"}}
    steps = [step for key, value in instances.items() for step in _steps(reading, str(key), value, sources)]
    order = {stage.name: index for index, stage in enumerate(STAGES)}
    steps.sort(key=lambda step: order[step.stage.name])
    named = tree.get("sources")
    known: dict[str, dict[str, Any]] = {str(name): {} for name in named} if isinstance(named, Mapping) else {}
    check_parameters(reading, steps, known | {source.name: source.parameters for source in sources})
    if not reading.faults:  # else a step that could not be read would be missed by every reader of its table
        check_signals(reading, steps)
        check_origins(reading, steps)
        check_reads(reading, steps)
        check_histories(reading, steps)
        check_packing(reading, steps)
        check_jobs(reading, steps)
    return Manifest(path=reading.path, corpus=str(corpus), sources=sources, steps=tuple(steps))


def _sources(reading: YamlFile, sources: object) -> Iterator[SourceSpec]:
    if not isinstance(sources, Mapping) or not sources:
        reading.fault(
            ("sources",), "sources: wanted at least one, as name: {extract: …} or name: {ingest: …}"
        )
        return
    for name, body in sources.items():
        at: Location = ("sources", name)
        kinds = {stage.name: stage for stage in STAGES if stage.shape == "source"}
        fetching = {stage.name: stage for stage in STAGES if stage.shape == "fetch"}
        if not isinstance(body, Mapping) or len(kinds.keys() & body.keys()) != 1:
            reading.fault(at, f"source {name!r}: wanted one of {', '.join(kinds)}")
            continue
        if not is_name(name) or name == EVERY:
            reading.fault(
                at, f"source {name!r}: wanted a name of letters, digits, - and _, other than {EVERY!r}"
            )
        for key in body.keys() - kinds.keys() - fetching.keys() - {"normalise"}:
            reading.unknown((*at, key), [*fetching, *kinds, "normalise"])
        [kind] = kinds.keys() & body.keys()
        fetch = _fetch(reading, at, fetching, body)
        if fetch and kind != "extract":
            reading.fault((*at, kind), f"{kind}: reads no WARC, which is what {fetch.name} makes")
        spec = _source(reading, (*at, kind), kinds[kind], body, fetch)
        if spec:
            yield spec


def _fetch(
    reading: YamlFile, at: Location, fetching: Mapping[str, Stage], body: Mapping[str, Any]
) -> StepSpec | None:
    """Read the step that fills a source's files, if it has one."""
    names = sorted(fetching.keys() & body.keys())
    if len(names) > 1:
        reading.fault(at, f"source {at[-1]!r}: wanted one of {', '.join(names)}, got all")
    for name in names[:1]:
        parameters = _parameters(reading, (*at, name), fetching[name], body[name], [fetching[name]])
        if parameters is not None:
            return StepSpec(name=name, key=name, stage=fetching[name], parameters=parameters)
    return None


def _source(
    reading: YamlFile, at: Location, stage: Stage, body: Mapping[str, Any], fetch: StepSpec | None
) -> SourceSpec | None:
    values = body[stage.name]
    if not isinstance(values, Mapping):
        reading.fault(at, f"{stage.name}: got {values!r}, wanted a mapping with files")
        return None
    chosen = {key: value for key, value in values.items() if key in Selection.model_fields}
    rest = {key: value for key, value in values.items() if key not in chosen}
    if "normalise" in body:
        rest["normalise"] = body["normalise"]
    known = [*Selection.model_fields, *stage.model().model_fields]
    is_fetched = any(other.shape == "fetch" and other.name in body for other in STAGES)
    selection = validated(reading, at, Fetched if is_fetched else Selection, chosen, known)
    parameters = validated(reading, at, stage.model(), rest, known)
    if selection is None or parameters is None:
        return None
    return SourceSpec(
        name=str(at[1]),
        stage=stage,
        selection=selection,
        parameters=_values(parameters, reading.path),
        fetch=fetch,
    )


def _steps(reading: YamlFile, key: str, value: Any, sources: Sequence[SourceSpec]) -> Iterator[StepSpec]:
    own = [stage for stage in STAGES if stage.shape not in {"fetch", "source"}]
    stages = {stage.name: (stage,) for stage in own} | TOGETHER
    at: Location = (key,)
    kind = value.get("stage", key) if isinstance(value, Mapping) else key
    if key.casefold() in OWN_FOLDERS:
        reading.fault(
            (key,), f"{key}: no step can be called so: the work folder has a folder {key!r} for its own use"
        )
        return
    if kind not in stages or not is_name(key):
        reading.unknown(at if kind == key else (key, "stage"), stages) if kind == key else reading.fault(
            (key, "stage"), f"unknown stage {kind!r}{nearest(str(kind), stages)}"
        )
        return
    origin: tuple[str, ...] = ()
    if isinstance(value, Mapping):
        origin = tuple(listed_names(value.get("from")))
        value = {k: v for k, v in value.items() if k not in {"stage", "from"}}
    chosen = stages[kind]
    given = value if isinstance(value, Mapping) else {}
    for stage in chosen:
        if len(chosen) > 1 and stage.only_with and not given.get(stage.only_with):
            continue
        name = stage.name if key == kind else key if len(chosen) == 1 else f"{key}-{stage.name}"
        if stage.name == "screen":
            yield from _screen(reading, key, name, stage, value, sources, origin)
            continue
        parameters = _parameters(reading, at, stage, value, chosen)
        if parameters is not None:
            yield StepSpec(name=name, key=key, stage=stage, parameters=parameters, origin=origin)


def _parameters(
    reading: YamlFile, at: Location, stage: Stage, value: Any, together: Sequence[Stage]
) -> dict[str, Any] | None:
    if stage.name == "measure":
        value = with_needs(value, partial(needs_of, reading))
    if stage.whole:
        value = {stage.whole: value}
    elif value is None:
        value = {}
    if not isinstance(value, Mapping):
        reading.fault(at, f"{at[-1]}: got {value!r}, wanted a mapping")
        return None
    known = {name for member in together for name in member.model().model_fields}
    mine = {k: v for k, v in value.items() if k in stage.model().model_fields or k not in known}
    model = validated(reading, at, stage.model(), mine, known, whole=stage.whole)
    if model is None:
        return None
    values = _values(model, reading.path)
    if stage.name == "measure":
        values["families"] = with_files(reading, at, values["families"], reading.path.resolve().parent)
    for name, file in values.items():
        if isinstance(file, Path) and not file.is_file():
            reading.fault((*at, name), f"{at[-1]}.{name}: no file {str(mine[name])!r} beside the manifest")
    return values


def _screen(
    reading: YamlFile,
    key: str,
    name: str,
    stage: Stage,
    value: Any,
    sources: Sequence[SourceSpec],
    origin: tuple[str, ...],
) -> Iterator[StepSpec]:
    names = [EVERY, *map(str, reading.tree.get("sources") or ())]
    if not isinstance(value, Mapping):
        reading.fault((key,), f"{key}: wanted rules by source, as {key}: {{{EVERY}: [swallow-v1]}}")
        return
    for source in value.keys() - set(names):
        reading.unknown((key, source), names)
    rules = {part: read_rules(reading, (key, part), value.get(part)) for part in names}
    parameters = {spec.name: {"rules": [*rules[EVERY], *rules[spec.name]]} for spec in sources}
    yield StepSpec(name=name, key=key, stage=stage, parameters=parameters, by_source=True, origin=origin)


def _values(model: BaseModel, path: Path) -> dict[str, Any]:
    """Give parameters as plain values, files by their absolute path."""
    return {name: _rooted(value, path.resolve().parent) for name, value in model.model_dump().items()}


def _rooted(value: Any, root: Path) -> Any:
    if isinstance(value, Mapping):
        return {name: _rooted(item, root) for name, item in value.items()}
    return root / value if isinstance(value, Path) else value
