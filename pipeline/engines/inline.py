"""One task after another, in this process: for a laptop, a test and a debugger."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from kakehi.pipeline.engines.engine import Failure
from kakehi.pipeline.interrupts import raise_interrupt

T = TypeVar("T")
R = TypeVar("R")


class Inline:
    """Run tasks one after another in this process."""

    def map(self, task: Callable[[T], R], items: Iterable[T], /) -> Iterator[tuple[int, R | Failure]]:
        """Yield (position, result or Failure), in order."""
        for position, item in enumerate(items):
            raise_interrupt()
            try:
                yield position, task(item)
            except Exception as error:  # noqa: BLE001 - the seam: a failing task must not stop its neighbours
                raise_interrupt()
                yield position, Failure(error=error, trace=traceback.format_exc())

    @property
    def dashboard(self) -> None:
        """There is nothing to watch."""
        return

    @property
    def bytes_per_worker(self) -> None:
        """The machine file says it."""
        return

    @property
    def warning(self) -> None:
        """Nobody else gets in."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Hold nothing, release nothing."""
