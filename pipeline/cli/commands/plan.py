"""`kakehi plan`."""

from __future__ import annotations

from pathlib import Path

from kakehi.pipeline.cli.plan_view import draw_plan, fetch_costs, follows, parameter_lines
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.engines.machine import load_machine
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.planning.discovery import make_plan
from kakehi.pipeline.planning.forecast import forecast
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.storage.store import Store


def plan(
    manifest: Path, work: Path, limit: int | None, until: str | None, verify: str | None, machine: Path | None
) -> None:
    """Print what `run` would do, and why.

    Of a machine also what training costs there, for which no input need be there.
    """
    read, store = load(manifest), Store(work)
    absent: list[str] = []
    steps = make_plan(
        read,
        store,
        limit=limit,
        until=until,
        verify=verify is not None,
        verify_inputs=verify == "inputs",
        absent=None if machine is None else absent,
    )
    place = load_machine(machine)
    if absent:
        say(
            f"no file yet for {len(absent)} of {len(read.sources)} sources, so what would run is not known: "
            f"{', '.join(absent)}\n"
        )
    else:
        _show_steps(read, steps, store, place.bytes_per_worker)
    if machine is not None:
        for line in forecast(steps, store, place, absent):
            say(line)


def _show_steps(manifest: Manifest, steps: list[Step], store: Store, bytes_per_worker: int) -> None:
    say(draw_plan(steps))
    for line in [*fetch_costs(steps), *follows(steps)]:
        say(line)
    told = [f"{step.name}: {step.stage.describe(step.parameters)}" for step in steps if step.stage.describe]
    told += parameter_lines(manifest, steps, store, bytes_per_worker)
    say("".join(f"\n{line}" for line in dict.fromkeys(told)), nl=bool(told))
