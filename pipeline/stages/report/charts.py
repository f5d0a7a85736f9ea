"""Charts as Bokeh documents in JSON, with ids that depend on the page alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations import Label, Span
from bokeh.plotting import figure
from bokeh.resources import Resources

from kakehi.arrays import Float64N, Int64N
from kakehi.pipeline.printable import show_json
from kakehi.pipeline.stages.report.examples import say_number
from kakehi.pipeline.stages.report.funnel import FunnelRow
from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.pipeline.stages.report.summary import SHARES, Duplicates, SignalLine

#: Told apart by the colour-blind, and in dark mode, where the page turns lightness over and leaves the hues.
COLOURS: Final = {"kept": "#2f6f8f", "dropped": "#e0a15e", "bound": "#b3263c"}
_INK, _RULE = "#5b6470", "#dfe3e8"
_FONT: Final = "system-ui, 'Hiragino Sans', 'Noto Sans CJK JP', sans-serif"
_BARS: Final = 40
_TALL: Final = 220
_LOW: Final = 140

#: From this ratio of the largest to the smallest value shown, a scale of counts is logarithmic.
_LOG_FROM: Final = 50

Scale = Literal["linear", "log"]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart: the id of the element it is drawn in, its height in pixels, and what it says without pictures."""

    id: str
    height: int
    label: str
    item: dict[str, Any]


def bokeh_script() -> str:
    """Give Bokeh's own code, the core bundle alone; it has to be in the page, for there is no network."""
    return "\n".join(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw)


def to_json(charts: Sequence[Chart]) -> str:
    """Write charts for a script element: `<` is escaped, so that no text in them ends it."""
    plain = json.dumps([chart.item for chart in charts], ensure_ascii=False, separators=(",", ":"))
    return show_json(plain).replace("<", "\\u003c")


def draw_funnel(rows: Sequence[FunnelRow]) -> Chart:
    """Draw what is left after every hop, with what the hop lost."""
    hops = funnel_hops(rows)
    height = 34 * len(hops) + 46
    plot = _figure(height=height, y_range=Range1d(start=len(hops) - 0.5, end=-0.5))
    widest = max((left + lost for _, left, lost in hops), default=0)
    plot.x_range = Range1d(start=0, end=1.16 * max(widest, 1))
    columns = {
        "hop": [hop for hop, _, _ in hops],
        "left": [left for _, left, _ in hops],
        "lost": [lost for _, _, lost in hops],
        "end": [left + lost for _, left, lost in hops],
        "said": [f" {left:,}" for _, left, _ in hops],
        "y": list(range(len(hops))),
    }
    source = ColumnDataSource(columns)
    plot.hbar(y="y", right="left", height=0.62, color=COLOURS["kept"], source=source)
    plot.hbar(y="y", left="left", right="end", height=0.62, color=COLOURS["dropped"], source=source)
    plot.text(
        x="end",
        y="y",
        text="said",
        text_baseline="middle",
        text_font={"value": _FONT},
        text_font_size="12px",
        text_color=_INK,
        source=source,
    )
    plot.yaxis.ticker = FixedTicker(ticks=list(range(len(hops))))
    plot.yaxis.major_label_overrides = {place: hop for place, (hop, _, _) in enumerate(hops)}
    plot.ygrid.visible = False
    plot.add_tools(HoverTool(tooltips=[("", "@hop"), ("left", "@left{0,0}"), ("lost here", "@lost{0,0}")]))
    return _chart("chart-funnel", plot, "documents left after each hop, and what each hop lost")


def funnel_hops(rows: Sequence[FunnelRow]) -> list[tuple[str, int, int]]:
    """List (hop, left, lost here); rejects are one hop."""
    hops: list[tuple[str, int, int]] = []
    left = 0
    for row in rows:
        if row.kind == "drop":
            lost = -(row.documents or 0)
            left -= lost
            hops.append((f"after {row.label.removeprefix('drop: ')}", left, lost))
        elif row.kind == "total" and row.label != "kept":
            lost = max(left - (row.documents or 0), 0)
            left = row.documents or 0
            hops.append((row.label, left, lost))
    return hops


_SIGNS = {"min": "≥", "max": "≤", "over": ">", "under": "<"}


def draw_signal(signal: SignalLine, number: int) -> Chart:
    """Draw a histogram of one signal, kept and dropped on top of each other, with its bounds."""
    edges, scale = choose_edges(signal)
    plot = _histogram(edges, scale, signal.kept.spread(edges), signal.dropped.spread(edges))
    for side, value in signal.bounds:
        _mark(plot, value, f"{_SIGNS[side]} {say_number(value)}")
    if signal.unit in SHARES and edges[-1] - edges[0] > 0.1:
        plot.xaxis.formatter = NumeralTickFormatter(format="0.[00]")
    elif signal.unit not in SHARES:
        plot.xaxis.formatter = NumeralTickFormatter(format="0,0.[0]")
    return _chart(f"chart-signal-{number}", plot, f"histogram of {signal.name}")


def draw_retention(signal: SignalLine, number: int) -> Chart:
    """Draw the share of the documents that a bound by itself keeps, wherever it is put."""
    edges, scale = choose_edges(signal)
    every = Bins.merged([signal.kept, signal.dropped])
    values, counts = every.values, every.counts
    total = max(1, every.total + signal.missing)
    at_least = [float(counts[values >= edge].sum()) / total for edge in edges]
    at_most = [float(counts[values <= edge].sum()) / total for edge in edges]
    plot = _figure(
        height=_LOW, x_axis_type=scale, x_range=Range1d(start=float(edges[0]), end=float(edges[-1]))
    )
    plot.y_range = Range1d(start=0, end=1.02)
    source = ColumnDataSource({"bound": edges.tolist(), "min": at_least, "max": at_most})
    plot.line(x="bound", y="min", color=COLOURS["kept"], line_width=2, source=source)
    plot.line(x="bound", y="max", color=COLOURS["dropped"], line_width=2, source=source)
    for _, value in signal.bounds:
        plot.add_layout(Span(location=value, dimension="height", line_color=COLOURS["bound"], line_width=2))
    tooltips = [("bound", "@bound{0,0.[000]}"), ("as min", "@min{0.0%}"), ("as max", "@max{0.0%}")]
    plot.add_tools(HoverTool(tooltips=tooltips, mode="vline"))
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[00]" if signal.unit in SHARES else "0,0.[0]")
    plot.yaxis.formatter = NumeralTickFormatter(format="0%")
    return _chart(
        f"chart-retention-{number}", plot, f"share of documents that a bound on {signal.name} keeps"
    )


def draw_similarities(duplicates: Duplicates) -> Chart:
    """Draw how similar the candidate pairs are, below and above the bound."""
    edges = np.arange(0, 101, 2) / 100
    percent = np.array(duplicates.similarities, np.int64)
    percent[99] += percent[100]
    counts = percent[:100].reshape(-1, 2).sum(axis=1)
    bound = 0.0 if duplicates.bound is None else duplicates.bound
    near = edges[:-1] + 1e-9 >= bound
    plot = _histogram(edges, "linear", np.where(near, 0, counts), np.where(near, counts, 0))
    if duplicates.bound is not None:
        _mark(plot, bound, f"≥ {say_number(bound)}")
    return _chart("chart-similarity", plot, "histogram of the similarity of candidate pairs")


def choose_edges(signal: SignalLine) -> tuple[Float64N, Scale]:
    """Choose bars that show the middle 99 % and every bound, and a scale.

    Returns:
        float64[bars + 1], ascending, and whether they are even in the value or in its logarithm.
    """
    every = Bins.merged([signal.kept, signal.dropped])
    values = every.values[[0, -1]] if every.total < 200 else np.array([every.quantile(1), every.quantile(99)])
    bounds = [value for _, value in signal.bounds]
    low, high = float(min([*values, *bounds])), float(max([*values, *bounds]))
    counted = signal.unit not in SHARES and low >= 0 and all(bound > 0 for bound in bounds)
    positive = [x for x in (low, *bounds) if x > 0]
    if counted and positive and high / min(positive) >= _LOG_FROM:
        return np.geomspace(min(positive) * 0.97, high * 1.03, _BARS + 1), "log"
    pad = 0.02 * (high - low) or 0.5
    floor = max(low - pad, 0.0) if low >= 0 else low - pad
    return np.linspace(floor, high + pad, _BARS + 1), "linear"


def _histogram(edges: Float64N, scale: Scale, kept: Int64N, dropped: Int64N) -> Any:
    plot = _figure(
        height=_TALL, x_axis_type=scale, x_range=Range1d(start=float(edges[0]), end=float(edges[-1]))
    )
    plot.y_range.start = 0
    plot.yaxis.ticker = BasicTicker(min_interval=1)
    source = ColumnDataSource(
        {
            "from": edges[:-1].tolist(),
            "to": edges[1:].tolist(),
            "kept": kept.tolist(),
            "dropped": dropped.tolist(),
            "top": (kept + dropped).tolist(),
        }
    )
    plot.quad(
        left="from", right="to", bottom=0, top="kept", color=COLOURS["kept"], line_color=None, source=source
    )
    plot.quad(
        left="from",
        right="to",
        bottom="kept",
        top="top",
        color=COLOURS["dropped"],
        line_color=None,
        source=source,
    )
    plot.xgrid.visible = False
    plot.add_tools(
        HoverTool(
            tooltips=[
                ("from", "@from{0,0.[000]}"),
                ("to", "@to{0,0.[000]}"),
                ("kept", "@kept{0,0}"),
                ("dropped", "@dropped{0,0}"),
            ]
        )
    )
    return plot


def _mark(plot: Any, value: float, said: str) -> None:
    plot.add_layout(Span(location=value, dimension="height", line_color=COLOURS["bound"], line_width=2))
    plot.add_layout(
        Label(
            x=value,
            y=_TALL - 42,
            y_units="screen",
            x_offset=5,
            text=said,
            text_color=COLOURS["bound"],
            text_font=_FONT,
            text_font_size="12px",
            text_font_style="bold",
        )
    )


def _figure(**options: Any) -> Any:
    plot = figure(
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_left=4,
        min_border_right=12,
        **options,
    )
    for axis in (*plot.xaxis, *plot.yaxis):
        axis.major_label_text_color = _INK
        axis.major_label_text_font = _FONT
        axis.major_label_text_font_size = "12px"
        axis.axis_line_color = _RULE
        axis.major_tick_line_color = _RULE
        axis.minor_tick_line_color = None
    for grid in (*plot.xgrid, *plot.ygrid):
        grid.grid_line_color = _RULE
    plot.xaxis.formatter = plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
    return plot


def _chart(name: str, plot: Any, label: str) -> Chart:
    item = json_item(plot, target=ID(name))
    return Chart(id=name, height=plot.height, label=label, item=_renamed(item, name, {}))


def _renamed(node: Any, prefix: str, names: dict[str, str]) -> Any:
    """Replace Bokeh's ids, which count on through a process, by ids that start anew with every chart."""
    if isinstance(node, list | tuple):
        return [_renamed(item, prefix, names) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: names.setdefault(value, f"{prefix}-{len(names)}")
        if key in {"id", "root_id"} and isinstance(value, str)
        else _renamed(value, prefix, names)
        for key, value in node.items()
    }
