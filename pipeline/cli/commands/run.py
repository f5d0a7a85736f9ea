"""`kakehi run`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from kakehi.pipeline.cli.funnel_view import print_funnel
from kakehi.pipeline.cli.plan_view import draw_plan, left_out, output_lines
from kakehi.pipeline.cli.progress import Bars
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.lock import RunLock
from kakehi.pipeline.engines.machine import Machine, load_machine
from kakehi.pipeline.engines.opening import open_engine
from kakehi.pipeline.execution import runner
from kakehi.pipeline.execution.nothing_left import check_steps
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.planning.discovery import make_plan
from kakehi.pipeline.planning.forecast import refuse
from kakehi.pipeline.planning.inputs import KnownInputs
from kakehi.pipeline.planning.planner import Step, waiting
from kakehi.pipeline.storage.store import Store
from kakehi.pipeline.walltime import Walltime

#: Exit code of a run that stopped before its walltime: not an error, and not done (EX_TEMPFAIL).
STOPPED = 75


def run(
    manifest: Path,
    work: Path,
    limit: int | None,
    until: str | None,
    verify: str | None,
    machine: Path | None,
    scheduler: str | None,
    walltime: float | None,
) -> None:
    """Run a manifest; what is whole already is left alone."""
    started = time.monotonic()
    time_left = Walltime(limit_s=walltime)
    read, place, store = load(manifest), load_machine(machine), Store(work)
    planned = partial(make_plan, read, store, limit=limit, until=until)
    steps, ran = planned(), False
    if verify or any(step.action == "run" for step in steps):
        with RunLock(store.root, say=partial(say, err=True)) as held:
            store = Store(work, claim=held.claim)
            planned = partial(make_plan, read, store, limit=limit, until=until)
            # what another run did meanwhile is seen from here on
            steps = planned(verify=verify is not None, verify_inputs=verify == "inputs")
            if KnownInputs(store).adopt(steps, store):
                steps = planned(verify=verify is not None, verify_inputs=verify == "inputs")
            if verify == "inputs":
                _forget(steps, store)
            ran = _run_planned(read, steps, store, place, scheduler, time_left)
            if waiting(steps) and not time_left.cut:
                steps = planned(verify=verify is not None)
                ran |= _run_planned(read, steps, store, place, scheduler, time_left)
    if not ran:
        for line in check_steps(steps, read, store):
            say(f"warning: {line}", err=True)
        say(f"nothing to do: all {len(steps)} steps are done", err=True)
    else:
        say(f"{'stopped' if time_left.cut else 'done'} in {time.monotonic() - started:.1f} s", err=True)
    if time_left.cut:
        say("the walltime is nearly over: what is done is kept, run again to go on", err=True)
        sys.exit(STOPPED)
    print_funnel(steps, store)
    for line in output_lines(steps, store):
        say(line)


def _forget(steps: list[Step], store: Store) -> None:
    """Disbelieve all that came of inputs whose bytes are other than those that were read."""
    for step in (step for step in steps if step.stage.shape == "source"):
        for shard in step.todo:
            store.forget(shard.source, shard.name)


def _run_planned(
    manifest: Manifest,
    steps: list[Step],
    store: Store,
    place: Machine,
    scheduler: str | None,
    time_left: Walltime,
) -> bool:
    """Run what a plan says has to run; say whether there was anything."""
    todo = [step for step in steps if step.action == "run"]
    if not todo:
        return False
    hold = partial(refuse, steps=steps, store=store, machine=place)
    if scheduler is None:  # else the cluster says how much memory it has
        _hold_all(hold, todo)
    for line in left_out(manifest):
        say(line, err=True)
    say(draw_plan(todo), err=True)
    kernels = [name for step in todo for name in step.stage.kernels_for(step.parameters)]
    # What fetches does so in this process: no workers are started for it.
    fetching = bool(waiting(steps))
    with Inline() if fetching else open_engine(place, kernels=kernels, scheduler=scheduler) as engine:
        if engine.dashboard:
            say(f"watch at {engine.dashboard}", err=True)
        if engine.warning:
            say(f"warning: {engine.warning}", err=True)
        bytes_per_worker = engine.bytes_per_worker or place.bytes_per_worker
        place = place.model_copy(update={"bytes_per_worker": bytes_per_worker})
        hold = partial(refuse, steps=steps, store=store, machine=place)
        if scheduler is not None:
            _hold_all(hold, todo)
        runner.run(
            manifest,
            steps,
            store,
            engine,
            progress=Bars(),
            bytes_per_worker=bytes_per_worker,
            refuse=hold,
            walltime=time_left,
        )
    return True


def _hold_all(hold: Callable[[Step], None], todo: Iterable[Step]) -> None:
    for step in todo:
        hold(step)
