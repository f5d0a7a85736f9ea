"""Prepare the manifest's `measure`: put in what a rule set needs, and find the files that families name."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kakehi.filters.signals import find_family
from kakehi.pipeline.manifest.yaml_tree import Location, YamlFile


def with_needs(items: object, needs: Callable[[str], Sequence[Any] | None]) -> object:
    """Put what rule sets measure where their names stand: once each, and as the manifest has it where it does.

    Args:
        items: the manifest's list.
        needs: gives what a rule set of that name measures, or None if the name is no rule set's.
    """
    if not isinstance(items, list):
        return items
    sets = [needs(item) if isinstance(item, str) else None for item in items]
    own = [_name(item) for item, named in zip(items, sets, strict=True) if named is None]
    every: list[Any] = []
    for item, named in zip(items, sets, strict=True):
        if named is None:
            every.append(item)
        else:
            every += [other for other in named if _name(other) not in own and other not in every]
    return every


def _name(item: object) -> object:
    """Name an item of the list: itself, or its one key."""
    return next(iter(item), None) if isinstance(item, Mapping) else item


def with_files(
    reading: YamlFile, at: Location, families: Sequence[Mapping[str, Any]], root: Path
) -> list[dict[str, Any]]:
    """Give families with every file they name as a path that is there, patterns as the files they fit.

    Files are read once here: what is wrong with a list shows before anything runs.
    """
    return [
        {**spec, "parameters": _located(reading, (*at, index), spec, root)}
        for index, spec in enumerate(families)
    ]


def _located(reading: YamlFile, at: Location, spec: Mapping[str, Any], root: Path) -> dict[str, Any]:
    family, parameters = find_family(spec["family"]), dict(spec["parameters"])
    if not family.files:
        return parameters
    try:
        for name in family.files:
            parameters[name] = _files(parameters[name], family.locate, root)
        family.check(**parameters)
    except (OSError, ValueError) as error:
        reading.fault(at, f"measure: {spec['name']}: {error}")
    return parameters


def _files(value: Any, locate: Callable[[Path], Path], root: Path) -> Any:
    """Root every path of a parameter, whatever holds it."""
    if isinstance(value, Mapping):
        return {key: _files(item, locate, root) for key, item in value.items()}
    if isinstance(value, (list, Path)):
        named = [value] if isinstance(value, Path) else value
        return [path for name in named for path in _matches(locate(name), root)]
    return value


def _matches(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files a name or pattern fits, sorted."""
    found = sorted(Path(name) for name in glob.glob(str(path), root_dir=root, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
    if not found:
        raise ValueError(f"no file {str(path)!r} beside the manifest")
    for file in found:
        if not (root / file).is_file():
            raise ValueError(f"{str(file)!r} is no file")
        yield root / file
