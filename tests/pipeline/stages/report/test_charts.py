"""Charts show every hop and every bound, and their ids depend on the chart alone."""

import json
import re

import numpy as np
import pytest

from kakehi.pipeline.stages.report.charts import choose_edges, draw_funnel, draw_signal, funnel_hops, to_json
from kakehi.pipeline.stages.report.funnel import FunnelRow
from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.pipeline.stages.report.summary import SignalLine

ROWS = [
    FunnelRow(label="records in", documents=10, characters=None, kind="total"),
    FunnelRow(label="reject: language", documents=-3, characters=None, kind="reject"),
    FunnelRow(label="documents", documents=7, characters=70, kind="total"),
    FunnelRow(label="drop: screen:x.min", documents=-2, characters=-20, kind="drop"),
    FunnelRow(label="kept", documents=5, characters=50, kind="total"),
    FunnelRow(label="tokens (encode)", documents=99, characters=None, kind="tokens"),
]


def signal(
    values: list[float], unit: str = "share", bounds: tuple[tuple[str, float], ...] = ()
) -> SignalLine:
    """Give a signal whose values are all kept."""
    return SignalLine(
        name="x",
        unit=unit,
        definition="",
        kept=Bins.of(np.array(values, np.float64)),
        dropped=Bins(),
        missing=0,
        bounds=bounds,
    )


def test_hops_say_what_is_left_and_what_was_lost() -> None:
    """Rejects are one hop; what is left and what was lost add up to what was left before."""
    hops = funnel_hops(ROWS)
    assert hops == [("records in", 10, 0), ("documents", 7, 3), ("after screen:x.min", 5, 2)]


@pytest.mark.parametrize("values", [[0.5], [0.0, 1.0], [-3.0, 4.0], list(range(1000)), [0.0]])
@pytest.mark.parametrize("bound", [0.05, 200.0, 0.0])
@pytest.mark.parametrize("unit", ["share", "characters"])
def test_edges_ascend_and_hold_values_and_bounds(values: list[float], bound: float, unit: str) -> None:
    """Every bound is inside the chart and no value is lost, whatever the scale."""
    line = signal(values, unit, (("min", bound),))
    edges, scale = choose_edges(line)
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= bound <= edges[-1]
    assert line.kept.spread(edges).sum() == len(values)
    assert scale == "linear" or edges[0] > 0


def test_wide_counts_are_logarithmic() -> None:
    """Counts over several powers of ten get a logarithmic scale, shares never."""
    values = [float(10**i) for i in range(6)]
    assert choose_edges(signal(values, "characters"))[1] == "log"
    assert choose_edges(signal([x / 1e6 for x in values], "share"))[1] == "linear"


def test_ids_start_anew_with_every_chart() -> None:
    """The same chart drawn twice in one process is the same text."""
    line = signal([0.1, 0.2], bounds=(("min", 0.15),))
    first, second = (to_json([draw_funnel(ROWS), draw_signal(line, 0)]) for _ in range(2))
    assert first == second
    ids = re.findall(r'"id":"([^"]*)"', first)
    assert ids
    assert all(id_.startswith(("chart-funnel-", "chart-signal-0-")) for id_ in ids)


def test_no_text_ends_the_script_element() -> None:
    """A label may say anything."""
    label = "drop: </script><script>alert(1)</script>"
    rows = [*ROWS[:3], FunnelRow(label=label, documents=-1, characters=-1, kind="drop")]
    plain = to_json([draw_funnel(rows)])
    assert "<" not in plain
    assert "</script>" in json.dumps(json.loads(plain))
