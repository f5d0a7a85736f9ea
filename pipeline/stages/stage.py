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
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, create_model

from kakehi.pipeline.engines.resources import Estimate, InputVolume
from kakehi.pipeline.storage.schemas import Table
from kakehi.pipeline.storage.shards import Shard

#: A parameter of this type names a file; its content, not its path, decides the address.
FilePath = Annotated[Path, "file"]

#: Where in a step's parameters something can't be as it is, and why.
Fault = tuple[tuple[str | int, ...], str]


class Asked(NamedTuple):
    """What a manifest asks of a step, as far as it could be read.

    Args:
        parameters: of the step, filled in.
        upstream: by table that it reads, the parameters of the steps that write it.
        sources: by name, the parameters of each; empty where they could not be read.
    """

    parameters: Mapping[str, Any]
    upstream: Mapping[Table, Sequence[Mapping[str, Any]]]
    sources: Mapping[str, Mapping[str, Any]]


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
        estimate: says before a corpus step starts what it will take of disk and memory.
        describe: says in a line of the plan what its parameters will do.
        aside: parameters that say how something is fetched or read, never what: in no address.
        added: parameters that came later: in no address while they say what was done before, their default.
        shards: the shards that a fetching stage's parameters ask for, as (parameters, source, manifest's folder, limit).
        cost: says in lines of the plan what fetching a shard will take.
        told: says what a fetching stage knows of a document, as (folder of its outputs, shard, row of the document).
        kernels: names in `pipeline/engines/kernels.py` of what its tasks run, or a function of the parameters.
        refuse: says what can never run though each parameter by itself could: told when the manifest is read.
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
    estimate: Callable[[InputVolume], Estimate] | None = None
    describe: Callable[[Mapping[str, Any]], str] | None = None
    aside: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    shards: Callable[[Mapping[str, Any], str, Path, int | None], list[Shard]] | None = None
    cost: Callable[[Shard, Mapping[str, Any]], Iterator[str]] | None = None
    told: Callable[[Path, Shard, Mapping[str, Any]], Iterator[str]] | None = None
    kernels: tuple[str, ...] | Callable[[Mapping[str, Any]], tuple[str, ...]] = ()
    refuse: Callable[[Asked], Iterator[Fault]] | None = None

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
