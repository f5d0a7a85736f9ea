"""The command: `kakehi check | plan | run | status | explain | lookup | quickstart | sweep | report | export | defaults | clean`."""

from __future__ import annotations

import io
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from kakehi.pipeline.cli.lookup import check_packed, lookup
from kakehi.pipeline.cli.options import (
    LIMIT,
    MANIFEST,
    MAPS,
    UNTIL,
    VERIFY,
    WORK,
    Example,
    refuse_filled,
    seconds,
)
from kakehi.pipeline.cli.plan_view import (
    draw_plan,
    fetch_costs,
    follows,
    foretold,
    kept_promises,
    left_out,
    places,
    shown,
)
from kakehi.pipeline.cli.progress import Bars
from kakehi.pipeline.cli.quickstart import quickstart
from kakehi.pipeline.engines import open_engine
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.lock import Claim
from kakehi.pipeline.engines.machine import Machine, load_machine
from kakehi.pipeline.errors import CorpusError, DataError
from kakehi.pipeline.execution import runner
from kakehi.pipeline.execution.status import status as status_of
from kakehi.pipeline.inspection.explain import explain as explain_one
from kakehi.pipeline.inspection.sweep import read_samples
from kakehi.pipeline.inspection.sweep import sweep as sweep_signals
from kakehi.pipeline.inspection.sweep_page import render_sweep
from kakehi.pipeline.inspection.sweep_request import ask
from kakehi.pipeline.inspection.sweep_tables import draw_sweep, write_sweep
from kakehi.pipeline.interrupts import remembered
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.model import Manifest, filled
from kakehi.pipeline.planning import discovery, resolve
from kakehi.pipeline.planning.forecast import forecast, refuse
from kakehi.pipeline.planning.planner import Step, waiting
from kakehi.pipeline.planning.unreached import unreached
from kakehi.pipeline.stages.dedupe import alarms
from kakehi.pipeline.stages.report.collect import signals_of
from kakehi.pipeline.stages.report.funnel import draw, funnel
from kakehi.pipeline.storage.store import Store
from kakehi.pipeline.walltime import Walltime

#: Exit code of a run that stopped before its walltime: not an error, and not done (EX_TEMPFAIL).
STOPPED = 75


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="kakehi")
def cli() -> None:
    """Turn the Japanese web into pretraining data, every document accounted for."""


def main() -> None:
    """Run the command; an error of ours is one message and its own exit code."""
    try:
        with remembered():
            cli.main(prog_name="kakehi", standalone_mode=False)
    except CorpusError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped: what is done is kept; run again to go on", err=True)
        sys.exit(130)
    except OSError as error:
        click.echo(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        sys.exit(DataError.exit_code)


@cli.command(cls=Example, example="kakehi check manifests/quickstart.yaml")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False), metavar="MANIFEST|PREFIX")
@MAPS
def check(target: Path, cache: Path | None) -> None:
    """Check a manifest and its inputs, or a packed prefix and its index maps; change nothing."""
    if target.with_name(f"{target.name}.idx").exists() or target.with_name(f"{target.name}.bin").exists():
        check_packed(target, cache)
        return
    manifest, read = target, load(target)
    shards = {**discovery.discover(read), **discovery.find_pieces(read)}
    for source in read.sources:
        mine = shards[source.name]
        files = [file for shard in mine for file in shard.files]
        size = sum(file.size for file in files)
        parts = (
            f"{len(mine)} pieces for {source.fetch.name} to fetch" if source.fetch else f"{len(mine)} shards"
        )
        click.echo(f"{source.name}: {len(files)} files, {size:,} bytes, {parts}")
    click.echo(f"{manifest}: {len(read.sources)} sources, {len(read.steps)} steps, no fault found")


@cli.command(cls=Example, example="kakehi plan manifests/quickstart.yaml")
@MANIFEST
@WORK
@LIMIT
@UNTIL
@VERIFY
@click.option(
    "--machine",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where training reads the binaries: say what that costs, and refuse what is over its limits.",
)
def plan(
    manifest: Path, work: Path, limit: int | None, until: str | None, verify: bool, machine: Path | None
) -> None:
    """Print what `run` would do, and why."""
    read = load(manifest)
    steps = _planned(read, work, limit=limit, until=until, verify=verify)
    click.echo(draw_plan(steps))
    for line in [*fetch_costs(steps), *follows(steps)]:
        click.echo(line)
    told = [f"{step.name}: {step.stage.foretell(step.parameters)}" for step in steps if step.stage.foretell]
    place = load_machine(machine)
    told += foretold(read, steps, Store(work), place.bytes_per_worker)
    click.echo("".join(f"\n{line}" for line in dict.fromkeys(told)), nl=bool(told))
    if machine is not None:
        for line in forecast(steps, Store(work), place):
            click.echo(line)


@cli.command(cls=Example, example="kakehi run manifests/quickstart.yaml --limit 1000 --until screen")
@MANIFEST
@WORK
@LIMIT
@UNTIL
@VERIFY
@click.option(
    "--machine",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where it runs: manifests/machines/*.yaml.",
)
@click.option("--scheduler", metavar="ADDRESS|FILE", help="Run on a Dask cluster that is there already.")
@click.option(
    "--walltime", metavar="5h30m", callback=seconds, help="Stop cleanly before so much time is over."
)
def run(
    manifest: Path,
    work: Path,
    limit: int | None,
    until: str | None,
    verify: bool,
    machine: Path | None,
    scheduler: str | None,
    walltime: float | None,
) -> None:
    """Run a manifest; what is whole already is left alone."""
    started = time.monotonic()
    time_left = Walltime(limit_s=walltime)
    read, place, store = load(manifest), load_machine(machine), Store(work)
    steps, ran = _planned(read, work, limit=limit, until=until), False
    if verify or any(step.action == "run" for step in steps):
        with Claim(store.root):  # what another run did meanwhile is seen from here on
            steps = _planned(read, work, limit=limit, until=until, verify=verify)
            ran = _run_planned(read, steps, store, place, scheduler, time_left)
            if waiting(steps) and not time_left.cut:
                steps = _planned(read, work, limit=limit, until=until, verify=verify)
                ran |= _run_planned(read, steps, store, place, scheduler, time_left)
    if not ran:
        click.echo(f"nothing to do: all {len(steps)} steps are done", err=True)
    else:
        click.echo(
            f"{'stopped' if time_left.cut else 'done'} in {time.monotonic() - started:.1f} s", err=True
        )
    if time_left.cut:
        click.echo("the walltime is nearly over: what is done is kept, run again to go on", err=True)
        sys.exit(STOPPED)
    _draw_funnel(steps, store)
    for line in places(steps, store):
        click.echo(line)


@cli.command(cls=Example, example="kakehi status --work work")
@WORK
def status(work: Path) -> None:
    """Tell how the newest run goes, or how it ended: from any terminal that sees the folder."""
    for line in status_of(Store(work).root):
        click.echo(line)


@cli.command(
    cls=Example, example="kakehi explain manifests/quickstart.yaml https://httpd.example/ja/howto/auth.html"
)
@MANIFEST
@click.argument("document", metavar="URL|ID")
@WORK
@LIMIT
def explain(manifest: Path, document: str, work: Path, limit: int | None) -> None:
    """Tell one document's way: its record, charset, signals, objections, partner, tokens."""
    steps = _planned(load(manifest), work, limit=limit)
    for line in explain_one(steps, Store(work), document):
        click.echo(line)


cli.add_command(lookup)
cli.add_command(quickstart)


@cli.command(cls=Example, example="kakehi sweep manifests/quickstart.yaml --set kana_share.min=0.15")
@MANIFEST
@WORK
@LIMIT
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="SIGNAL.BOUND=VALUE",
    help="What if this bound were that; `null` for none.",
)
@click.option(
    "--compare",
    nargs=2,
    metavar="SET SET",
    help="Where two rule sets disagree; `manifest` is the manifest's own rules.",
)
@click.option("--signal", "signals", multiple=True, help="One more signal to draw the values of.")
@click.option(
    "--samples", type=click.IntRange(0, 100), default=3, show_default=True, help="Documents of each corner."
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for Parquet files and sweep.html.",
)
def sweep(
    manifest: Path,
    work: Path,
    limit: int | None,
    changes: tuple[str, ...],
    compare: tuple[str, str] | None,
    signals: tuple[str, ...],
    samples: int,
    target: Path | None,
) -> None:
    """Say what rules cost and what other bounds would keep, from measured signals alone."""
    read = load(manifest)
    steps, store = discovery.whole_plan(read, Store(work), limit=limit), Store(work)
    asked = ask(steps, manifest, changes=changes, compare=compare, signals=signals, samples=samples)
    found = sweep_signals(steps, store, asked)
    chosen = read_samples(found, asked)
    for line in draw_sweep(found, asked, compare, chosen):
        click.echo(line)
    if target is not None:
        measures = [step for step in steps if step.stage.name == "measure"]
        page = render_sweep(
            found,
            asked,
            chosen,
            title=read.corpus,
            signals=dict(signals_of(plain for step in measures for plain in step.parameters["families"])),
            changes=changes,
            compare=compare,
        )
        for path in write_sweep(found, asked, chosen, page, target):
            click.echo(shown(path))


@cli.command(cls=Example, example="kakehi report manifests/quickstart.yaml")
@MANIFEST
@WORK
@LIMIT
def report(manifest: Path, work: Path, limit: int | None) -> None:
    """Print the funnel and where the report lies."""
    steps = _planned(load(manifest), work, limit=limit)
    store = Store(work)
    _draw_funnel(steps, store)
    for line in kept_promises(steps, store):
        click.echo(line)
    made = [step for step in steps if step.name == "report" and step.action == "skip"]
    if not made:
        raise DataError("report: not made yet, or out of date", hint=f"kakehi run {manifest}")
    click.echo(shown(store.folder("report", made[0].address) / "report.html"))


@cli.command(cls=Example, example="kakehi export manifests/quickstart.yaml --to corpus/")
@MANIFEST
@WORK
@LIMIT
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Empty folder to fill.",
)
def export(manifest: Path, work: Path, limit: int | None, target: Path) -> None:
    """Copy the exported text out of the work folder."""
    steps = [
        s for s in discovery.whole_plan(load(manifest), Store(work), limit=limit) if s.stage.name == "export"
    ]
    if not steps or any(step.action == "run" for step in steps):
        raise DataError(
            "export: not made yet, or out of date", hint=f"kakehi run {manifest}, with export: in it"
        )
    refuse_filled(target)
    store = Store(work)
    for step in steps:
        home = store.folder(step.name, step.address)
        for output in (output for r in resolve.receipts_of(step, store) for output in r.outputs):
            place = target / output.name if len(steps) == 1 else target / step.name / output.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(home / output.name, place)
            click.echo(place)


@cli.command(cls=Example, example="kakehi defaults manifests/quickstart.yaml")
@MANIFEST
def defaults(manifest: Path) -> None:
    """Print the manifest with every default written in."""
    text = io.StringIO()
    YAML(typ="rt").dump(filled(load(manifest)), text)
    click.echo(text.getvalue(), nl=False)


@cli.command(cls=Example, example="kakehi clean manifests/quickstart.yaml --yes")
@click.argument(
    "manifests",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="MANIFEST...",
)
@WORK
@click.option("--yes", is_flag=True, help="Remove; without it, only say what would go.")
def clean(manifests: tuple[Path, ...], work: Path, yes: bool) -> None:
    """Remove what none of these manifests reaches."""
    store = Store(work)
    with Claim(store.root) if yes else nullcontext():  # a run under way reaches what no plan does yet
        gone = unreached(
            [step for path in manifests for step in discovery.whole_plan(load(path), Store(work))], store
        )
        for path in gone:
            click.echo(f"{'removed' if yes else 'would remove'} {shown(path)}")
            if yes:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    click.echo(f"{len(gone)} {'removed' if yes else 'to remove; add --yes'}", err=True)


def _draw_funnel(steps: Sequence[Step], store: Store) -> None:
    """Print the funnel, and what rings in it."""
    summaries = [resolve.summary(step, store) for step in steps]
    click.echo(draw(funnel(summaries)))
    for line in alarms.heard(summaries):
        click.echo(f"warning: {line}", err=True)


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
    for step in todo:
        hold(step)
    for line in left_out(manifest):
        click.echo(line, err=True)
    click.echo(draw_plan(todo), err=True)
    kernels = [name for step in todo for name in step.stage.kernels_for(step.parameters)]
    # What fetches does so in this process: no workers are started for it.
    fetching = bool(waiting(steps))
    with Inline() if fetching else open_engine(place, kernels=kernels, scheduler=scheduler) as engine:
        if engine.dashboard:
            click.echo(f"watch at {engine.dashboard}", err=True)
        runner.run(
            manifest,
            steps,
            store,
            engine,
            progress=Bars(),
            bytes_per_worker=place.bytes_per_worker,
            refuse=hold,
            walltime=time_left,
        )
    return True


def _planned(manifest: Manifest, work: Path, **options: Any) -> list[Step]:
    return discovery.make_plan(manifest, Store(work), **options)
