"""`kakehi plan`."""

from __future__ import annotations

from pathlib import Path

import click

from kakehi.pipeline.cli.plan_view import draw_plan, fetch_costs, follows, parameter_lines
from kakehi.pipeline.engines.machine import load_machine
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning.discovery import make_plan
from kakehi.pipeline.planning.forecast import forecast
from kakehi.pipeline.storage.store import Store


def plan(
    manifest: Path, work: Path, limit: int | None, until: str | None, verify: bool, machine: Path | None
) -> None:
    """Print what `run` would do, and why."""
    read, store = load(manifest), Store(work)
    steps = make_plan(read, store, limit=limit, until=until, verify=verify)
    click.echo(draw_plan(steps))
    for line in [*fetch_costs(steps), *follows(steps)]:
        click.echo(line)
    told = [f"{step.name}: {step.stage.describe(step.parameters)}" for step in steps if step.stage.describe]
    place = load_machine(machine)
    told += parameter_lines(read, steps, store, place.bytes_per_worker)
    click.echo("".join(f"\n{line}" for line in dict.fromkeys(told)), nl=bool(told))
    if machine is not None:
        for line in forecast(steps, store, place):
            click.echo(line)
