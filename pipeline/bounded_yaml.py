"""Read a YAML file whose size is bounded before anything is made of it: aliases, nesting and numbers too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    NodeEvent,
    ScalarEvent,
)

from kakehi.pipeline.errors import ManifestError

#: Bytes of a file, values with every alias written out, levels of nesting, and digits of a number, at most.
MAX_BYTES: Final = 1 << 20
MAX_VALUES: Final = 100_000
MAX_DEPTH: Final = 32  # ruamel calls itself eight times a level, of a thousand that Python allows
MAX_DIGITS: Final = 100

_NUMBER: Final = re.compile(r"[-+]?(?:0[xob])?[0-9a-fA-F_]+")


def read_yaml(path: Path, kind: Literal["rt", "safe"]) -> Any:
    """Read YAML 1.2 whose aliases, nesting and numbers stay within bounds: `no` is a word, 1e9 a number.

    Args:
        path: of the file, in UTF-8.
        kind: `rt` keeps the line of every key, `safe` gives plain values.

    Raises:
        ManifestError: it can't be read, is no YAML, or is out of bounds, with the line.
    """
    text = _text_of(path)
    try:
        _check_events(YAML(typ="rt").parse(text), path)
        return _loaded(text, kind, path)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError(f"{path}:{line}: is no YAML: {error.problem}") from error
    except YAMLError as error:  # a character that YAML forbids
        raise ManifestError(f"{path}:{_line_of(text, error)}: is no YAML: {error}") from error


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError(f"{path}: can't be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise ManifestError(f"{path}: got over {MAX_BYTES:,} bytes, wanted a YAML file of at most as many")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{path}:{line}: is not UTF-8 ({error})",
            hint=f"iconv -f latin1 -t utf-8 (or whatever it is in) makes UTF-8 of it: {path.name}",
        ) from error


def _check_events(events: Iterable[Any], path: Path) -> None:
    """Refuse what would grow: the values under each anchor are counted once, and added wherever an alias names it."""
    open_ = list[tuple[str | None, int]]()  # anchors of the collections around, and the count before each
    sizes = dict[str, int | None]()  # of anchors; None while one is open
    count = 0
    for event in events:
        if isinstance(event, CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = count - before
            continue
        if not isinstance(event, NodeEvent):
            continue
        where, anchor = f"{path}:{event.start_mark.line + 1}", event.anchor
        if isinstance(event, AliasEvent):
            size = sizes.get(anchor, 1)
            if size is None:
                raise ManifestError(f"{where}: alias *{anchor} stands in what it names, wanted no circle")
            count += size
        elif isinstance(event, CollectionStartEvent):
            open_.append((anchor, count))
            sizes |= {anchor: None} if anchor else {}
            count += 1
        elif isinstance(event, ScalarEvent):
            _refuse_number(event, where)
            sizes |= {anchor: 1} if anchor else {}
            count += 1
        if count > MAX_VALUES:
            raise ManifestError(
                f"{where}: got over {MAX_VALUES:,} values with every alias written out, wanted fewer"
            )
        if len(open_) > MAX_DEPTH:
            raise ManifestError(f"{where}: got over {MAX_DEPTH} levels of nesting, wanted fewer")


def _refuse_number(event: ScalarEvent, where: str) -> None:
    written = event.value
    if len(written) > MAX_DIGITS and event.style is None and _NUMBER.fullmatch(written):
        raise ManifestError(f"{where}: got a number of {len(written):,} digits, wanted at most {MAX_DIGITS}")


def _loaded(text: str, kind: Literal["rt", "safe"], path: Path) -> Any:
    try:
        return YAML(typ=kind).load(text)
    except ValueError as error:  # a date without such a day, a tag whose value is none
        raise ManifestError(f"{path}:{_line_of_value(text)}: is no YAML: {error}") from error


def _line_of_value(text: str) -> int:
    """Find the line of the first value that can't be made; nothing but an error is waiting for it."""
    for event in YAML(typ="rt").parse(text):
        if (
            isinstance(event, ScalarEvent)
            and event.style is None
            and (event.tag or event.value[:1].isdigit())
        ):
            try:
                YAML(typ="safe").load(f"!<{event.tag}> {event.value}" if event.tag else event.value)
            except ValueError:
                return int(event.start_mark.line) + 1
            except YAMLError:
                continue
    return 1


def _line_of(text: str, error: YAMLError) -> int:
    return text.count("\n", 0, getattr(error, "position", 0)) + 1
