"""Read YAML with the line of every key, and collect all faults before any is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from kakehi.pipeline.bounded_yaml import read_yaml
from kakehi.pipeline.errors import ManifestError, nearest, shortened

Location = tuple[str | int, ...]

M = TypeVar("M", bound=BaseModel)


@dataclass(kw_only=True)
class YamlFile:
    """A file under reading: its tree, and the faults found so far with their lines."""

    path: Path
    tree: Any
    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, at: Location, message: str) -> None:
        """Note a fault at a place in the tree."""
        self.faults.append((self._line(at), shortened(message)))

    def unknown(self, at: Location, choices: Iterable[str]) -> None:
        """Note a key that is none of the choices."""
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


def parse(path: Path) -> Any:
    """Read a YAML mapping.

    Raises:
        ManifestError: the file can't be read or is no such thing.
    """
    tree = read_yaml(path, "rt")
    if not isinstance(tree, Mapping):
        raise ManifestError(
            f"{path}:1: got {'a list' if isinstance(tree, list) else type(tree).__name__}, wanted a mapping with corpus, sources and stages"
        )
    return tree


def validated(
    reading: YamlFile,
    at: Location,
    model: type[M],
    values: Mapping[str, Any],
    known: Iterable[str],
    *,
    whole: str | None = None,
) -> M | None:
    """Validate values against a model, or note every fault.

    Args:
        reading: takes the faults.
        at: where the values stand.
        model: to validate against.
        values: as read.
        known: names that a wrong key was perhaps meant to be.
        whole: the one key of `values` that does not stand in the file, or None.
    """
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


def is_name(value: object) -> bool:
    """Say whether a value may name a source or a step, and so a folder."""
    return isinstance(value, str) and bool(value) and value.replace("-", "").replace("_", "").isalnum()


def listed_names(value: object) -> list[str]:
    """Take one name or a list of names."""
    return [] if value is None else [value] if isinstance(value, str) else [str(item) for item in value]  # type: ignore[attr-defined]
