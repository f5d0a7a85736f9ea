"""Where a run happens: workers, memory, engine. Never part of an address."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kakehi.pipeline.errors import ManifestError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def _bytes(value: object) -> object:
    """Read `4GiB`, `512 MiB` or a plain number."""
    if not isinstance(value, str):
        return value
    number, unit = value.strip(), ""
    for suffix in ("iB", "B"):
        number = number.removesuffix(suffix)
    if number[-1:].upper() in _UNITS and number[-1:].isalpha():
        number, unit = number[:-1], number[-1:].upper()
    return float(number) * _UNITS[unit]


class Machine(BaseModel):
    """A machine file.

    Args:
        name: for messages.
        engine: `inline` runs one task after another in this process, `dask` on worker processes.
        workers: processes, each for one task at a time, or `cores` for one a core; `inline` has none.
        bytes_per_worker: memory one task may take, bytes or `4GiB`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = "laptop"
    engine: Literal["inline", "dask"] = "inline"
    workers: Annotated[int, Field(ge=1)] | Literal["cores"] = 1
    bytes_per_worker: Annotated[int, BeforeValidator(_bytes), Field(ge=256 << 20)] = 4 << 30


def load_machine(path: Path | None) -> Machine:
    """Read a machine file, or give the defaults.

    Raises:
        ManifestError: it can't be read, or says what a machine can't be.
    """
    if path is None:
        return Machine()
    try:
        return Machine.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ManifestError(f"{path}: can't be read ({error.strerror})") from error
    except YAMLError as error:
        raise ManifestError(f"{path}: is no YAML: {error}") from error
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}, got {fault['input']!r}"
            for fault in error.errors(include_url=False)
        ]
        raise ManifestError("\n".join(lines)) from error
