"""Notes that a part of a task is done: small JSON with digests of itself and of the files that it speaks for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash

from kakehi.pipeline.storage.addresses import canonical
from kakehi.pipeline.storage.atomic import set_aside

_CHUNK_BYTES = 1 << 20


def write_note(path: Path, told: Mapping[str, Any], files: Sequence[Path] = ()) -> None:
    """Write down that files beside a note are whole, and what else their task tells.

    Args:
        path: of the note.
        told: plain values.
        files: whole and in their place, in the note's folder.
    """
    plain = json.loads(json.dumps({"told": told, "files": {file.name: _file_digest(file) for file in files}}))
    with set_aside(path) as aside:
        aside.write_text(json.dumps({**plain, "digest": _digest(plain)}), encoding="utf-8")


def read_note(path: Path) -> dict[str, Any] | None:
    """Give what a note tells, or None where it, or a file it speaks for, is gone or has other bytes than were written."""
    try:
        plain = json.loads(path.read_bytes())
        whole = plain.pop("digest") == _digest(plain)
        whole = whole and all(
            _file_digest(path.parent / name) == told for name, told in plain["files"].items()
        )
        return dict(plain["told"]) if whole else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _digest(plain: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(canonical(plain).encode())


def _file_digest(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
