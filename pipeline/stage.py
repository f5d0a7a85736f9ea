"""What a stage is: a plain function and a record of what it reads and writes.

Shapes:
    fetch   (Fetch, **parameters) -> Counts, WARC files beside it
    source  (Split, **parameters) -> Iterator[Rows]
    rows    (RecordBatch, *artifacts, **parameters) -> RecordBatch of as many rows
    corpus  (Inputs, out: Path, Engine, **parameters) -> Counts

Parameters are the function's keyword-only arguments, validated from their annotations.
"""

from __future__ import annotations

import inspect
import os
import shutil
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, create_model

from kakehi.pipeline.engines.resources import Promise, Volume
from kakehi.pipeline.storage.schemas import Table
from kakehi.pipeline.storage.shards import InputFile, Shard
from kakehi.pipeline.walltime import Walltime

Counts = dict[str, int]

#: A parameter of this type names a file; its content, not its path, decides the address.
FilePath = Annotated[Path, "file"]


def listed(value: object) -> object:
    """Let one string stand for a list of it, before a parameter is validated."""
    return [value] if isinstance(value, str) else value


class Rows(NamedTuple):
    """What a source stage yields: rows of documents, rows of rejects, and rejects that are only counted."""

    documents: pa.RecordBatch
    rejects: pa.RecordBatch
    counts: Counts


def _unwatched(offset: int) -> None:
    """Nobody asks where this reader is."""


class Split(NamedTuple):
    """A readable piece of input.

    Args:
        source: name in the manifest.
        file: the input file, or None for a dataset.
        spec: what names the dataset, else empty.
        limit: records to read at most, or None.
        skip: offsets of records that the manifest leaves out.
        reached: told the offset of every record before it is looked at.
    """

    source: str
    file: InputFile | None
    spec: Mapping[str, Any]
    limit: int | None
    skip: frozenset[int] = frozenset()
    reached: Callable[[int], None] = _unwatched

    @property
    def name(self) -> str:
        """The input's name, as `documents.input` has it."""
        return self.file.name if self.file else str(self.spec.get("dataset"))


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """One piece of what a source fetches, for a stage that fills WARC files before anything is read.

    It runs in the command's own process: a rate is kept towards a server by whoever sends all requests.

    Args:
        piece: what is fetched, and the name of all that is written: its `files` are read, its `limit` is of records.
        home: folder that outlives a kill, for what is done so far; removed once the piece is published.
        out: folder of this attempt; what lies there at the end is published (`output` names files in it).
        time_left: asked before each part that takes long; where it does not allow, raise `OutOfTimeError`.
        tell: says in a few words how far it is, as often as it likes.
    """

    piece: Shard
    home: Path
    out: Path
    time_left: Walltime
    tell: Callable[[str], None]

    def output(self, name: str) -> Path:
        """Where an output of the piece goes: `00000.warc.gz`, `ledger.parquet`; `.warc.gz` is what `extract` reads."""
        path = self.out / self.piece.source / f"{self.piece.name}.{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def lay_out(self, path: Path, name: str) -> None:
        """Make a finished file at home an output: by one more name, else by a copy. Moved, a kill would lose it."""
        target = self.output(name)
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage: its function, what it reads and writes, and what decides its bytes.

    Args:
        run: the function.
        shape: how it is called.
        reads: tables it reads, `verdict` standing for every verdict decided before it.
        writes: the table it writes.
        version: rises when the meaning of the output changes.
        libraries: distributions whose behaviour decides the bytes, or a function of the parameters.
        columns: columns of `documents` it reads, or a function of the parameters.
        whole: the parameter that takes the manifest's value as a whole.
        optional: tables it reads where a step writes them.
        summary: whether it reads the receipts of every step before it.
        only_with: parameter without which it is left out of a key that stands for several stages.
        promise: says before a corpus step starts what it will take of disk and memory.
        foretell: says in a line of the plan what its parameters will do.
        aside: parameters that say how something is fetched, never what: in no address.
        pieces: the pieces that a fetching stage's parameters ask for, as (parameters, source, manifest's folder, limit).
        cost: says in lines of the plan what fetching a piece will take.
        told: says what a fetching stage knows of a document, as (folder of its outputs, piece, row of the document).
        kernels: names in `pipeline.kernels.KERNELS` of what its tasks run, or a function of the parameters.
    """

    run: Callable[..., Any]
    shape: Literal["fetch", "source", "rows", "corpus"]
    writes: Table | None
    version: int
    reads: tuple[Table, ...] = ()
    libraries: tuple[str, ...] | Callable[[Mapping[str, Any]], tuple[str, ...]] = ()
    columns: tuple[str, ...] | Callable[[Mapping[str, Any]], tuple[str, ...]] = ()
    whole: str | None = None
    optional: tuple[Table, ...] = ()
    summary: bool = False
    only_with: str | None = None
    promise: Callable[[Volume], Promise] | None = None
    foretell: Callable[[Mapping[str, Any]], str] | None = None
    aside: tuple[str, ...] = ()
    pieces: Callable[[Mapping[str, Any], str, Path, int | None], list[Shard]] | None = None
    cost: Callable[[Shard, Mapping[str, Any]], Iterator[str]] | None = None
    told: Callable[[Path, Shard, Mapping[str, Any]], Iterator[str]] | None = None
    kernels: tuple[str, ...] | Callable[[Mapping[str, Any]], tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """The function's name, which is the manifest's key."""
        return self.run.__name__

    def libraries_for(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the libraries that decide the bytes under these parameters."""
        return self.libraries(parameters) if callable(self.libraries) else self.libraries

    def columns_for(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the columns of `documents` read under these parameters."""
        return self.columns(parameters) if callable(self.columns) else self.columns

    def kernels_for(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the kernels that tasks run under these parameters."""
        return self.kernels(parameters) if callable(self.kernels) else self.kernels

    def model(self) -> type[BaseModel]:
        """Build the pydantic model of the parameters: unknown keys are errors, defaults are filled in."""
        return parameter_model(self.run)


@cache
def parameter_model(run: Callable[..., Any]) -> type[BaseModel]:
    """Build a pydantic model from a function's keyword-only arguments."""
    hints = typing.get_type_hints(run, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if argument.default is inspect.Parameter.empty else argument.default)
        for name, argument in inspect.signature(run).parameters.items()
        if argument.kind is inspect.Parameter.KEYWORD_ONLY
    }
    config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=(), validate_default=True)
    return create_model(run.__name__, __config__=config, **fields)


SourceStage = Callable[..., Iterator[Rows]]
