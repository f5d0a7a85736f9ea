"""What a step's output is called: a hash over everything that decides its bytes, and nothing else.

In: stage, version, filled parameters, versions of the libraries whose behaviour decides the bytes, upstream addresses.
Never in: engine, workers, machine, paths, partition counts.
"""

from __future__ import annotations

import hashlib
import json
import sys
import unicodedata
import zlib
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

Recipe = dict[str, Any]


def address(recipe: Mapping[str, Any]) -> str:
    """Hash a recipe of plain values to 16 hexadecimal digits."""
    return digest(canonical(recipe).encode())[:16]


def canonical(value: object) -> str:
    """Write plain values as JSON in one way only: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(content: bytes) -> str:
    """Give the sha256 of bytes as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Name the installed versions of distributions; `unicodedata`, `zlib` and `python` stand for the interpreter's."""
    return {name: _version(name) for name in sorted(set(distributions))}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say in words how two recipes of one step differ, the most telling first."""
    old, new = json.loads(canonical(old)), json.loads(canonical(new))  # a tuple is a list once it was written
    found: list[str] = []
    if old["version"] != new["version"]:
        found.append(f"stage version changed: {old['version']} → {new['version']}")
    found += [f"parameter changed: {line}" for line in _changes(old["params"], new["params"])]
    found += [f"library changed: {line}" for line in _changes(old["libraries"], new["libraries"])]
    if old["upstream"] != new["upstream"]:
        names = sorted(
            name
            for name in {**old["upstream"], **new["upstream"]}
            if old["upstream"].get(name) != new["upstream"].get(name)
        )
        found.append(f"upstream changed: {', '.join(names)}")
    if old.get("shards") != new.get("shards"):
        before, after = set(old.get("shards") or ()), set(new.get("shards") or ())
        found.append(f"shards changed: {len(after - before)} new, {len(before - after)} gone")
    return found


def _version(name: str) -> str:
    if name == "unicodedata":
        return unicodedata.unidata_version
    if name == "zlib":
        return zlib.ZLIB_RUNTIME_VERSION
    if name == "python":
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    return metadata.version(name)


def _changes(old: object, new: object, at: str = "") -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = sorted({*old, *new}, key=str)
        return [
            line
            for key in keys
            for line in _changes(old.get(key), new.get(key), f"{at}.{key}" if at else str(key))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for index, pair in enumerate(zip(old, new, strict=True))
            for line in _changes(*pair, f"{at}[{index}]")
        ]
    if isinstance(old, list) and isinstance(new, list):
        more = [_named(item) for item in new if item not in old]
        less = [_named(item) for item in old if item not in new]
        return [f"{at} " + ", ".join([*(f"+{name}" for name in more), *(f"−{name}" for name in less)])]
    return [] if old == new else [f"{at} {_shown(old)} → {_shown(new)}"]


def _named(item: object) -> str:
    """Name a list's item in a few words: a family or a rule by its name, all else as it is."""
    if isinstance(item, Mapping):
        return str(next((item[key] for key in ("name", "signal") if key in item), canonical(item)))
    return str(item)


def _shown(value: object) -> str:
    return "unset" if value is None else canonical(value) if isinstance(value, (dict, list)) else str(value)
