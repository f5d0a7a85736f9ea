"""Say in one error how tasks failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kakehi.pipeline.engines.engine import Failure
from kakehi.pipeline.errors import CorpusError, EngineError


def one_error(step: str, failures: Sequence[tuple[str, Failure]]) -> CorpusError:
    """Make one error of failures and the names of what they failed at; failures alike share a line."""
    alike: dict[str, list[str]] = {}
    for name, failure in failures:
        alike.setdefault(_said(failure.error), []).append(name)
    lines = [f"{step}: {name}{_and_more(others)}: {said}" for said, [name, *others] in alike.items()]
    kind: Callable[..., CorpusError] = EngineError
    if all(isinstance(failure.error, CorpusError) for _, failure in failures):
        kind = type(failures[0][1].error)  # type: ignore[assignment]
    hints = [failure.error.hint for _, failure in failures if isinstance(failure.error, CorpusError)]
    hint = next((hint for hint in hints if hint), None)
    return kind("\n".join(lines), hint=hint or "mend the input and run again: all other shards are kept")


def _and_more(others: Sequence[str]) -> str:
    return f" and {len(others):,} more" if others else ""


def _said(error: BaseException) -> str:
    return error.message if isinstance(error, CorpusError) else f"{type(error).__name__}: {error}"
