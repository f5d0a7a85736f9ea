"""Say which shards failed, at which record where that is known, and how to go on without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kakehi.pipeline.engines.engine import Failure
from kakehi.pipeline.engines.failures import one_error
from kakehi.pipeline.errors import CorpusError, EngineError, FileStateError, WorkFolderError
from kakehi.pipeline.execution.bookmark import read_bookmark
from kakehi.pipeline.execution.shard_task import NO_RECORD, ShardTask
from kakehi.pipeline.storage.tables import take_rows

#: Places that a hint names; the error names all of them.
_SHOWN = 3


def shards_error(step: str, tasks: Sequence[ShardTask], failures: Mapping[int, Failure]) -> CorpusError:
    """Make one error of shards that failed, with the record each was at and how to leave it out."""
    places = {
        position: None if isinstance(failures[position].error, FileStateError) else failed_at(tasks[position])
        for position in sorted(failures)
    }
    names = [f"{task.shard.source}/{task.shard.name}" for task in tasks]
    for position, place in places.items():
        said = str(failures[position].error)
        names[position] += f" at {place}" if place and place not in said else ""
    if all(isinstance(failure.error, WorkFolderError) for failure in failures.values()):
        return one_error(step, names, failures)
    if all(isinstance(failure.error, FileStateError) for failure in failures.values()):
        return one_error(step, names, failures, way_out="all other shards are kept")
    known = [(tasks[position].shard.source, place) for position, place in places.items() if place]
    skips = ", ".join(f"{place!r} in source {source!r}" for source, place in known[:_SHOWN])
    way_out = "mend the input and run again" + (f", or leave out with skip: {skips}" if skips else "")
    return one_error(step, names, failures, way_out=f"{way_out}; all other shards are kept")


def failed_at(task: ShardTask) -> str | None:
    """Name the input, and the record, that a task was at when it ended, as `skip` takes it; None where unknown."""
    found = read_bookmark(task.bookmark)
    if found is None:
        return None
    first, second = found
    if "documents" not in task.tables:
        name = (
            task.shard.files[first].name if task.shard.files else str(dict(task.shard.spec or ())["dataset"])
        )
        return name if second == NO_RECORD else f"{name}@{second}"
    if second != 1:
        return None  # somewhere in a batch
    [documents], row = task.tables["documents"], np.array([first])
    return "@".join(str(take_rows(documents, column, row)[0]) for column in ("input", "offset"))


def joined(errors: Sequence[CorpusError]) -> CorpusError:
    """Make one error of those of several steps."""
    if len(errors) == 1:
        return errors[0]
    kinds: set[Callable[..., CorpusError]] = {type(error) for error in errors}
    hints = dict.fromkeys(error.hint for error in errors if error.hint)
    kind = kinds.pop() if len(kinds) == 1 else EngineError
    return kind("\n".join(error.message for error in errors), hint="\nhint: ".join(hints) or None)
