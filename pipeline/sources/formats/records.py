"""Say what a reader yields: a record that may become a document, or a reject with its reason."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as default
from itertools import islice
from typing import Any, Final, Literal, get_args

from kakehi.pipeline.sources.formats.compressed import WINDOW_BYTES

Reason = Literal[
    "record_type",  # not a page: a request, a revisit, a description; the note says which
    "http_status",  # not 200; the note says what
    "media_type",  # neither HTML nor text, by its header, its first bytes, or what the crawler identified
    "truncated",  # the crawler, or a compressed body, broke off
    "too_large",
    "empty_body",
    "broken_encoding",  # a body that its own codings can't unpack
    "broken_gzip",
    "broken_zstd",
    "broken_zip",
    "broken_record",  # bytes between two records that are none
    "wrong_length",  # Content-Length of a WARC record and its bytes disagree
    "broken_json",
    "invalid_utf8",
    "missing_field",
    "wrong_type",
]

_HOST = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^\[\]/?#:]*)"
)  # a seventh of urlsplit's time

Field = Literal["text", "id", "url", "title", "fetched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of an input, with either the bytes of a body or a text.

    Args:
        record_id: the input's own name of it, or None.
        offset: where it starts: bytes of the file (WARC), bytes of the unpacked file (JSON lines), or a row number.
        length: how far it goes, in the unit of `offset`.
        url: its address, or None.
        host: the address's host in lower case, or None.
        fetched: when it was fetched, as the input says, or None.
        body: undecoded bytes, or None where there is a text.
        text: text, or None where there is a body.
        title: title, or None.
        header_charset: charset the HTTP header names, lower case, or None.
        content_type: media type, lower case, without parameters.
        said: HTTP headers that speak of consent, names and values.
    """

    record_id: str | None
    offset: int
    length: int
    url: str | None = None
    host: str | None = None
    fetched: str | None = None
    body: bytes | None = None
    text: str | None = None
    title: str | None = None
    header_charset: str | None = None
    content_type: str | None = None
    said: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """What became no record: its place (as in `Record`), a reason for machines, and a note for people."""

    record_id: str | None
    offset: int
    length: int
    url: str | None = None
    reason: Reason
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How an input is read.

    Args:
        accept_broken: keep what is sound of a broken file, with one reject for the rest, instead of an error.
        max_window_bytes: window of a zstd frame at most.
        counts: what is counted beside records and rejects goes there.
    """

    accept_broken: bool = False
    max_window_bytes: int = WINDOW_BYTES
    counts: Counter[str] = default(default_factory=Counter)


def host_of(url: str | None) -> str | None:
    """Return the host of an address in lower case, or None where it has none."""
    found = _HOST.match(url) if url else None
    return found.group(1).lower() or None if found else None


def checked_fields(fields: Mapping[str, str], *, where: str, counts: Counter[str] | None = None) -> FieldMap:
    """Return the map from our fields to the input's; refuse fields we don't know, and a map without text.

    Args:
        fields: our field to a key or dotted path; `field?` says that no record need have it.
        where: for the message.
        counts: what becomes of the fields is counted there.

    Raises:
        ValueError: naming the field.
    """
    known, paths, optional = get_args(Field), dict[str, str](), set[str]()
    for name, path in fields.items():
        field = name.removesuffix("?")
        if field not in known or name == "text?":
            raise ValueError(f"{where}: fields names {name!r}, wanted some of {', '.join(known)}")
        if field in paths:
            raise ValueError(f"{where}: fields names both {field!r} and '{field}?', wanted one")
        paths[field] = path
        optional |= {field} if name != field else set()
    if "text" not in paths:
        raise ValueError(f"{where}: fields names no 'text', got {dict(fields)!r}")
    return FieldMap(paths, frozenset(optional), Counter() if counts is None else counts)


class FieldMap:
    """Our fields, the keys or dotted paths they have in an input, and counts of what was there.

    Counts: `mapped`, rows that were looked at; `absent/NAME`, those that lacked a field; `lost/NAME`, those whose field was
    no text; and where a field was missing from the first rows on, `key/PATH`, the keys that were there.
    """

    def __init__(self, paths: Mapping[str, str], optional: frozenset[str], counts: Counter[str]) -> None:
        self.paths = dict(paths)
        self.optional = optional
        self.counts = counts
        self._unseen = set(paths) - optional
        self._noted = 0

    def values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a row holds for each field, ABSENT where it holds nothing, and count it."""
        self.counts["mapped"] += 1
        found = {field: row.get(path, ABSENT) for field, path in self.paths.items()}
        for field, value in found.items():
            if value is ABSENT:  # at most one in a few fields of one in a few rows
                found[field] = self._look_further(row, field)
        if self._unseen:
            self._note_keys(row, found)
        return found

    def _look_further(self, row: Mapping[str, Any], field: str) -> Any:
        value = value_at(row, self.paths[field])
        if value is ABSENT:
            self.counts[f"absent/{field}"] += 1
        return value

    def _note_keys(self, row: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        self._unseen -= {field for field, value in found.items() if value is not ABSENT}
        if self._unseen and self._noted < _NOTED_ROWS:
            self._noted += 1
            self.counts.update(f"key/{name}" for name in islice(_key_paths(row), _NOTED_KEYS))


#: What `value_at` returns where there is nothing; null is something.
ABSENT: Final = object()

#: Keys that an error lists.
_SHOWN_KEYS = 24

#: Rows whose keys are noted, and keys of each, so that counts stay small whatever an input's keys are.
_NOTED_ROWS, _NOTED_KEYS, _KEY_CHARACTERS, _KEY_DEPTH = 8, 32, 80, 3


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """Return what a row holds under a key, or under keys joined by dots, or ABSENT; a key that itself has dots wins."""
    if path in row:
        return row[path]
    dot = path.find(".")
    while dot >= 0:
        inner = row.get(path[:dot])
        if isinstance(inner, Mapping) and (found := value_at(inner, path[dot + 1 :])) is not ABSENT:
            return found
        dot = path.find(".", dot + 1)
    return ABSENT


def nearest_key(path: str, keys: Iterable[str]) -> str:
    """Say which key was perhaps meant by one that is not there."""
    there = sorted(keys)
    last = path.rpartition(".")[2].lower()
    alike = [key for key in there if key.rpartition(".")[2].lower() == last]
    close = [*alike, *difflib.get_close_matches(path, there, n=1)][:1]
    return f"; did you mean {close[0]!r}?" if close else ""


def listed_keys(keys: Iterable[str]) -> str:
    """List keys for an error, not all where they are many."""
    there = sorted(keys)
    more = f" and {len(there) - _SHOWN_KEYS} more" if len(there) > _SHOWN_KEYS else ""
    return f"{', '.join(there[:_SHOWN_KEYS]) or 'none'}{more}"


def _key_paths(row: Mapping[str, Any], before: str = "", depth: int = 1) -> Iterator[str]:
    for key, value in row.items():
        name = before + "".join(c if c.isprintable() else "?" for c in str(key)[:_KEY_CHARACTERS])
        if isinstance(value, Mapping) and value and depth < _KEY_DEPTH:
            yield from _key_paths(value, f"{name}.", depth + 1)
        else:
            yield name


def from_row(row: Mapping[str, Any], fields: FieldMap, *, offset: int, length: int) -> Record | Reject:
    """Return the record that a row of named values holds.

    A whole number is taken as an id. A text that is none costs the row; any other field costs itself, and is counted.
    """
    values = fields.values(row)
    text = values.pop("text")
    for field, value in values.items():
        if not isinstance(value, str) or not (value.isascii() or _is_unicode(value)):
            values[field] = _text_or_lost(field, value, fields)
    url, record_id = values.get("url") or None, values.get("id")
    if fault := _fault_of(text, fields.paths["text"]):
        reason, note = fault
        return Reject(record_id=record_id, offset=offset, length=length, url=url, reason=reason, note=note)
    return Record(
        record_id=record_id,
        offset=offset,
        length=length,
        url=url,
        host=host_of(url),
        fetched=values.get("fetched"),
        text=text,
        title=values.get("title"),
    )


def _fault_of(text: Any, path: str) -> tuple[Reason, str] | None:
    """Say why a value is no text of a document."""
    if isinstance(text, str):
        if not text:
            return "empty_body", ""
        return None if _is_unicode(text) else ("invalid_utf8", "a lone surrogate")
    if text is None or text is ABSENT:
        return "missing_field", path
    return "wrong_type", f"{path}: {type(text).__name__}"


def _text_or_lost(field: str, value: Any, fields: FieldMap) -> str | None:
    """Return None for what is no text, and count it where something was there."""
    if value is ABSENT or value is None:
        return None
    if field == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    fields.counts[f"lost/{field}"] += 1
    return None


def _is_unicode(value: str) -> bool:
    """Say whether UTF-8 can hold it: JSON may name half a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
