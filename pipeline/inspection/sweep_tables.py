"""Write what a sweep found as tables: for a terminal, and as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kakehi.pipeline.columns import align_columns
from kakehi.pipeline.inspection.sweep import Corner, Samples, SweepResult, named_corners
from kakehi.pipeline.inspection.sweep_request import SweepRequest
from kakehi.pipeline.stages.report.examples import say_number
from kakehi.pipeline.stages.report.histogram import Bins

#: Percent of the documents that a curve's values are not exceeded by.
PERCENT: Final = (1, 5, 10, 25, 50, 75, 90, 95, 99)

#: Characters of a sample's text that are shown.
SHOWN: Final = 60


def draw_sweep(
    found: SweepResult, request: SweepRequest, compare: tuple[str, str] | None, samples: Samples
) -> Iterator[str]:
    """Yield lines for a terminal: what is kept, what each rule costs, the curves, and where two sets disagree."""
    yield from _kept(found)
    yield ""
    yield from _costs(found)
    yield ""
    yield from _curves(found, request)
    if compare is not None:
        yield ""
        yield from _corners(found, compare, samples)


def write_sweep(
    found: SweepResult, request: SweepRequest, samples: Samples, page: str, folder: Path
) -> list[Path]:
    """Write rules, curves and corners as Parquet files, and the page; give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"rules": _rules_table(found), "curves": _curves_table(found)}
    if request.pair is not None:
        tables["corners"] = _corners_table(found, samples)
    paths = [folder / f"{name}.parquet" for name in tables]
    for path, table in zip(paths, tables.values(), strict=True):
        pq.write_table(table, path)
    (folder / "sweep.html").write_text(page, encoding="utf-8")
    return [*paths, folder / "sweep.html"]


def _kept(found: SweepResult) -> Iterator[str]:
    rows = [("", "documents", "", "characters", "")]
    rows.append(("measured", f"{found.documents:,}", "", f"{found.characters:,}", ""))
    rows.append(("kept", *_weighed(found.kept, found)))
    if found.other or found.moved:
        rows.append(("kept, with --set", *_weighed(found.other, found)))
        rows.append(("  won", f"{found.moved['won']:,}", "", "", ""))
        rows.append(("  lost", f"{found.moved['lost']:,}", "", "", ""))
    return align_columns(rows)


def _weighed(counts: Mapping[str, int], found: SweepResult) -> tuple[str, str, str, str]:
    documents, characters = counts.get("documents", 0), counts.get("characters", 0)
    return (
        f"{documents:,}",
        _share(documents, found.documents),
        f"{characters:,}",
        _share(characters, found.characters),
    )


def _costs(found: SweepResult) -> Iterator[str]:
    """Yield a line for each rule, in the order they speak."""
    rows = [("rule", "objects", "", "first", "alone", "shared")]
    for name, times in found.objected.items():
        if not times and name.endswith(".missing"):
            continue
        alone = found.alone[name]
        rows.append(
            (
                name.removeprefix("screen:"),
                f"{times:,}",
                _share(times, found.documents),
                f"{found.first[name]:,}",
                f"{alone:,}",
                f"{times - alone:,}",
            )
        )
    return align_columns(rows)


def _curves(found: SweepResult, request: SweepRequest) -> Iterator[str]:
    """Yield a line for each signal: the values that so many percent of the documents do not exceed, and its bounds."""
    rows = [("signal", *(f"{percent} %" for percent in PERCENT), "missing", "bounds: kept")]
    for name in request.signals:
        [bins] = found.curves.get(name, [Bins()])
        values = [say_number(bins.quantile(percent)) if bins.total else "" for percent in PERCENT]
        bounds = ", ".join(
            f"{side} {say_number(bound)}: {_share(_within(bins, side, bound), found.documents)}"
            for side, bound in request.bounds(name)
        )
        rows.append((name, *values, f"{found.missing[name]:,}", bounds))
    return align_columns(rows, left=(0, len(PERCENT) + 2))


def _within(bins: Bins, side: str, bound: float) -> int:
    """Count values inside one bound, to the width of a bin: 0.1 % of the value."""
    values = bins.values
    inside = values >= bound if side in {"min", "over"} else values <= bound
    return int(bins.counts[inside].sum())


def _corners(found: SweepResult, compare: tuple[str, str], samples: Samples) -> Iterator[str]:
    first, second = compare
    yield from align_columns(
        [
            ("", f"{second} keeps", f"{second} drops"),
            *(
                (
                    f"{first} {'keeps' if a else 'drops'}",
                    *(f"{found.corners[Corner(a, b)]:,}" for b in (True, False)),
                )
                for a in (True, False)
            ),
        ]
    )
    for who, rows in named_corners(compare, samples):
        yield ""
        yield f"{who}:"
        for row in rows:
            text = " ".join(row["text"][: 2 * SHOWN].split())[:SHOWN]
            yield f"  {row['id'].hex()}  {row['url'] or row['source']}  {row['characters']:,} characters  {text}"


def _rules_table(found: SweepResult) -> pa.Table:
    names = list(found.objected)
    return pa.table(
        {
            "rule": pa.array(names, pa.string()),
            "objected": pa.array([found.objected[name] for name in names], pa.int64()),
            "first": pa.array([found.first[name] for name in names], pa.int64()),
            "alone": pa.array([found.alone[name] for name in names], pa.int64()),
            "documents": pa.array([found.documents] * len(names), pa.int64()),
        }
    )


def _curves_table(found: SweepResult) -> pa.Table:
    parts = [
        pa.table(
            {
                "signal": pa.array([name] * len(bins.values), pa.string()),
                "value": pa.array(bins.values, pa.float64()),
                "at_most": pa.array(np.cumsum(bins.counts), pa.int64()),
            }
        )
        for name, [bins] in found.curves.items()
    ]
    empty = pa.schema(
        [("signal", pa.string()), ("value", pa.float64()), ("at_most", pa.int64())]
    ).empty_table()
    return pa.concat_tables([empty, *parts])


def _corners_table(found: SweepResult, samples: Samples) -> pa.Table:
    """List the corners with their samples' ids."""
    corners = [Corner(a, b) for a in (True, False) for b in (True, False)]
    return pa.table(
        {
            "first_keeps": pa.array([corner.first for corner in corners]),
            "second_keeps": pa.array([corner.second for corner in corners]),
            "documents": pa.array([found.corners[corner] for corner in corners], pa.int64()),
            "samples": pa.array(
                [[row["id"] for row in samples.get(corner, [])] for corner in corners], pa.list_(pa.binary())
            ),
        }
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""
