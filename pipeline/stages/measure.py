"""measure: documents to signals. A signal never drops and never sees a threshold."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict

from kakehi.filters.signals import find_family
from kakehi.filters.signals.family import Family
from kakehi.pipeline.addresses import digest
from kakehi.pipeline.errors import ContractError
from kakehi.pipeline.stage import Stage, parameter_model


class FamilySpec(BaseModel):
    """A family as the manifest asks for it.

    Args:
        name: of the instance; other than the family's own, it prefixes the signals' names.
        family: name in the catalogue, or `package.module:ATTRIBUTE` for a user's own.
        parameters: of the family, filled in.
        version: of the family, so that a changed meaning changes the address.
        digest: of the source file of a user's own family, else None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    family: str
    parameters: dict[str, Any] = {}
    version: int = 1
    digest: str | None = None

    def column(self, signal: str) -> str:
        """Name the column of one of the family's signals."""
        if self.name == self.family or ":" in self.name:
            return signal
        return self.name if len(find_family(self.family).signals) == 1 else f"{self.name}_{signal}"


def _spec(value: object) -> object:
    """Read `script`, `{script: {…}}` or `{ppl_wiki: {perplexity: {…}}}`."""
    if isinstance(value, str):
        return _filled(value, value, {})
    if isinstance(value, Mapping) and len(value) == 1:
        [(name, inner)] = value.items()
        if isinstance(inner, Mapping) and len(inner) == 1 and not _known(name):
            [(family, parameters)] = inner.items()
            return _filled(str(name), str(family), parameters or {})
        return _filled(str(name), str(name), inner or {})
    return value


def measure(
    batch: pa.RecordBatch, *, families: list[Annotated[FamilySpec, BeforeValidator(_spec)]]
) -> pa.RecordBatch:
    """Measure every signal of every family asked for.

    Args:
        batch: of the columns that the families read.
        families: in the order of their columns.
    """
    columns: dict[str, pa.Array] = {}
    for spec in families:
        family = find_family(spec.family)
        arrays = family.measure(*(batch.column(name) for name in family.reads), **spec.parameters)
        for signal, array in zip(family.signals, arrays, strict=True):
            name = spec.column(signal.name)
            if array.type != signal.dtype or len(array) != batch.num_rows:
                raise ContractError(
                    f"family {spec.family!r}: signal {signal.name!r} is {array.type}[{len(array)}],"
                    f" wanted {signal.dtype}[{batch.num_rows}]"
                )
            if name in columns:
                raise ContractError(f"family {spec.family!r}: a second signal is named {name!r}")
            columns[name] = array
    return pa.RecordBatch.from_pydict(columns)


def signal_types(families: list[FamilySpec]) -> dict[str, pa.DataType]:
    """List the signals that families give, with their types."""
    return {
        spec.column(signal.name): signal.dtype
        for spec in families
        for signal in find_family(spec.family).signals
    }


def _known(name: object) -> bool:
    try:
        find_family(str(name))
    except ValueError:
        return False
    return True


def _filled(name: str, family: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    found = find_family(family)
    filled = parameter_model(found.measure)(**parameters).model_dump()
    return {
        "name": name,
        "family": family,
        "parameters": filled,
        "version": found.version,
        "digest": _source_digest(found) if ":" in family else None,
    }


def _source_digest(family: Family) -> str:
    return digest(Path(inspect.getfile(inspect.unwrap(family.measure))).read_bytes())[:16]


def _reads(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    names = {name for spec in parameters["families"] for name in find_family(spec["family"]).reads}
    return tuple(sorted(names))


def _libraries(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for spec in parameters["families"] for name in find_family(spec["family"]).libraries)


STAGE = Stage(
    run=measure,
    shape="rows",
    reads=("documents",),
    writes="signals",
    version=1,
    libraries=_libraries,
    columns=_reads,
    whole="families",
)
