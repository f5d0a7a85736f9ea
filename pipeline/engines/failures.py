"""Say in one error how tasks failed, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kakehi.pipeline.engines.engine import Failure
from kakehi.pipeline.errors import CorpusError, EngineError


def one_error(
    step: str, names: Sequence[str], failures: Mapping[int, Failure], *, way_out: str | None = None
) -> CorpusError:
    """Make one error of failures, the same whichever was first to fail; failures alike share a line.

    Args:
        step: which step they are of.
        names: of all tasks, in order.
        failures: by the positions of their tasks.
        way_out: for the hint, beside what the first failure with a hint says.
    """
    in_order = [failures[position] for position in sorted(failures)]
    alike: dict[str, list[str]] = {}
    for position in sorted(failures):
        alike.setdefault(_said(failures[position].error), []).append(names[position])
    lines = [f"{step}: {name}{_and_more(others)}: {said}" for said, [name, *others] in alike.items()]
    kind: Callable[..., CorpusError] = EngineError
    if all(isinstance(failure.error, CorpusError) for failure in in_order):
        kind = type(in_order[0].error)  # type: ignore[assignment]
    hints = [failure.error.hint for failure in in_order if isinstance(failure.error, CorpusError)]
    hint = next((hint for hint in hints if hint), None)
    return kind("\n".join(lines), hint=", or ".join(filter(None, [hint, way_out])) or RETRY)


#: The way out where no input is to blame.
RETRY = "run again to try once more: what is done is kept"


def _and_more(others: Sequence[str]) -> str:
    return f" and {len(others):,} more" if others else ""


def _said(error: BaseException) -> str:
    return error.message if isinstance(error, CorpusError) else f"{type(error).__name__}: {error}"
