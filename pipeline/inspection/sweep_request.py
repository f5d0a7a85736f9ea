"""Read what a sweep is asked: whose rules, which bounds otherwise, which two sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.manifest.rule_sets import changed, read_rules
from kakehi.pipeline.manifest.yaml_tree import YamlFile
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.stages.screen import NUMBERS, Threshold

#: Stands for the rules of the manifest among sets that are compared.
MANIFEST: Final = "manifest"

Rules = tuple[Threshold, ...]


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """What is asked of the signals.

    Args:
        rules: of the manifest, by source.
        other: the same with bounds changed, or None.
        pair: two rule sets to compare, by source, or None.
        signals: whose curves are drawn.
        samples: documents of each corner.
    """

    rules: Mapping[str, Rules]
    other: Mapping[str, Rules] | None
    pair: tuple[Mapping[str, Rules], Mapping[str, Rules]] | None
    signals: tuple[str, ...]
    samples: int

    def columns(self, source: str) -> list[str]:
        """Name the signals that have to be read."""
        every = [self.rules, *([self.other] if self.other else []), *(self.pair or ())]
        named = [rule.signal for rules in every for rule in rules[source]]
        return list(dict.fromkeys([*named, *self.signals]))

    def bounds(self, signal: str) -> list[tuple[str, float]]:
        """List the bounds that the manifest's rules set a signal."""
        every = [
            (side, float(bound))
            for rules in self.rules.values()
            for rule in rules
            if rule.signal == signal
            for side, bound in rule.bounds().items()
            if side in NUMBERS
        ]
        return list(dict.fromkeys(every))


def read_request(
    steps: Sequence[Step],
    root: Path,
    *,
    changes: Sequence[str] = (),
    compare: tuple[str, str] | None = None,
    signals: Sequence[str] = (),
    samples: int = 3,
) -> SweepRequest:
    """Read what the command line asks for.

    Args:
        steps: of the plan.
        root: the manifest's path; rule sets of one's own lie beside it.
        changes: `SIGNAL.BOUND=VALUE`, VALUE a number or `null`.
        compare: two rule sets, or `manifest` for the manifest's own rules.
        signals: more signals to draw.
        samples: documents to show of each corner.

    Raises:
        ManifestError: what can't be asked, with what there is.
    """
    rules = {
        str(step.source): tuple(Threshold(**rule) for rule in step.parameters["rules"])
        for step in screens(steps)
    }
    bounded = [
        rule.signal
        for mine in rules.values()
        for rule in mine
        if any(side in NUMBERS for side in rule.bounds())
    ]
    pair = None if compare is None else (_set(root, compare[0], rules), _set(root, compare[1], rules))
    return SweepRequest(
        rules=rules,
        other=_with(root, rules, changes) if changes else None,
        pair=pair,
        signals=tuple(dict.fromkeys([*bounded, *signals])),
        samples=samples,
    )


def screens(steps: Sequence[Step]) -> list[Step]:
    """List the steps that screen, one a source.

    Raises:
        ManifestError: there is none.
    """
    found = [step for step in steps if step.stage.name == "screen"]
    if not found:
        raise ManifestError("sweep: the manifest has no screen", hint="screen: {all: []} will do")
    names = list(dict.fromkeys(step.name for step in found))
    return [step for step in found if step.name == names[0]]


def _set(root: Path, name: str, rules: Mapping[str, Rules]) -> Mapping[str, Rules]:
    """Give a rule set for every source."""
    if name == MANIFEST:
        return rules
    reading = YamlFile(path=root, tree={})
    read = tuple(Threshold(**rule) for rule in read_rules(reading, ("compare",), [name]))
    if reading.faults:
        raise ManifestError("\n".join(f"--compare: {message}" for _, message in reading.faults))
    return dict.fromkeys(rules, read)


def _with(root: Path, rules: Mapping[str, Rules], changes: Sequence[str]) -> Mapping[str, Rules]:
    """Change bounds as `SIGNAL.BOUND=VALUE` says, in the sources that have a rule on the signal; if none has, in all."""
    for change in changes:
        name, equals, value = change.partition("=")
        signal, dot, side = name.rpartition(".")
        if not (equals and dot and signal) or side not in NUMBERS:
            wanted = f"wanted SIGNAL.BOUND=VALUE with {', '.join(NUMBERS)}"
            raise ManifestError(f"--set: got {change!r}, {wanted}", hint="--set kana_share.min=0.15")
        bound = None if value == "null" else _number(value, change)
        bounded = {source for source, mine in rules.items() if any(rule.signal == signal for rule in mine)}
        if bound is None and not bounded:
            raise ManifestError(f"--set: got {change!r}, but no rule is on {signal!r}")
        rules = {
            source: _changed(root, mine, signal, {side: bound}) if source in bounded or not bounded else mine
            for source, mine in rules.items()
        }
    return rules


def _changed(root: Path, rules: Rules, signal: str, bounds: dict[str, float | None]) -> Rules:
    """Change one bound of one source's rules; a rule that would ask for nothing more is taken out."""
    plain = [rule.model_dump() for rule in rules]
    reading = YamlFile(path=root, tree={})
    mine = [rule for rule in rules if rule.signal == signal]
    request = {side for rule in mine for side in rule.bounds()}
    if not mine:
        plain += read_rules(reading, ("--set",), [{signal: bounds}])
    elif None in bounds.values() and request <= bounds.keys():
        plain = [rule for rule in plain if rule["signal"] != signal]
    else:
        plain = changed(reading, ("--set",), plain, {signal: bounds})
    if reading.faults:
        raise ManifestError("\n".join(message for _, message in reading.faults))
    return tuple(Threshold(**rule) for rule in plain)


def _number(value: str, change: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise ManifestError(f"--set: got {change!r}, wanted a number or null behind =") from error
