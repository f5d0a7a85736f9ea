"""The seam between what is done and where: one method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A task that raised, or killed its worker.

    Args:
        error: what was raised.
        trace: the traceback as text, for the events file.
    """

    error: BaseException
    trace: str


class Engine(Protocol):
    """Run a task on every item; yield (position, result or Failure) as they complete.

    Tasks get paths and parameters and return counts: an engine never sees a document.
    """

    def map(self, task: Callable[[T], R], items: Iterable[T], /) -> Iterator[tuple[int, R | Failure]]:
        """Run with a bounded number of tasks under way."""
        ...

    @property
    def dashboard(self) -> str | None:
        """Where it can be watched, or None."""
        ...

    @property
    def bytes_per_worker(self) -> int | None:
        """Memory a task may take there, or None where only the machine file says."""
        ...

    @property
    def warning(self) -> str | None:
        """What a user should know before anything runs there, or None."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
