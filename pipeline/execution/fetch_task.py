"""Fetch what a source's manifest asks for, shard by shard, in this process, before anything of it can be planned."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from kakehi.pipeline.engines.attempts import name_process
from kakehi.pipeline.errors import ClaimLostError, CorpusError, DataError, WorkFolderError
from kakehi.pipeline.execution.shard_task import measured
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.sources.fetch import Fetch
from kakehi.pipeline.storage.shards import Shard
from kakehi.pipeline.storage.store import FULL, Receipt, Store
from kakehi.pipeline.walltime import OutOfTimeError, Walltime

#: Seconds between two words on how far a shard is: each is an event.
_TELL_S = 2.0


def fetch_shards(
    step: Step, store: Store, time_left: Walltime, tell: Callable[[str], None]
) -> Iterator[tuple[Shard, Receipt | CorpusError]]:
    """Fetch and publish the shards that a step lacks, one after another; one that fails does not stop the others.

    Args:
        step: that fetches.
        store: the work folder.
        time_left: no shard begins, and none goes on, that it does not allow.
        tell: hears now and then how far it is.
    """
    said = _Seldom(tell)
    with suppress(OutOfTimeError):
        for shard in time_left.taking(step.todo):
            try:
                yield shard, _fetch(step, shard, store, time_left, said)
            except (WorkFolderError, ClaimLostError):
                raise
            except CorpusError as error:
                yield shard, error


def _fetch(
    step: Step, shard: Shard, store: Store, time_left: Walltime, tell: Callable[[str], None]
) -> Receipt:
    """Run one shard and publish it; what it has at home is removed only then, so that a kill loses none of it."""
    home = store.parts(step.name, step.address, shard.source, shard.name)
    home.mkdir(parents=True, exist_ok=True)
    attempt, where = store.attempt(name_process()), f"{step.name} {shard.source}/{shard.name}"
    model = step.stage.model()(**step.parameters)
    asked = Fetch(shard=shard, home=home, out=attempt, time_left=time_left, tell=tell)
    try:
        with measured() as cost:
            counts = step.stage.run(
                asked, **{name: getattr(model, name) for name in type(model).model_fields}
            )
        receipt = store.publish(
            attempt,
            Receipt(
                step=step.name,
                source=shard.source,
                shard=shard.name,
                address=step.address,
                inputs=tuple({"name": file.name, "size": file.size} for file in shard.files),
                counts=counts,
                **cost,
            ),
        )
    except DataError as error:
        raise DataError(f"{where}: {error.message}", hint=error.hint) from error
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise DataError(f"{where}: {error}") from error
    finally:
        shutil.rmtree(attempt, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    return receipt


class _Seldom:
    """Pass on what is said, but not more often than is read."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._next = time.monotonic()

    def __call__(self, text: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _TELL_S
            self._tell(text)
