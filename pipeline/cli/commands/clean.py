"""`kakehi clean`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from kakehi.pipeline.cli.plan_view import shown
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.engines.lock import RunLock
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning.discovery import whole_plan
from kakehi.pipeline.planning.unreached import links_inside, unreached
from kakehi.pipeline.storage.store import Store


def clean(manifests: Sequence[Path], work: Path, yes: bool) -> None:
    """Remove what none of these manifests reaches."""
    store = Store(work)
    lock = RunLock(store.root, say=partial(say, err=True))
    with lock if yes else nullcontext():  # a run under way reaches what no plan does yet
        gone = unreached([step for path in manifests for step in whole_plan(load(path), store)], store)
        for path in gone:
            if yes:
                lock.check()
            say(f"{'removed' if yes else 'would remove'} {shown(path)}")
            if yes:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for link in links_inside(store):
            say(f"warning: {shown(link)}: is a link; nothing behind it is removed", err=True)
    say(f"{len(gone)} {'removed' if yes else 'to remove; add --yes'}", err=True)
