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
from kakehi.pipeline.errors import ContractError, EngineError
from kakehi.pipeline.stages.stage import Stage, parameter_model
from kakehi.pipeline.storage.addresses import digest


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
    # One object for all families, by which `script` knows what it has counted.
    read = {name: batch.column(name) for name in batch.schema.names}
    for spec in families:
        family = find_family(spec.family)
        arrays = _measured(spec, family, read)
        for signal, array in zip(family.signals, arrays, strict=True):
            name = spec.column(signal.name)
            if array.type != signal.dtype or len(array) != batch.num_rows:
                raise ContractError(
                    f"family {spec.family!r}: signal {signal.name!r} is {array.type}[{len(array)}],"
                    f" wanted {signal.dtype}[{batch.num_rows}]",
                    hint=_MEND,
                )
            if name in columns:
                raise ContractError(f"family {spec.family!r}: a second signal is named {name!r}")
            columns[name] = array
    return pa.RecordBatch.from_pydict(columns)


def _measured(spec: FamilySpec, family: Family, read: dict[str, pa.Array]) -> tuple[pa.Array, ...]:
    try:
        arrays = family.measure(*(read[name] for name in family.reads), **spec.parameters)
    except MemoryError:
        raise  # it is not the family's fault alone, and has a way out of its own
    except Exception as error:  # the seam to a user's own code: whatever it raises, its name must be told
        raise EngineError(f"family {spec.family!r}: {type(error).__name__}: {error}", hint=_MEND) from error
    if not isinstance(arrays, tuple) or len(arrays) != len(family.signals):
        raise ContractError(
            f"family {spec.family!r}: got {f'{len(arrays)} arrays' if isinstance(arrays, tuple) else repr(arrays)},"
            f" wanted a tuple of one array for each of {', '.join(signal.name for signal in family.signals)}",
            hint=_MEND,
        )
    return arrays


_MEND = "mend the family and run again: its source is part of the address"


def signal_types(families: list[FamilySpec]) -> dict[str, pa.DataType]:
    """List the signals that families give, with their types."""
    return {
        spec.column(signal.name): signal.dtype
        for spec in families
        for signal in find_family(spec.family).signals
    }


def _family(name: str) -> Family:
    """Find a family; whatever a user's own module raises on import becomes a fault of the manifest."""
    try:
        return find_family(name)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"family {name!r} can't be imported: {type(error).__name__}: {error}") from error


def _known(name: object) -> bool:
    try:
        _family(str(name))
    except ValueError:
        return False
    return True


def _filled(name: str, family: str, parameters: object) -> dict[str, Any]:
    found = _family(family)
    model = parameter_model(found.measure)
    if not isinstance(parameters, Mapping):
        raise ValueError(f"family {family!r}: got {parameters!r}, wanted a mapping of its parameters")  # noqa: TRY004 - pydantic takes ValueError
    if unknown := sorted(parameters.keys() - model.model_fields.keys()):
        known = ", ".join(model.model_fields) or "none"
        raise ValueError(f"family {family!r}: unknown parameter {unknown[0]!r}; known: {known}")
    filled = model(**parameters).model_dump()
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


def _kernels(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for spec in parameters["families"] for name in find_family(spec["family"]).kernels)


STAGE = Stage(
    run=measure,
    shape="rows",
    reads=("documents",),
    writes="signals",
    version=1,
    libraries=_libraries,
    columns=_reads,
    whole="families",
    kernels=_kernels,
)
