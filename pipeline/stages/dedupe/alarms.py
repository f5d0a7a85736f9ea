"""Alarms: sources of which duplicates take more than a stated share, as counts in receipts and as words. Pure.

Counts are `seen/SOURCE` (documents nothing objected to before), `left/SOURCE/OTHER` (those of them that leave for one of
another source, or of the same) and `alarm/SOURCE`, 1 where it rings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from kakehi.pipeline.stages.inputs import StepSummary

_SEEN: Final = "seen/"
_LEFT: Final = "left/"
_ALARM: Final = "alarm/"


class Alarm(BaseModel):
    """When the loss of a source is said loudly, and whether the run stops there.

    Args:
        share: of a source's documents that may leave; more rings. At 1 it never does.
        then: what follows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    share: Annotated[float, Field(ge=0, le=1)] = 0.8
    then: Literal["warn", "stop"] = "warn"


def from_short(value: object) -> object:
    """Read `alarm: 0.9` as `alarm: {share: 0.9}`."""
    return {"share": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


def raise_alarms(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """Count, by source, those that lose more than a share: `alarm/SOURCE: 1`."""
    seen = {key.removeprefix(_SEEN): number for key, number in counts.items() if key.startswith(_SEEN)}
    left = {source: sum(_left(counts, source).values()) for source in seen}
    return {f"{_ALARM}{source}": 1 for source, number in seen.items() if left[source] > share * number}


def describe_alarms(counts: Mapping[str, int]) -> list[str]:
    """Say of each source that rings how many of its documents leave, and for documents of which sources."""
    return [_said(counts, key.removeprefix(_ALARM)) for key in sorted(counts) if key.startswith(_ALARM)]


def raised_alarms(steps: Sequence[StepSummary]) -> list[str]:
    """Say what rings in the receipts of steps, each line with its step's name."""
    every = [(step.name, receipt.counts) for step in steps for receipt in step.receipts]
    return [f"{name}: {line}" for name, counts in every for line in describe_alarms(counts)]


def _said(counts: Mapping[str, int], source: str) -> str:
    seen, left = counts[f"{_SEEN}{source}"], _left(counts, source)
    total = sum(left.values())
    by = sorted(left.items(), key=lambda item: (-item[1], item[0]))
    whom = ", ".join(f"{number:,} for {'its own' if other == source else other}" for other, number in by)
    return f"source {source!r} loses {total:,} of {seen:,} documents ({100 * total / seen:.1f} %) to duplicates: {whom}"


def _left(counts: Mapping[str, int], source: str) -> dict[str, int]:
    prefix = f"{_LEFT}{source}/"
    return {key.removeprefix(prefix): number for key, number in counts.items() if key.startswith(prefix)}
