"""Read a manifest: YAML to steps with every default filled in, or every fault at once with its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, cast

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.schemas import Table
from kakehi.pipeline.stage import Stage
from kakehi.pipeline.stages import STAGES, TOGETHER
from kakehi.pipeline.stages.measure import FamilySpec, signal_types
from kakehi.pipeline.stages.screen import Threshold, from_short

RULES_FOLDER: Final = Path(__file__).resolve().parent.parent / "manifests" / "rules"

#: In `screen`, the name for what holds for every source.
EVERY: Final = "all"

Location = tuple[str | int, ...]

M = TypeVar("M", bound=BaseModel)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Selection(BaseModel):
    """What a source reads. Which files there are decides shards, not addresses.

    Args:
        files: patterns relative to the manifest's folder.
        shard_mb: input megabytes from which a shard of several files is split in two.
        dataset: a Hugging Face dataset's name, or a local builder (`json`, `parquet`, …) or folder.
        revision: commit of a dataset from the hub; required there.
        split: of the dataset.
        config: of the dataset.
        data_files: for a local builder, relative to the manifest's folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    files: Annotated[list[str], BeforeValidator(_listed)] = []
    shard_mb: Annotated[float, Field(gt=0)] = 1024.0
    dataset: str | None = None
    revision: str | None = None
    split: str = "train"
    config: str | None = None
    data_files: Annotated[list[str], BeforeValidator(_listed)] = []

    @model_validator(mode="after")
    def _one_of_two(self) -> Selection:
        if bool(self.files) == bool(self.dataset):
            raise ValueError("wanted either files or dataset")
        return self


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """A source of documents as the manifest has it."""

    name: str
    stage: Stage
    selection: Selection
    parameters: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """A stage on given inputs.

    Args:
        name: of the step; the stage's own, or an instance's.
        key: the manifest key it came from (`dedupe` for its four).
        stage: what runs.
        parameters: filled in; `{source: …}` where they differ by source.
        by_source: whether `parameters` is by source.
        origin: steps named by `from`, which win over the default.
    """

    name: str
    key: str
    stage: Stage
    parameters: Mapping[str, Any]
    by_source: bool = False
    origin: tuple[str, ...] = ()

    def parameters_for(self, source: str | None) -> Mapping[str, Any]:
        """Give the parameters for one source."""
        return self.parameters[source] if self.by_source and source is not None else self.parameters


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest, checked and filled in.

    Args:
        path: of the file; its folder is the root of all relative names.
        corpus: name.
        sources: in the file's order, which is the order of the corpus.
        steps: in the order of the stages.
    """

    path: Path
    corpus: str
    sources: tuple[SourceSpec, ...]
    steps: tuple[StepSpec, ...]

    @property
    def root(self) -> Path:
        """The folder that relative names start from."""
        return self.path.resolve().parent

    def upstream(self, step: StepSpec) -> dict[Table, tuple[StepSpec, ...]]:
        """Name the steps whose tables a step reads; `documents` come from the sources and are left out."""
        before = self.steps[: self.steps.index(step)]
        tables = [table for table in (*step.stage.reads, *step.stage.optional) if table != "documents"]
        return {table: writers_of(table, before, step.origin) for table in tables}


@dataclass(kw_only=True)
class _Reading:
    path: Path
    tree: Any
    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, at: Location, message: str) -> None:
        self.faults.append((self._line(at), message))

    def unknown(self, at: Location, choices: Iterable[str]) -> None:
        self.fault(at, f"unknown key {at[-1]!r}{nearest(str(at[-1]), choices)}")

    def _line(self, at: Location) -> int:
        line, node = 1, cast(Any, self.tree)
        for key in at:
            try:
                place = node.lc  # of ruamel's mappings and sequences
                line = (place.key(key) if isinstance(node, Mapping) else place.item(key))[0] + 1
                node = node[key]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
        return line


def load(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        ManifestError: every fault found, each with its line and the nearest name.
    """
    reading = _Reading(path=path, tree=_parse(path))
    manifest = _compile(reading)
    if reading.faults:
        lines = [f"{path}:{line}: {message}" for line, message in sorted(set(reading.faults))]
        raise ManifestError(
            "\n".join(lines), hint="kakehi defaults MANIFEST prints every key with its default"
        )
    return manifest


def writers_of(table: Table, before: Sequence[StepSpec], origin: tuple[str, ...]) -> tuple[StepSpec, ...]:
    """Find the steps that write a table: every verdict there is, else those that `from` names, else all."""
    writers = tuple(step for step in before if step.stage.writes == table)
    named = tuple(step for step in writers if {step.name, step.key} & set(origin))
    return writers if table == "verdict" or not named else named


def nearest(name: str, choices: Iterable[str]) -> str:
    """Say which name was perhaps meant, or list the choices."""
    listed = sorted(choices)
    close = difflib.get_close_matches(name, listed, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(listed) or 'none'}"


def filled(manifest: Manifest) -> dict[str, Any]:
    """Write the manifest out with every default, as plain values."""
    sources = {
        source.name: {
            source.stage.name: {
                **source.selection.model_dump(exclude_defaults=True),
                "shard_mb": source.selection.shard_mb,
                **_plain(source.parameters),
            }
        }
        for source in manifest.sources
    }
    steps: dict[str, Any] = {}
    for step in manifest.steps:
        shown = _plain(step.parameters)
        if step.stage.whole and step.by_source:
            shown = {source: values[step.stage.whole] for source, values in shown.items()}
        elif step.stage.whole:
            shown = shown[step.stage.whole]
        if step.key in TOGETHER or (step.key in steps and isinstance(shown, dict)):
            steps[step.key] = {**steps.get(step.key, {}), **shown}
        else:
            steps[step.key] = shown
    return {"corpus": manifest.corpus, "sources": sources, **steps}


def _parse(path: Path) -> Any:
    yaml = YAML()  # YAML 1.2: `no` is a word, 1e9 a number
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: is not UTF-8 ({error})") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError(f"{path}:{line}: is no YAML: {error.problem}") from error
    except YAMLError as error:  # a character that YAML forbids
        raise ManifestError(f"{path}: is no YAML: {error}") from error
    if not isinstance(tree, Mapping):
        raise ManifestError(
            f"{path}:1: got {'a list' if isinstance(tree, list) else type(tree).__name__}, wanted a mapping with corpus, sources and stages"
        )
    return tree


def _compile(reading: _Reading) -> Manifest:
    tree = reading.tree
    corpus = tree.get("corpus")
    if not isinstance(corpus, str) or not corpus.replace("-", "").replace("_", "").isalnum():
        reading.fault(("corpus",), f"corpus: got {corpus!r}, wanted a name of letters, digits, - and _")
    sources = tuple(_sources(reading, tree.get("sources")))
    instances = {key: value for key, value in tree.items() if key not in {"corpus", "sources"}}
    steps = [step for key, value in instances.items() for step in _steps(reading, str(key), value, sources)]
    order = {stage.name: index for index, stage in enumerate(STAGES)}
    steps.sort(key=lambda step: order[step.stage.name])
    if not reading.faults:  # else a step that could not be read would be missed by every reader of its table
        _check_signals(reading, steps)
        _check_origins(reading, steps)
        _check_reads(reading, steps)
    return Manifest(path=reading.path, corpus=str(corpus), sources=sources, steps=tuple(steps))


def _sources(reading: _Reading, sources: object) -> Iterator[SourceSpec]:
    if not isinstance(sources, Mapping) or not sources:
        reading.fault(
            ("sources",), "sources: wanted at least one, as name: {extract: …} or name: {ingest: …}"
        )
        return
    for name, body in sources.items():
        at: Location = ("sources", name)
        kinds = {stage.name: stage for stage in STAGES if stage.shape == "source"}
        if not isinstance(body, Mapping) or len(kinds.keys() & body.keys()) != 1:
            reading.fault(at, f"source {name!r}: wanted one of {', '.join(kinds)}")
            continue
        if not _is_name(name) or name == EVERY:
            reading.fault(
                at, f"source {name!r}: wanted a name of letters, digits, - and _, other than {EVERY!r}"
            )
        for key in body.keys() - kinds.keys() - {"normalise"}:
            reading.unknown((*at, key), [*kinds, "normalise"])
        [kind] = kinds.keys() & body.keys()
        spec = _source(reading, (*at, kind), kinds[kind], body)
        if spec:
            yield spec


def _source(reading: _Reading, at: Location, stage: Stage, body: Mapping[str, Any]) -> SourceSpec | None:
    values = body[stage.name]
    if not isinstance(values, Mapping):
        reading.fault(at, f"{stage.name}: got {values!r}, wanted a mapping with files")
        return None
    chosen = {key: value for key, value in values.items() if key in Selection.model_fields}
    rest = {key: value for key, value in values.items() if key not in chosen}
    if "normalise" in body:
        rest["normalise"] = body["normalise"]
    known = [*Selection.model_fields, *stage.model().model_fields]
    selection = _validated(reading, at, Selection, chosen, known)
    parameters = _validated(reading, at, stage.model(), rest, known)
    if selection is None or parameters is None:
        return None
    return SourceSpec(
        name=str(at[1]), stage=stage, selection=selection, parameters=_values(parameters, reading.path)
    )


def _steps(reading: _Reading, key: str, value: Any, sources: Sequence[SourceSpec]) -> Iterator[StepSpec]:
    stages = {stage.name: (stage,) for stage in STAGES if stage.shape != "source"} | TOGETHER
    at: Location = (key,)
    kind = value.get("stage", key) if isinstance(value, Mapping) else key
    if kind not in stages or not _is_name(key):
        reading.unknown(at if kind == key else (key, "stage"), stages) if kind == key else reading.fault(
            (key, "stage"), f"unknown stage {kind!r}{nearest(str(kind), stages)}"
        )
        return
    origin: tuple[str, ...] = ()
    if isinstance(value, Mapping):
        origin = tuple(_listed_names(value.get("from")))
        value = {k: v for k, v in value.items() if k not in {"stage", "from"}}
    chosen = stages[kind]
    for stage in chosen:
        name = stage.name if key == kind else key if len(chosen) == 1 else f"{key}-{stage.name}"
        if stage.name == "screen":
            yield from _screen(reading, key, name, stage, value, sources, origin)
            continue
        parameters = _parameters(reading, at, stage, value, chosen)
        if parameters is not None:
            yield StepSpec(name=name, key=key, stage=stage, parameters=parameters, origin=origin)


def _parameters(
    reading: _Reading, at: Location, stage: Stage, value: Any, together: Sequence[Stage]
) -> dict[str, Any] | None:
    if stage.whole:
        value = {stage.whole: value}
    elif value is None:
        value = {}
    if not isinstance(value, Mapping):
        reading.fault(at, f"{at[-1]}: got {value!r}, wanted a mapping")
        return None
    known = {name for member in together for name in member.model().model_fields}
    mine = {k: v for k, v in value.items() if k in stage.model().model_fields or k not in known}
    model = _validated(reading, at, stage.model(), mine, known, whole=stage.whole)
    if model is None:
        return None
    values = _values(model, reading.path)
    for name, file in values.items():
        if isinstance(file, Path) and not file.is_file():
            reading.fault((*at, name), f"{at[-1]}.{name}: no file {str(mine[name])!r} beside the manifest")
    return values


def _screen(
    reading: _Reading,
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
    rules = {part: _rules(reading, (key, part), value.get(part)) for part in names}
    parameters = {spec.name: {"rules": [*rules[EVERY], *rules[spec.name]]} for spec in sources}
    yield StepSpec(name=name, key=key, stage=stage, parameters=parameters, by_source=True, origin=origin)


def _rules(reading: _Reading, at: Location, value: Any) -> list[dict[str, Any]]:
    """Read rule sets by name and thresholds in place."""
    if value is None:
        return []
    if not isinstance(value, list):
        reading.fault(at, f"{at[-1]}: got {value!r}, wanted a list of rule sets and thresholds")
        return []
    found: list[dict[str, Any]] = []
    for index, item in enumerate(value):
        if isinstance(item, str):
            found += _rule_set(reading, (*at, index), item)
        else:
            model = _validated(reading, (*at, index), _OneThreshold, {"rule": item}, _BOUNDS, whole="rule")
            found += [] if model is None else [model.model_dump()["rule"]]
    return found


_BOUNDS: Final = tuple(
    field.alias or name for name, field in Threshold.model_fields.items() if name != "signal"
)


class _OneThreshold(BaseModel):
    rule: Annotated[Threshold, BeforeValidator(from_short)]


def _rule_set(reading: _Reading, at: Location, name: str) -> list[dict[str, Any]]:
    shipped = {path.stem: path for path in sorted(RULES_FOLDER.glob("*.yaml"))}
    own = reading.path.resolve().parent / name
    path = own if name.endswith((".yaml", ".yml")) and own.is_file() else shipped.get(name)
    if path is None:
        reading.fault(
            at, f"unknown rule set {name!r}{nearest(name, shipped)}; or a .yaml file beside the manifest"
        )
        return []
    inner = _Reading(path=path, tree=_parse(path))
    rules = _rules(inner, ("rules",), inner.tree.get("rules"))
    for line, message in inner.faults:
        reading.fault(at, f"rule set {name!r}, line {line}: {message}")
    return rules


def _validated(
    reading: _Reading,
    at: Location,
    model: type[M],
    values: Mapping[str, Any],
    known: Iterable[str],
    *,
    whole: str | None = None,
) -> M | None:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            place = tuple(part for part in fault["loc"] if isinstance(part, (str, int)))
            inside = place[1:] if whole and place[:1] == (whole,) else place
            if fault["type"] == "extra_forbidden":
                reading.unknown((*at, *inside), known or [])
            else:
                label = ".".join(str(part) for part in (*at, *inside))
                got = "" if fault["type"] == "missing" else f", got {fault['input']!r}"
                said = fault["msg"].removeprefix("Value error, ")
                reading.fault((*at, *inside), f"{label}: {said[:1].lower()}{said[1:]}{got}")
    return None


def _values(model: BaseModel, path: Path) -> dict[str, Any]:
    """Give parameters as plain values, files by their absolute path."""
    return {name: _rooted(value, path.resolve().parent) for name, value in model.model_dump().items()}


def _rooted(value: Any, root: Path) -> Any:
    return root / value if isinstance(value, Path) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _check_signals(reading: _Reading, steps: Sequence[StepSpec]) -> None:
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
    for step in steps:
        if step.stage.name != "screen":
            continue
        rules = {rule["signal"]: rule for mine in step.parameters.values() for rule in mine["rules"]}
        for signal, rule in rules.items():
            if signal not in types:
                reading.fault(
                    (step.key,), f"{step.key}: no family measures {signal!r}{nearest(signal, types)}"
                )
            elif _is_text(types[signal]) != (rule["one_of"] is not None):
                wanted = "in: [...]" if _is_text(types[signal]) else "min or max"
                reading.fault((step.key,), f"{step.key}: {signal!r} is {types[signal]}, wanted {wanted}")


def _check_origins(reading: _Reading, steps: Sequence[StepSpec]) -> None:
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


def _check_reads(reading: _Reading, steps: Sequence[StepSpec]) -> None:
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


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.replace("-", "").replace("_", "").isalnum()


def _listed_names(value: object) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else [str(item) for item in value]  # type: ignore[attr-defined]
