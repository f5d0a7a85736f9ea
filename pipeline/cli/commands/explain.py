"""`kakehi explain`."""

from __future__ import annotations

from pathlib import Path

from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.inspection.explain import explain as explain_one
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning.discovery import make_plan
from kakehi.pipeline.printable import show_line
from kakehi.pipeline.storage.store import Store


def explain(manifest: Path, document: str, work: Path, limit: int | None) -> None:
    """Tell one document's way: its record, charset, signals, objections, partner, tokens."""
    store = Store(work)
    steps = make_plan(load(manifest), store, limit=limit)
    for line in explain_one(steps, store, document):
        say(show_line(line))
