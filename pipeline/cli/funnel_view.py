"""Write the funnel for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.planning import resolve
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.stages.dedupe import alarms
from kakehi.pipeline.stages.repeated_ids import warn_of_repeated_ids
from kakehi.pipeline.stages.report.funnel import draw, funnel
from kakehi.pipeline.storage.store import Store


def print_funnel(steps: Sequence[Step], store: Store) -> None:
    """Print the funnel, and what rings in it."""
    summaries = [resolve.summary(step, store) for step in steps]
    say(draw(funnel(summaries)))
    for line in [*alarms.raised_alarms(summaries), *warn_of_repeated_ids(summaries)]:
        say(f"warning: {line}", err=True)
