"""Decide what has to run, and why. Pure: what is on disk comes in as `Receipts`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from kakehi.pipeline.manifest.model import Manifest, SourceSpec, StepSpec
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.addresses import Recipe, address, differences, versions
from kakehi.pipeline.storage.schemas import Table
from kakehi.pipeline.storage.shards import Shard


class Receipts(Protocol):
    """What is known of earlier runs."""

    def missing(self, step: str, address: str, source: str | None, shard: str | None) -> str | None:
        """Say why an output is not there or not whole, or None where it is."""
        ...

    def recipes(self, step: str, source: str | None) -> Sequence[Recipe]:
        """List earlier recipes of a step, the newest first."""
        ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stage on given inputs, with its address and what of it has to run.

    Args:
        name: of the step.
        stage: what runs.
        source: for fetching, source and row-wise steps, else None.
        address: where its output lies.
        recipe: what decides the address.
        parameters: filled in.
        upstream: table to the steps that wrote it, sources' own first.
        shards: all of the step's, in order.
        todo: those that have to run; for a corpus step all of them, or none.
        reason: in words.
    """

    name: str
    stage: Stage
    source: str | None
    address: str
    recipe: Recipe
    parameters: Mapping[str, Any]
    upstream: Mapping[Table, tuple[Step, ...]]
    shards: tuple[Shard, ...]
    todo: tuple[Shard, ...]
    reason: str

    @property
    def action(self) -> Literal["run", "skip"]:
        """Whether there is anything to do."""
        return "run" if self.todo or (self.stage.shape == "corpus" and self.reason) else "skip"


def plan(
    manifest: Manifest,
    shards: Mapping[str, Sequence[Shard]],
    receipts: Receipts,
    *,
    file_digest: Callable[[Any], str],
    until: str | None = None,
    fetched: Sequence[Step] = (),
) -> list[Step]:
    """List the steps in order, with what has to run and why.

    Args:
        manifest: checked and filled in.
        shards: of every source.
        receipts: of earlier runs.
        file_digest: sha256 of a file that a parameter names.
        until: last step (or stage) to plan, or None for all.
        fetched: steps that filled sources' files (`fetch_steps`), all done.
    """
    every = tuple(shard for source in manifest.sources for shard in shards[source.name])
    made: list[Step] = list(fetched)
    sources = {
        source.name: _source_step(source, tuple(shards[source.name]), receipts) for source in manifest.sources
    }
    made += sources.values()
    for spec in _until(manifest, until):
        upstream = manifest.upstream(spec)
        if spec.stage.shape == "rows":
            for name, origin in sources.items():
                inputs = {"documents": (origin,), **_found(made, upstream, name)}
                before = [step for steps in inputs.values() for step in steps]
                made.append(_step(spec, name, inputs, origin.shards, receipts, file_digest, before))
        else:
            inputs = {"documents": tuple(sources.values()), **_found(made, upstream, None)}
            before = made if spec.stage.summary else [step for steps in inputs.values() for step in steps]
            made.append(_step(spec, None, inputs, every, receipts, file_digest, before))
    return made


def fetch_steps(
    manifest: Manifest,
    shards: Mapping[str, Sequence[Shard]],
    receipts: Receipts,
    *,
    file_digest: Callable[[Any], str],
) -> list[Step]:
    """List the steps that fetch, one for each source that has one: the rest is planned by what they bring.

    Args:
        manifest: checked and filled in.
        shards: of every source that fetches.
        receipts: of earlier runs.
        file_digest: sha256 of a file that a parameter names.
    """
    made = []
    for source in manifest.sources:
        spec = source.fetch
        if spec is None:
            continue
        what = _deciding(spec.stage, spec.parameters)
        recipe = {
            "step": spec.name,
            "source": source.name,
            "version": spec.stage.version,
            "params": {key: _by_content(value, file_digest) for key, value in what.items()},
            "libraries": versions(spec.stage.libraries_for(spec.parameters)),
            "upstream": {},
        }
        mine = tuple(shards[source.name])
        made.append(_decided(spec.name, spec.stage, source.name, recipe, spec.parameters, {}, mine, receipts))
    return made


def waiting(steps: Sequence[Step]) -> list[str]:
    """Name the sources whose fetching all else of a plan waits for: it is planned by what they bring."""
    if any(step.stage.shape != "fetch" for step in steps):
        return []
    return [str(step.source) for step in steps if step.action == "run"]


def known_steps(manifest: Manifest) -> list[str]:
    """Names that `until` may take."""
    names = [*fetching_steps(manifest), *(source.stage.name for source in manifest.sources)]
    return list(dict.fromkeys([*names, *(name for spec in manifest.steps for name in (spec.key, spec.name))]))


def fetching_steps(manifest: Manifest) -> list[str]:
    """Names of the steps that fetch."""
    return [source.fetch.name for source in manifest.sources if source.fetch]


def _until(manifest: Manifest, until: str | None) -> list[StepSpec]:
    if until is None:
        return list(manifest.steps)
    last = [index for index, spec in enumerate(manifest.steps) if until in {spec.name, spec.key}]
    return list(manifest.steps[: last[-1] + 1]) if last else []


def _source_step(source: SourceSpec, shards: tuple[Shard, ...], receipts: Receipts) -> Step:
    recipe = {
        "step": source.stage.name,
        "source": source.name,
        "version": source.stage.version,
        "params": _deciding(source.stage, source.parameters),
        "libraries": versions(source.stage.libraries_for(source.parameters)),
        "upstream": {},
    }
    return _decided(
        source.stage.name, source.stage, source.name, recipe, source.parameters, {}, shards, receipts
    )


def _deciding(stage: Stage, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is in no address."""
    unsaid = {name: stage.model().model_fields[name].default for name in stage.added}
    return {
        key: value
        for key, value in parameters.items()
        if key not in stage.aside and not (key in unsaid and value == unsaid[key])
    }


def _step(
    spec: StepSpec,
    source: str | None,
    inputs: Mapping[Table, tuple[Step, ...]],
    shards: tuple[Shard, ...],
    receipts: Receipts,
    file_digest: Callable[[Any], str],
    before: Sequence[Step],
) -> Step:
    parameters = spec.parameters_for(source)
    recipe: Recipe = {
        "step": spec.name,
        "stage": spec.stage.name,
        "source": source,
        "version": spec.stage.version,
        "params": {
            key: _by_content(value, file_digest) for key, value in _deciding(spec.stage, parameters).items()
        },
        "libraries": versions(spec.stage.libraries_for(parameters)),
        "upstream": {
            f"{step.name} {step.source}" if step.source and source is None else step.name: step.address
            for step in before
        },
    }
    if spec.stage.shape == "corpus":
        recipe["shards"] = [f"{shard.source}/{shard.name}" for shard in shards]
    return _decided(spec.name, spec.stage, source, recipe, parameters, inputs, shards, receipts)


def _decided(
    name: str,
    stage: Stage,
    source: str | None,
    recipe: Recipe,
    parameters: Mapping[str, Any],
    upstream: Mapping[Table, tuple[Step, ...]],
    shards: tuple[Shard, ...],
    receipts: Receipts,
) -> Step:
    where = address(recipe)
    if stage.shape == "corpus":
        lack = receipts.missing(name, where, None, None)
        todo = shards if lack else ()
        reason = _why(name, None, recipe, lack, receipts) if lack else ""
    else:
        lacks = {shard: receipts.missing(name, where, source, shard.name) for shard in shards}
        todo = tuple(shard for shard in shards if lacks[shard])
        reason = (
            _why_rows(name, source, recipe, [lacks[s] for s in todo], len(shards), receipts) if todo else ""
        )
    return Step(
        name=name,
        stage=stage,
        source=source,
        address=where,
        recipe=recipe,
        parameters=parameters,
        upstream=upstream,
        shards=shards,
        todo=todo,
        reason=reason,
    )


def _found(
    made: Sequence[Step], upstream: Mapping[Table, tuple[StepSpec, ...]], source: str | None
) -> dict[Table, tuple[Step, ...]]:
    """Pick the planned steps that a spec's upstream names: a row-wise step reads its own source's rows."""
    return {
        table: tuple(
            step
            for spec in specs
            for step in made
            if step.name == spec.name and (source is None or step.source in {None, source})
        )
        for table, specs in upstream.items()
    }


NOT_YET = "not made yet"


def _why(name: str, source: str | None, recipe: Recipe, lack: str | None, receipts: Receipts) -> str:
    if lack != NOT_YET:
        return str(lack)
    earlier = [old for old in receipts.recipes(name, source) if address(old) != address(recipe)]
    if not earlier:
        return "first run"
    return "; ".join(differences(earlier[0], recipe)) or "first run"


def _why_rows(
    name: str, source: str | None, recipe: Recipe, lacks: Sequence[str | None], total: int, receipts: Receipts
) -> str:
    broken = [lack for lack in lacks if lack != NOT_YET]
    if broken:
        return f"{broken[0]}" + (f" (and {len(broken) - 1} more)" if len(broken) > 1 else "")
    if any(address(old) == address(recipe) for old in receipts.recipes(name, source)):
        return f"{len(lacks)} of {total} shards new"
    return _why(name, source, recipe, NOT_YET, receipts)


def _by_content(value: Any, file_digest: Callable[[Any], str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _by_content(item, file_digest) for key, item in value.items()}
    if isinstance(value, list):
        return [_by_content(item, file_digest) for item in value]
    return {"sha256": file_digest(value)} if hasattr(value, "open") else value
