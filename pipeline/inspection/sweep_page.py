"""Write what a sweep found as one HTML file, in the style of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from kakehi.filters.signals import Signal
from kakehi.pipeline.inspection.sweep import Samples, SweepResult, named_corners
from kakehi.pipeline.inspection.sweep_request import SweepRequest
from kakehi.pipeline.stages.report.examples import BEGINNING
from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.pipeline.stages.report.summary import SignalLine


def render_sweep(
    found: SweepResult,
    request: SweepRequest,
    samples: Samples,
    *,
    title: str,
    signals: Mapping[str, Signal],
    changes: Sequence[str],
    compare: tuple[str, str] | None,
) -> str:
    """Write the page: costs of rules, what a change wins and loses, retention curves, corners of two sets with samples.

    Args:
        found: what was counted.
        request: what was asked.
        samples: documents of each corner.
        title: of the corpus.
        signals: that are measured, by column.
        changes: the bounds of `--set`, as they were written.
        compare: the names of the two sets.
    """
    from kakehi.pipeline.stages.report.charts import draw_retention  # noqa: PLC0415 - Bokeh takes a second to import
    from kakehi.pipeline.stages.report.page import fill  # noqa: PLC0415

    lines = list(_lines(found, request, signals))
    curves = [(line, draw_retention(line, number)) for number, line in enumerate(lines)]
    return fill(
        Path(__file__).with_name("sweep.html.jinja"),
        [drawn for _, drawn in curves],
        title=title,
        version=version("kakehi"),
        found=found,
        changes=changes,
        compare=compare,
        curves=curves,
        samples=list(named_corners(compare, samples)) if compare else [],
        beginning=BEGINNING,
    )


def _lines(found: SweepResult, request: SweepRequest, signals: Mapping[str, Signal]) -> Iterator[SignalLine]:
    for name in request.signals:
        [bins] = found.curves.get(name, [Bins()])
        if bins.total:
            known = signals.get(name)
            yield SignalLine(
                name=name,
                unit=known.unit if known else "",
                definition=known.source if known else "",
                kept=bins,
                dropped=Bins(),
                missing=found.missing[name],
                bounds=tuple(request.bounds(name)),
            )
