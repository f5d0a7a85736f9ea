"""report: receipts, counts and a few documents as one HTML file that opens anywhere, with no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.store import Counts


def report(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    samples: Annotated[int, Field(ge=0, le=100)] = 3,
    title: str | None = None,
) -> Counts:
    """Write `report.html`: where every document went, and what it looked like.

    The page is a function of the data alone: no time, no place, no measured cost.

    Args:
        inputs: everything that was made before.
        out: folder for `report.html`.
        engine: runs one task a shard.
        samples: documents to show of each verdict, chosen by hash of their ids.
        title: of the page; else the corpus's name.
    """
    from kakehi.pipeline.stages.report.collect import collect  # noqa: PLC0415 - Bokeh takes a second to import
    from kakehi.pipeline.stages.report.page import render  # noqa: PLC0415

    summary = collect(inputs, engine, samples=samples, title=title)
    (out / "report.html").write_text(render(summary), encoding="utf-8", newline="\n")
    return {
        "documents": sum(group.documents for group in summary.samples),
        "samples": sum(len(group.samples) for group in summary.samples),
    }


STAGE = Stage(
    run=report,
    shape="corpus",
    reads=("documents", "verdict"),
    optional=("signals", "pairs", "tokenizer"),
    writes=None,
    version=1,
    libraries=("bokeh", "jinja2"),
    summary=True,
)
