"""Read rules: sets by name, sets with something changed, and thresholds in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator

import kakehi
from kakehi.filters.signals import FAMILIES
from kakehi.pipeline.errors import nearest
from kakehi.pipeline.manifest.yaml_tree import Location, YamlFile, parse, validated
from kakehi.pipeline.stages.screen import Threshold, from_short

FOLDER: Final = Path(str(kakehi.__file__)).resolve().parent / "manifests" / "rules"

_BOUNDS: Final = tuple(
    field.alias or name for name, field in Threshold.model_fields.items() if name != "signal"
)


def read_rules(reading: YamlFile, at: Location, value: Any) -> list[dict[str, Any]]:
    """Read a list of rules as the manifest has it, with every default; faults are left with the reading.

    An item is a rule set's name, `{name: {signal: bounds, other: null}}` for a set with bounds changed and rules taken
    out, or a threshold.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        reading.fault(at, f"{at[-1]}: got {value!r}, wanted a list of rule sets and thresholds")
        return []
    found: list[dict[str, Any]] = []
    for index, item in enumerate(value):
        place = (*at, index)
        if isinstance(item, str):
            found += _rule_set(reading, place, item)
        elif (name := _set_named(reading, item)) is not None:
            rules = _rule_set(reading, place, name)
            found += changed(reading, (*place, name), rules, item[name]) if rules else []
        else:
            found += _threshold(reading, place, item)
    return found


def _set_named(reading: YamlFile, item: object) -> str | None:
    """Name the rule set that `{name: changes}` is of: one there is, or one whose changes are those of signals."""
    if not (isinstance(item, Mapping) and len(item) == 1):
        return None
    [(name, changes)] = item.items()
    of_signals = isinstance(changes, Mapping) and all(
        v is None or isinstance(v, Mapping) for v in changes.values()
    )
    looks_so = of_signals and bool(changes) and not changes.keys() & set(_BOUNDS)
    return str(name) if looks_so or rule_file(reading, str(name)) else None


def rule_file(reading: YamlFile, name: str) -> Path | None:
    """Find a rule set's file: one beside the manifest, or one that is shipped."""
    own = reading.path.resolve().parent / name
    return own if name.endswith((".yaml", ".yml")) and own.is_file() else shipped().get(name)


def shipped() -> dict[str, Path]:
    """List the rule sets that kakehi brings."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def needs_of(reading: YamlFile, name: str) -> list[Any] | None:
    """List the families that a rule set needs; None for a name that is no rule set's."""
    path = None if name in FAMILIES else rule_file(reading, name)
    return None if path is None else list(parse(path).get("measure") or [])


class _OneThreshold(BaseModel):
    rule: Annotated[Threshold, BeforeValidator(from_short)]


def _threshold(reading: YamlFile, at: Location, item: Any) -> Iterator[dict[str, Any]]:
    model = validated(reading, at, _OneThreshold, {"rule": item}, _BOUNDS, whole="rule")
    if model is not None:
        yield model.model_dump()["rule"]


def _rule_set(reading: YamlFile, at: Location, name: str) -> list[dict[str, Any]]:
    path = rule_file(reading, name)
    if path is None:
        said = f"unknown rule set {name!r}{nearest(name, shipped())}; or a .yaml file beside the manifest"
        reading.fault(at, said)
        return []
    inner = YamlFile(path=path, tree=parse(path))
    rules = read_rules(inner, ("rules",), inner.tree.get("rules"))
    for line, message in inner.faults:
        reading.fault(at, f"rule set {name!r}, line {line}: {message}")
    return rules


def changed(
    reading: YamlFile, at: Location, rules: list[dict[str, Any]], changes: object
) -> list[dict[str, Any]]:
    """Change bounds of a set's rules, or take rules out; what is changed must be there."""
    if not isinstance(changes, Mapping):
        reading.fault(at, f"{at[-1]}: got {changes!r}, wanted signals with their new bounds, or null")
        return rules
    signals = list(dict.fromkeys(rule["signal"] for rule in rules))
    for signal, bounds in changes.items():
        if signal not in signals:
            reading.fault(at, f"{at[-1]}: has no rule on {signal!r}{nearest(str(signal), signals)}")
            continue
        mine = [rule for rule in rules if rule["signal"] == signal]
        changed = [] if bounds is None else _merged(reading, (*at, signal), mine, bounds)
        first = rules.index(mine[0])
        rules = [rule for rule in rules if rule["signal"] != signal]
        rules[first:first] = changed
    return rules


def _merged(
    reading: YamlFile, at: Location, rules: list[dict[str, Any]], bounds: Any
) -> list[dict[str, Any]]:
    """Make one rule of a signal's rules and what is said anew; the new bound wins, null takes one away."""
    if not isinstance(bounds, Mapping):
        reading.fault(at, f"{at[-1]}: got {bounds!r}, wanted bounds, or null to take the rule out")
        return rules
    merged: dict[str, Any] = {}
    for rule in rules:
        merged |= {_alias(name): value for name, value in rule.items() if value is not None}
    merged |= bounds
    kept = {name: value for name, value in merged.items() if value is not None}
    return list(_threshold(reading, at, kept))


def _alias(name: str) -> str:
    return Threshold.model_fields[name].alias or name
