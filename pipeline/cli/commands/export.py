"""`kakehi export`."""

from __future__ import annotations

import shutil
from pathlib import Path

from kakehi.pipeline.cli.options import refuse_filled
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning.discovery import whole_plan
from kakehi.pipeline.planning.resolve import receipts_of
from kakehi.pipeline.storage.names import path_below
from kakehi.pipeline.storage.store import Store


def export(manifest: Path, work: Path, limit: int | None, target: Path) -> None:
    """Copy the exported text out of the work folder."""
    store = Store(work)
    steps = [step for step in whole_plan(load(manifest), store, limit=limit) if step.stage.name == "export"]
    if not steps or any(step.action == "run" for step in steps):
        raise DataError(
            "export: not made yet, or out of date", hint=f"kakehi run {manifest}, with export: in it"
        )
    refuse_filled(target)
    for step in steps:
        home = store.folder(step.name, step.address)
        for output in (output for receipt in receipts_of(step, store) for output in receipt.outputs):
            place = target / output.name if len(steps) == 1 else target / step.name / output.name
            try:
                found = path_below(home, output.name)
            except ValueError as error:
                raise DataError(str(error), hint="take it away, and run again") from error
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, place)
            say(place)
