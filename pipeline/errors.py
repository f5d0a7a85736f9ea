"""Every error a user can meet, and the exit code the command ends with.

    CorpusError                 1
    ├── ManifestError           2   the manifest says something that can't be
    │   └── ParameterError      2   one parameter of one stage
    ├── DataError               3   an input or output file is not what it should be
    │   ├── WorkFolderError     3   the work folder takes no more
    │   └── FileStateError      3   a file was damaged or changed; no record is to blame
    ├── ContractError           4   our bug: a stage broke its own promise
    └── EngineError             5   a task failed or a worker died
        ├── MemoryLackError     5   memory could not be had
        └── ClaimLostError      5   another run took the work folder over

A message says where, what, what was got and what was wanted; a hint, on its own line, says the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar


class CorpusError(Exception):
    """Say what went wrong with a corpus, where, and the way out.

    Args:
        message: where, what, got, wanted; lower case, no full stop.
        hint: the way out, or None.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a pickle: keyword-only arguments are lost by the default."""
        return _rebuild, (type(self), self.message, self.hint)


class ManifestError(CorpusError):
    """The manifest says something that can't be."""

    exit_code = 2


class ParameterError(ManifestError, ValueError):
    """One parameter of one stage has a value it can't have."""


class DataError(CorpusError):
    """An input or output file is not what it should be."""

    exit_code = 3


class WorkFolderError(DataError):
    """The work folder takes no more: its disk is full, or it can't be written to."""


class ContractError(CorpusError):
    """A stage broke its own promise: a bug of ours."""

    exit_code = 4


class FileStateError(DataError):
    """A file is not what it was when it was written or found: no record in it is to blame."""


class EngineError(CorpusError):
    """A task failed, or a worker died."""

    exit_code = 5


class MemoryLackError(EngineError):
    """Memory was asked for that could not be had."""


class ClaimLostError(EngineError):
    """This run's work folder was taken over by another run, which took this one for dead."""


@contextmanager
def enough_memory() -> Iterator[None]:
    """Turn a MemoryError, whoever raises it, into one clear error.

    Raises:
        MemoryLackError: it was one.
    """
    try:
        yield
    except MemoryError as error:
        said = f" ({error})" if str(error) else ""
        raise MemoryLackError(
            f"out of memory{said}",
            hint="give a task more memory or run fewer workers (bytes_per_worker and workers in the machine file)",
        ) from error


def nearest(name: str, choices: Iterable[str]) -> str:
    """Say which name was perhaps meant, or list the choices."""
    listed = sorted(choices)
    close = difflib.get_close_matches(name, listed, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(listed) or 'none'}"


def shortened(message: str) -> str:
    """Cut a message that quotes a value of any size."""
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]} …"


_LONGEST = 1000


def _rebuild(kind: type[CorpusError], message: str, hint: str | None) -> CorpusError:
    return kind(message, hint=hint)
