"""The funnel: the way from records to tokens, added up from the receipts of all steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kakehi.pipeline.columns import align_columns
from kakehi.pipeline.stages.inputs import StepSummary
from kakehi.pipeline.storage.store import merge


@dataclass(frozen=True, kw_only=True)
class FunnelRow:
    """One line of the funnel.

    Args:
        label: what it counts.
        documents: documents (records for the first lines), or None.
        characters: code points, or None where they are not known.
        kind: `total`, `reject`, `drop` or `tokens`.
    """

    label: str
    documents: int | None
    characters: int | None
    kind: str


def funnel(steps: Sequence[StepSummary]) -> list[FunnelRow]:
    """Add up the receipts of steps, in their order, to the way from records to tokens."""
    tables = {step.name: step.stage.writes for step in steps}
    totals = {
        name: merge(receipt.counts for step in steps if step.name == name for receipt in step.receipts)
        for name in tables
    }
    sources = merge(total for name, total in totals.items() if tables[name] == "documents")
    rows = [row for name, total in totals.items() if tables[name] == "warcs" for row in _fetched(name, total)]
    rows.append(_row("records in", sources.get("records", 0), None, "total"))
    rows += [
        _row(f"reject: {key.removeprefix('reject/')}", -value, None, "reject")
        for key, value in _sorted(sources, "reject/")
    ]
    left, characters = sources.get("documents", 0), sources.get("characters", 0)
    rows.append(_row("documents", left, characters, "total"))
    for step, total in totals.items():
        if tables[step] != "verdict":
            continue
        for name, documents in _verdicts(total):
            lost = total[f"verdict/{name}/characters"]
            rows.append(_row(f"drop: {name}", -documents, -lost, "drop"))
            left, characters = left - documents, characters - lost
    rows.append(_row("kept", left, characters, "total"))
    for step, total in totals.items():
        if tables[step] == "tokens":
            rows.append(_row(f"tokens ({step}, end marks counted)", total.get("tokens", 0), None, "tokens"))
    return rows


def _fetched(step: str, total: Mapping[str, int]) -> list[FunnelRow]:
    """Say what a step that fetches was to fetch, and what of it it did not get."""
    missing = [
        _row(f"missing: {key.removeprefix('missing/')}", -value, None, "reject")
        for key, value in _sorted(total, "missing/")
    ]
    return [_row(f"asked for ({step})", total.get("asked", 0), None, "total"), *missing]


def draw(rows: list[FunnelRow]) -> str:
    """Write the funnel as a table for a terminal."""
    told = [
        (
            f"  {row.label}" if row.kind in {"reject", "drop"} else row.label,
            _number(row.documents),
            _number(row.characters),
        )
        for row in rows
    ]
    # Labels are indented into the gap behind them, so that none is needed.
    widths = (2 + max(len(row.label) for row in rows), 12, 16)
    return "\n".join(align_columns([("", "documents", "characters"), *told], least=widths, gap=0))


def _verdicts(total: Mapping[str, int]) -> list[tuple[str, int]]:
    found = _sorted(total, "verdict/")
    ending = "/documents"
    return [
        (key.removeprefix("verdict/").removesuffix(ending), value)
        for key, value in found
        if key.endswith(ending)
    ]


def _row(label: str, documents: int | None, characters: int | None, kind: str) -> FunnelRow:
    return FunnelRow(label=label, documents=documents, characters=characters, kind=kind)


def _sorted(counts: Mapping[str, int], prefix: str) -> list[tuple[str, int]]:
    found = [(key, value) for key, value in counts.items() if key.startswith(prefix)]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
