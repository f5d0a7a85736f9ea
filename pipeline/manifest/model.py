"""A manifest as the rest of the pipeline sees it: sources and steps, checked and filled in (`compiling` makes it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kakehi.pipeline.stages.catalogue import TOGETHER
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.schemas import Table


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
        allow_empty: whether the source may give no document; else that is an error.
        skip: what is left out: `FILE`, or `FILE@PLACE` for one record, both as errors and `explain` name them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    fetched: ClassVar[bool] = False
    files: Annotated[list[str], BeforeValidator(_listed)] = []
    shard_mb: Annotated[float, Field(gt=0)] = 1024.0
    dataset: str | None = None
    revision: str | None = None
    split: str = "train"
    config: str | None = None
    data_files: Annotated[list[str], BeforeValidator(_listed)] = []
    allow_empty: bool = False
    skip: Annotated[list[str], BeforeValidator(_listed)] = []

    @model_validator(mode="after")
    def _one_of_two(self) -> Selection:
        if self.fetched and (self.files or self.dataset):
            raise ValueError("wanted neither files nor dataset: it reads what is fetched")
        if not self.fetched and bool(self.files) == bool(self.dataset):
            raise ValueError("wanted either files or dataset")
        return self


class Fetched(Selection):
    """What a source reads that is fetched first: the WARC files that come of it."""

    fetched: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """A source of documents as the manifest has it; `fetch` is the step that fills its files, if one does."""

    name: str
    stage: Stage
    selection: Selection
    parameters: Mapping[str, Any]
    fetch: StepSpec | None = None


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


def writers_of(table: Table, before: Sequence[StepSpec], origin: tuple[str, ...]) -> tuple[StepSpec, ...]:
    """Find the steps that write a table: every verdict there is, else those that `from` names, else all."""
    writers = tuple(step for step in before if step.stage.writes == table)
    named = tuple(step for step in writers if {step.name, step.key} & set(origin))
    return writers if table == "verdict" or not named else named


def filled(manifest: Manifest) -> dict[str, Any]:
    """Write the manifest out with every default, as plain values."""
    sources = {
        source.name: {
            **({source.fetch.name: _plain(source.fetch.parameters)} if source.fetch else {}),
            source.stage.name: {
                **source.selection.model_dump(exclude_defaults=True),
                "shard_mb": source.selection.shard_mb,
                "allow_empty": source.selection.allow_empty,
                **_plain(source.parameters),
            },
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


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
