"""The report as one HTML file: no network, no clock, the same bytes for the same content."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from kakehi.pipeline.printable import show_controls
from kakehi.pipeline.stages.report.charts import (
    COLOURS,
    Chart,
    bokeh_script,
    draw_funnel,
    draw_retention,
    draw_signal,
    draw_similarities,
    to_json,
)
from kakehi.pipeline.stages.report.examples import say_number
from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.pipeline.stages.report.summary import SHARES, SignalLine, Summary

#: Percentages of the quantile table.
QUANTILES = (1, 5, 25, 50, 75, 95, 99)

_DRAW = """\
for (const item of JSON.parse(document.getElementById("charts").textContent)) Bokeh.embed.embed_item(item);
"""

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class _SignalView:
    """A signal with what the template shows of it."""

    line: SignalLine
    quantiles: tuple[float, ...]
    chart: Chart | None
    retention: Chart | None


def render(summary: Summary) -> str:
    """Write the page.

    Texts of documents are escaped, links are shown and not fetched, and a content security policy names the two
    scripts of the page by digest, so that nothing else in it runs or loads.
    """
    signals = tuple(_signal(line, number) for number, line in enumerate(summary.signals))
    funnel = draw_funnel(summary.funnel) if summary.funnel else None
    pairs = summary.duplicates
    similarity = draw_similarities(pairs) if pairs and sum(pairs.similarities) else None
    charts = [funnel, *(chart for view in signals for chart in (view.chart, view.retention)), similarity]
    return fill(
        _HERE / "page.html.jinja",
        [chart for chart in charts if chart],
        summary=summary,
        version=summary.version,
        totals=_totals(summary),
        signals=signals,
        funnel_chart=funnel,
        similarity_chart=similarity,
        quantiles=QUANTILES,
    )


def fill(template: Path, charts: Sequence[Chart], **values: object) -> str:
    """Fill a template that extends `base.html.jinja`, wherever it lies, with its charts and what draws them."""
    bokeh = bokeh_script() if charts else ""
    return (
        _templates(template.parent)
        .get_template(template.name)
        .render(
            **values,
            colours=COLOURS,
            bokeh=Markup(bokeh),  # noqa: S704 - Bokeh's own code, from its distribution
            draw=Markup(_DRAW),  # noqa: S704 - a literal
            charts=Markup(to_json(charts)),  # noqa: S704 - escaped there
            digests=[_digest(bokeh), _digest(_DRAW)],
        )
    )


def _signal(line: SignalLine, number: int) -> _SignalView:
    every = Bins.merged([line.kept, line.dropped])
    drawn = line.bounds and every.total
    return _SignalView(
        line=line,
        quantiles=tuple(every.quantile(percent) for percent in QUANTILES),
        chart=draw_signal(line, number) if drawn else None,
        retention=draw_retention(line, number) if drawn else None,
    )


def _totals(summary: Summary) -> Mapping[str, int]:
    """Name the numbers at the head of the page."""
    rows = {row.label: row for row in summary.funnel if row.kind == "total"}
    named = {label: row.documents or 0 for label, row in rows.items()}
    kept = rows.get("kept")
    return {**named, "characters": (kept.characters or 0) if kept else 0}


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@cache
def _templates(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    environment.filters |= {"number": _number, "share": _share, "value": _value}
    return environment


def _shown(value: object) -> object:
    """Show what would turn the order of a text, or is no character of HTML; what is markup already stays."""
    return show_controls(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}".replace("-", "−")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _value(value: float, unit: str = "") -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if unit in SHARES else say_number(value)
