"""`kakehi sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kakehi.pipeline.cli.plan_view import shown
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.inspection.sweep import read_samples
from kakehi.pipeline.inspection.sweep import sweep as sweep_signals
from kakehi.pipeline.inspection.sweep_request import read_request
from kakehi.pipeline.inspection.sweep_tables import draw_sweep, write_sweep
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning.discovery import whole_plan
from kakehi.pipeline.stages.report.collect import signals_of
from kakehi.pipeline.storage.store import Store


def sweep(
    manifest: Path,
    work: Path,
    limit: int | None,
    changes: Sequence[str],
    compare: tuple[str, str] | None,
    signals: Sequence[str],
    samples: int,
    target: Path | None,
) -> None:
    """Say what rules cost and what other bounds would keep, from measured signals alone."""
    read, store = load(manifest), Store(work)
    steps = whole_plan(read, store, limit=limit)
    request = read_request(
        steps, manifest, changes=changes, compare=compare, signals=signals, samples=samples
    )
    found = sweep_signals(steps, store, request)
    chosen = read_samples(found, request)
    for line in draw_sweep(found, request, compare, chosen):
        say(line)
    if target is not None:
        measures = [step for step in steps if step.stage.name == "measure"]
        known = dict(signals_of(plain for step in measures for plain in step.parameters["families"]))
        from kakehi.pipeline.inspection.sweep_page import render_sweep  # noqa: PLC0415 - Bokeh takes 0.5 s to import

        page = render_sweep(
            found, request, chosen, title=read.corpus, signals=known, changes=changes, compare=compare
        )
        for path in write_sweep(found, request, chosen, page, target):
            say(shown(path))
