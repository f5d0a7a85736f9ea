"""Say what a reader yields: a record that may become a document, or a reject with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

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


def host_of(url: str | None) -> str | None:
    """Return the host of an address in lower case, or None where it has none."""
    found = _HOST.match(url) if url else None
    return found.group(1).lower() or None if found else None


def checked_fields(fields: Mapping[str, str], *, where: str) -> dict[str, str]:
    """Return the map from our fields to the input's; refuse fields we don't know, and a map without text.

    Raises:
        ValueError: naming the field.
    """
    known = get_args(Field)
    for field in fields:
        if field not in known:
            raise ValueError(f"{where}: fields names {field!r}, wanted some of {', '.join(known)}")
    if "text" not in fields:
        raise ValueError(f"{where}: fields names no 'text', got {dict(fields)!r}")
    return dict(fields)


def from_row(
    row: Mapping[str, Any], fields: Mapping[str, str], *, offset: int, length: int
) -> Record | Reject:
    """Return the record that a row of named values holds.

    A whole number is taken as an id; every other value that is neither a string nor null is a wrong type.
    """
    values: dict[str, str | None] = {}
    fault: tuple[Reason, str] | None = None
    for field, key in fields.items():
        value = row.get(key)
        if field == "id" and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or isinstance(value, str):
            values[field] = value
        elif fault is None:
            fault = ("wrong_type", f"{key}: {type(value).__name__}")
    if fault is None and values["text"] is None:
        fault = ("missing_field", fields["text"])
    if fault is None and not all(_is_unicode(value) for value in values.values()):
        fault = ("invalid_utf8", "a lone surrogate")
    url, record_id = values.get("url") or None, values.get("id")
    if fault:
        return Reject(
            record_id=_shown(record_id),
            offset=offset,
            length=length,
            url=_shown(url),
            reason=fault[0],
            note=fault[1],
        )
    if not values["text"]:
        return Reject(record_id=record_id, offset=offset, length=length, url=url, reason="empty_body")
    return Record(
        record_id=record_id,
        offset=offset,
        length=length,
        url=url,
        host=host_of(url),
        fetched=values.get("fetched"),
        text=values["text"],
        title=values.get("title"),
    )


def _is_unicode(value: str | None) -> bool:
    """Say whether UTF-8 can hold it: JSON may name half a surrogate pair."""
    if value is None or value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: str | None) -> str | None:
    return None if value is None else value.encode(errors="replace").decode()
