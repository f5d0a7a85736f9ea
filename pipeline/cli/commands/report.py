"""`kakehi report`."""

from __future__ import annotations

from pathlib import Path

from kakehi.pipeline.cli.funnel_view import print_funnel
from kakehi.pipeline.cli.plan_view import compare_estimates, shown
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning.discovery import make_plan
from kakehi.pipeline.storage.store import Store


def report(manifest: Path, work: Path, limit: int | None) -> None:
    """Print the funnel and where the report lies."""
    store = Store(work)
    steps = make_plan(load(manifest), store, limit=limit)
    print_funnel(steps, store)
    for line in compare_estimates(steps, store):
        say(line)
    made = [step for step in steps if step.name == "report" and step.action == "skip"]
    if not made:
        raise DataError("report: not made yet, or out of date", hint=f"kakehi run {manifest}")
    say(shown(store.folder("report", made[0].address) / "report.html"))
