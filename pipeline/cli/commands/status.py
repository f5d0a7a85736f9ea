"""`kakehi status`."""

from __future__ import annotations

from pathlib import Path

from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.execution.status import status as status_of
from kakehi.pipeline.storage.store import Store


def status(work: Path) -> None:
    """Tell how the newest run goes, or how it ended: from any terminal that sees the folder."""
    for line in status_of(Store(work).root):
        say(line)
